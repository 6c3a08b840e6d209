//! What was served of a phone stays, and where it was, until its newest spec can be served or the phone is gone: whatever is wrong with
//! what decides where its file is, which are its address and its site.

use std::sync::Arc;

use crate::api::{Extra, ObjectRef, SecretParameters, Settings, SipPhoneSpec, SipPhoneStatus, Violation};
use crate::phone::{FileName, Mac, Model, cnf};
use crate::provision::render::plan::{PhoneBase, PhonePlan, Standing};
use crate::provision::render::reach::Reach;
use crate::provision::{File, Key};

use super::Fleet;
use super::agenda::WorkItem;
use super::object::Meta;
use super::site::Site;

impl Fleet {
    /// A phone was made or changed, and its spec cannot be read: what is known of it, and what is served of it, stays. Right after a
    /// start nothing but its status says what that is.
    pub fn hold_phone(&mut self, meta: Meta, status: SipPhoneStatus, why: &str) {
        let key = meta.key.clone();
        if !self.phones.contains_key(&key) {
            self.apply_phone(meta.clone(), unread_spec(), status);
        }
        if let Some(phone) = self.phones.get_mut(&key) {
            phone.refuse(meta, Violation { field: "spec".to_owned(), message: why.to_owned() });
            self.agenda.queue_phone(&key);
        }
    }

    /// The newest text of a phone cannot be used: what is known of it, and what is served of it, stays.
    pub fn doubt_phone(&mut self, key: &Key, why: &str) {
        if let Some(phone) = self.phones.get_mut(key) {
            let meta = phone.meta().clone();
            phone.refuse(meta, Violation { field: "spec".to_owned(), message: why.to_owned() });
            self.agenda.queue_phone(key);
        }
    }

    /// Right after a start a phone that names another site, or none that exists, is where its file is found.
    pub(super) fn find_home(&mut self, key: &Key) {
        let Some(phone) = self.phones.get(key).filter(|phone| phone.home().is_none()) else { return };
        let Some(mac) = phone.held() else { return };
        let (file, named) = (mac.config_file(), phone.site());
        let has_it = |site: &Site| site.placement.recovered(&file).is_some();
        if self.sites.get(&named).is_some_and(|site| has_it(site)) {
            return;
        }
        let here = self.sites.iter().filter(|(site, _)| site.namespace == key.namespace);
        let found = here.filter(|(_, site)| has_it(site)).map(|(site, _)| site).min();
        let Some(home) = found.cloned() else { return };
        let Some(plan) = self.sites.get(&home).and_then(|site| recovered_phone(site, mac)) else { return };
        if let (Some(site), Some(phone)) = (self.sites.get_mut(&home), self.phones.get_mut(key)) {
            site.phones.insert(key.clone());
            phone.enter(&home);
        }
        self.agenda.work(WorkItem::SiteStatus(home.clone()));
        // What its file names has to be there as long as it does.
        self.want_image(key, plan.image.clone().as_deref());
        self.put(key, &home, Arc::new(plan), Standing::Pending(Vec::new()));
    }

    /// Whether the site that a phone names can take it over from the one where it is.
    pub(super) fn can_move(&self, key: &Key, to: &Key, spec: &SipPhoneSpec, base: &PhoneBase) -> bool {
        let takes = |site: &Site| !site.is_suspended() && site.standing().is_up_to_date();
        let Some(site) = self.sites.get(to).filter(|site| takes(site)) else { return false };
        let rendering = self.rendering(key, to, spec, base);
        rendering.ready().is_some_and(|plan| site.placement.has_room(&plan.files, plan.secret))
    }

    /// What a phone was served last, and may go on to be served, at a site.
    pub(super) fn last_good(&self, key: &Key, at: &Key) -> Option<Arc<PhonePlan>> {
        let (phone, site) = (self.phones.get(key)?, self.sites.get(at)?);
        let plan = match phone.plan() {
            Some(plan) => plan.clone(),
            None => {
                // A status says whose a file is; without one it is that of the phone which has a right to it.
                let own = phone.mac().as_ref().ok().copied().filter(|mac| self.is_nobody_elses(key, *mac));
                Arc::new(recovered_phone(site, phone.held().or(own)?)?)
            }
        };
        // What another phone has a right to, and can be served, is not held on to.
        let holder = self.identities.holder(&key.namespace, plan.mac).filter(|holder| *holder != key);
        (!holder.is_some_and(|holder| self.is_served_under(holder, plan.mac))).then_some(plan)
    }

    fn is_nobody_elses(&self, key: &Key, mac: Mac) -> bool {
        let holds = |other: &Key| self.phones.get(other).is_some_and(|phone| phone.held() == Some(mac));
        self.identities.holder(&key.namespace, mac) == Some(key)
            && !self.identities.claimants(&key.namespace, mac).any(|other| other != key && holds(other))
    }

    fn is_served_under(&self, phone: &Key, mac: Mac) -> bool {
        self.phones.get(phone).and_then(|phone| phone.plan()).is_some_and(|plan| plan.mac == mac)
    }

    /// A phone is served under an address: no other one is any longer.
    pub(super) fn take_from_others(&mut self, key: &Key, mac: Mac) {
        let others = self.identities.claimants(&key.namespace, mac).filter(|other| *other != key);
        let others: Vec<Key> = others.filter(|other| self.is_served_under(other, mac)).cloned().collect();
        for other in others {
            self.unplace(&other);
            self.agenda.queue_phone(&other);
        }
    }
}

/// What is known of a phone's spec that was never read: nothing. It names no site and has no address.
fn unread_spec() -> SipPhoneSpec {
    SipPhoneSpec {
        site_ref: ObjectRef { name: String::new() },
        mac: String::new(),
        model: Model::Cp7960,
        label: None,
        lines: Vec::new(),
        settings: Settings::default(),
        extra_parameters: Extra::default(),
        secret_parameters: SecretParameters::default(),
        firmware: None,
        resync: None,
    }
}

/// The last good files of a phone that cannot be rendered now, as they were found when the operator started.
fn recovered_phone(site: &Site, mac: Mac) -> Option<PhonePlan> {
    let (slot, own) = site.placement.recovered(&mac.config_file())?;
    let mut files = vec![File::new(mac.config_file(), own.clone())];
    let xml = FileName::Sep(Some(mac)).to_string();
    if let Some((_, bytes)) = site.placement.recovered(&xml) {
        files.push(File::new(xml, bytes.clone()));
    }
    let (image, reach) = (cnf::image_named(own), Reach::recover(own));
    Some(PhonePlan { mac, files: files.into(), secret: slot.secret(), image, reach })
}
