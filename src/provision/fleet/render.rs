//! Rendering: from an object's newest spec, or its last good one, to files in their places.

use std::sync::Arc;

use crate::api::{Reason, SecretKey, SipPhoneSpec};
use crate::phone::FileName;
use crate::phone::file_name::SIP_DEFAULT;
use crate::phone::{Mac, cnf};
use crate::provision::catalog::Catalog;
use crate::provision::claims::identities::{Conflict, OtherLine};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placement::slot::Slot;
use crate::provision::render::phone::Known;
use crate::provision::render::plan::{PhoneBase, PhonePlan, Rendering, SitePlan, Standing};
use crate::provision::render::reach::Reach;
use crate::provision::{File, Key, advice, render};

use super::Fleet;
use super::agenda::WorkItem;
use super::object::Meta;
use super::site::Site;

impl Fleet {
    /// Renders a site, and decides what is served of it.
    pub(super) fn render_site(&mut self, key: &Key) {
        let Some(site) = self.sites.get(key) else { return };
        let secrets = |secret: &SecretKey| self.dependencies.secret_value(&key.namespace, secret);
        let catalog = match site.spec().config_maps().next() {
            Some(_) => self.spec_sources(key, site).catalog,
            None => Some(Catalog::new(vec![&self.folder])),
        };
        let input = render::site::Input {
            spec: site.spec(),
            staged: site.images.retained(),
            notifies: self.needs_syncinfo(key, site),
            catalog: catalog.as_ref(),
            knows_all: self.knows_all_files(key, site),
        };
        let (rendering, judged) = render::site::render(input, &secrets);
        let rendering = rendering
            .with_violations(site.violations())
            .with(self.unserved_maps(key, site))
            .with(resync_advice(site.meta()));
        let next = rendering.ready().cloned().map(Arc::new);
        let before = site.plan().cloned();
        // While a site is suspended, or its newest spec cannot be served, the last good plan stays.
        let after = match (&next, &before) {
            (Some(next), _) if !site.is_suspended() => Some(next.clone()),
            (_, Some(before)) => Some(before.clone()),
            (_, None) => recovered_site(site, next.as_deref(), &judged).map(Arc::new),
        };
        let files = |plan: &Option<Arc<SitePlan>>| plan.as_ref().map(|plan| plan.files.clone());
        let base = |plan: &Option<Arc<SitePlan>>| plan.as_ref().map(|plan| plan.base.clone());
        let files_changed = files(&after) != files(&before);
        let networks = |plan: &Option<Arc<SitePlan>>| plan.as_ref().map(|plan| plan.networks.clone());
        let networks_changed = networks(&after) != networks(&before);
        let base_changed = base(&after) != base(&before);
        let up_to_date = after.is_some() && files(&after) == files(&next);
        let standing = standing(rendering, up_to_date);
        let was_pending = site.standing().is_pending();
        let judged_otherwise = site.judged() != Some(&judged);

        let Some(site) = self.sites.get_mut(key) else { return };
        let decided = was_pending && !standing.is_pending();
        let toggled = site.serve(standing, after, judged);
        if toggled {
            site.placement.slots().into_iter().for_each(|slot| self.agenda.work(WorkItem::Shard(key.clone(), slot)));
        }
        if files_changed {
            for secret in [false, true] {
                self.agenda.work(WorkItem::Shard(key.clone(), Slot::Common { secret }));
            }
        }
        if files_changed || networks_changed {
            // Whether a phone is in sync depends on the common file too, and whether it can be notified on the networks.
            self.mark_all(key);
        }
        if base_changed || judged_otherwise || toggled || decided {
            self.render_phones_of(key);
        }
        self.agenda.work(WorkItem::Objects(key.clone()));
        self.agenda.work(WorkItem::SiteStatus(key.clone()));
        self.agenda.queue_rollout(key);
        self.agenda.queue_images(key);
    }

    /// Whether one of a site's phones is notified by SIP NOTIFY: they read `syncinfo.xml` then.
    fn needs_syncinfo(&self, key: &Key, site: &Site) -> bool {
        let of_phone = |phone: &Key| self.phones.get(phone).is_some_and(|phone| phone.needs_syncinfo());
        site.needs_syncinfo() || self.by_site.get(key).into_iter().flatten().any(of_phone)
    }

    /// Places a phone in the site that it names, renders it, and decides what is served of it.
    pub(super) fn render_phone(&mut self, key: &Key) {
        let Some(phone) = self.phones.get(key) else { return };
        let (spec, site_key) = (phone.spec().clone(), phone.site());
        self.agenda.queue_facts(key);
        if phone.home().is_some_and(|home| *home != site_key || !self.sites.contains_key(home)) {
            self.leave_site(key);
        }
        let Some(site) = self.sites.get_mut(&site_key) else {
            self.claim(key, &spec, None);
            let site = &site_key.name;
            let (reason, why) = if self.dependencies.is_unreadable(&site_key) {
                (Reason::SiteInvalid, format!("PhoneSite {site} cannot be read: correct what is wrong with it first"))
            } else {
                let namespace = &key.namespace;
                let what =
                    format!("PhoneSite {site} does not exist in namespace {namespace}: create it, or correct the name");
                (Reason::SiteNotFound, what)
            };
            let refused = self.phones.get(key).map(|phone| phone.violations()).unwrap_or_default();
            let mut diagnostics: Vec<Diagnostic> = refused.iter().map(Diagnostic::refused).collect();
            if diagnostics.iter().all(|one| one.field != "spec.siteRef.name") {
                diagnostics.push(Diagnostic::error(reason, "spec.siteRef.name", why));
            }
            return self.note_standing(key, Standing::Rendered { diagnostics, up_to_date: false });
        };
        if site.phones.insert(key.clone()) {
            self.agenda.work(WorkItem::SiteStatus(site_key.clone()));
        }
        let (plan, judged) = (site.plan().cloned(), site.judged().cloned());
        if let Some(phone) = self.phones.get_mut(key) {
            phone.enter(&site_key);
        }
        // Of a site that serves nothing what it says counts, as far as it can be read.
        let base = plan.map_or_else(|| judged.unwrap_or_default(), |plan| plan.base.clone());
        self.claim(key, &spec, Some(&base));
        self.want_image(key, render::phone::target(&spec, &base));
        self.offer(key, &site_key, base.rollout.is_some());
        self.render_own(key, &site_key, &spec, &base);
    }

    fn render_own(&mut self, key: &Key, site_key: &Key, spec: &SipPhoneSpec, base: &PhoneBase) {
        let (Some(site), Some(phone)) = (self.sites.get(site_key), self.phones.get(key)) else { return };
        let secrets = |secret: &SecretKey| self.dependencies.secret_value(&key.namespace, secret);
        let known = Known { offered: phone.offer().image(), runs: phone.image_seen() };
        let rendering = render::phone::render(spec, phone.mac(), base, site.judged(), known, &secrets)
            .with_violations(phone.violations())
            .with(self.identities.conflicts(key).iter().map(describe))
            .with(resync_advice(phone.meta()));
        let rendering = match (site.plan(), rendering) {
            (Some(_), rendering) => rendering,
            // The phone waits with its site, and what it has stays.
            (None, Rendering::Ready(_, diagnostics)) if site.standing().is_pending() => Rendering::Pending(diagnostics),
            (None, rendering) if site.standing().is_pending() => rendering,
            (None, rendering) => {
                let why = format!("PhoneSite {} cannot be served: correct what is wrong with it first", site_key.name);
                rendering.with([Diagnostic::error(Reason::SiteInvalid, "spec.siteRef.name", why)])
            }
        };
        let next = rendering.ready().cloned().map(Arc::new);
        let mac = phone.mac().as_ref().ok().copied();
        let last_good = phone.plan().cloned().or_else(|| recovered_phone(site, mac?).map(Arc::new));
        // What another phone has a right to is not held on to.
        let last_good = last_good.filter(|plan| self.identities.holder(&key.namespace, plan.mac) == Some(key));
        let files = |plan: &Option<Arc<PhonePlan>>| plan.as_ref().map(|plan| plan.files.clone());
        let (after, up_to_date) = match &next {
            Some(_) if !site.is_suspended() => (next.clone(), true),
            Some(_) => (last_good.clone(), files(&next) == files(&last_good)),
            None => (last_good, false),
        };
        let standing = standing(rendering, up_to_date);
        let standing = match after {
            Some(plan) => self.put(key, site_key, plan, standing),
            None => {
                self.unplace(key);
                standing
            }
        };
        self.note_standing(key, standing);
    }

    fn note_standing(&mut self, key: &Key, standing: Standing) {
        if let Some(phone) = self.phones.get_mut(key) {
            phone.set_standing(standing);
        }
    }

    /// Puts a phone's files into their place; a site that is full is one more error of the phone.
    fn put(&mut self, key: &Key, site_key: &Key, plan: Arc<PhonePlan>, standing: Standing) -> Standing {
        let (Some(phone), Some(site)) = (self.phones.get_mut(key), self.sites.get_mut(site_key)) else {
            return standing;
        };
        let Ok(write) = site.placement.put(key, &plan.files, plan.secret) else {
            let full = "there is no room left on this site: split it into two PhoneSites";
            return standing.with_error(Diagnostic::error(Reason::SiteFull, "spec.siteRef", full));
        };
        write.into_iter().for_each(|slot| self.agenda.work(WorkItem::Shard(site_key.clone(), slot)));
        if site.callers.unclaimed.claim(plan.mac) {
            self.agenda.work(WorkItem::SiteStatus(site_key.clone()));
        }
        phone.set_plan(Some(plan));
        standing
    }

    /// Takes a phone's files away.
    fn unplace(&mut self, key: &Key) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        phone.set_plan(None);
        let Some(home) = phone.home().cloned() else { return };
        let write = self.sites.get_mut(&home).map(|site| site.placement.remove(key)).unwrap_or_default();
        write.into_iter().for_each(|slot| self.agenda.work(WorkItem::Shard(home.clone(), slot)));
    }

    /// A phone leaves the site that it is placed in.
    pub(super) fn leave_site(&mut self, key: &Key) {
        self.unplace(key);
        self.want_image(key, None);
        let Some(phone) = self.phones.get_mut(key) else { return };
        let address = phone.last_fetch().address;
        let Some((home, tally)) = phone.leave() else { return };
        if let Some(site) = self.sites.get_mut(&home) {
            site.phones.remove(key);
            site.callers.forget(key, address);
            site.resync_queue.remove(key);
            site.counts.replace(tally, Default::default());
            self.agenda.work(WorkItem::SiteStatus(home));
        }
    }

    /// Claims a phone's MAC address and, in a site, its lines; those whose standing changes are rendered again.
    fn claim(&mut self, key: &Key, spec: &SipPhoneSpec, base: Option<&PhoneBase>) {
        let Some(phone) = self.phones.get(key) else { return };
        let lines = base.map(|base| render::lines::identities(spec, &base.site)).unwrap_or_default();
        let mac = phone.mac().as_ref().ok().copied();
        let affected = self.identities.claim(key, phone.meta().created, &phone.site(), mac, lines);
        affected.iter().for_each(|phone| self.agenda.queue_phone(phone));
    }
}

/// How an object stands after it was rendered.
fn standing<T>(rendering: Rendering<T>, up_to_date: bool) -> Standing {
    match rendering {
        Rendering::Pending(diagnostics) => Standing::Pending(diagnostics),
        Rendering::Refused(diagnostics) | Rendering::Ready(_, diagnostics) => {
            Standing::Rendered { diagnostics, up_to_date }
        }
    }
}

/// Advice on an annotation that should be a time.
fn resync_advice(meta: &Meta) -> Option<Diagnostic> {
    let text = meta.resync_at.as_ref().filter(|_| meta.resync_request().is_none())?;
    let field = "metadata.annotations[dialtone.dev/resync-at]";
    Some(Diagnostic::advice(advice::RESYNC_TIME, field, format!("is {text:?}")))
}

fn describe(conflict: &Conflict<'_>) -> Diagnostic {
    let name_of = |index: &usize| format!("spec.lines[{index}].name");
    match conflict {
        Conflict::Mac { mac, holder } => {
            let what = format!(
                "{mac} is the address of SipPhone {}, which is older and keeps it: correct one of them",
                holder.name
            );
            Diagnostic::error(Reason::DuplicateMac, "spec.mac", what)
        }
        Conflict::Line { index, line, holder } => {
            let on = line.proxy.as_deref().map_or(String::new(), |(host, port)| format!(" on {host}:{port}"));
            let what = format!(
                "{:?}{on} is a line of SipPhone {}, which is older and keeps it: a line's name must be unique on its proxy",
                line.name, holder.name
            );
            Diagnostic::error(Reason::DuplicateLine, name_of(index), what)
        }
        Conflict::Name { index, line, other } => {
            let other = match other {
                OtherLine::Own(before) => format!("lines[{before}]"),
                OtherLine::Of(phone) => format!("a line of SipPhone {}", phone.name),
            };
            let what = format!("is {:?}, as is {other} on another proxy", line.name);
            Diagnostic::advice(advice::LINE_NAME_SHARED, name_of(index), what)
        }
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

/// The plan of a site whose newest spec cannot be served, made of what its objects held when the operator started.
fn recovered_site(site: &Site, next: Option<&SitePlan>, judged: &PhoneBase) -> Option<SitePlan> {
    let files = site.placement.recovered_common()?;
    let common = files.get(SIP_DEFAULT)?.bytes.clone();
    let maps = || site.spec().config_maps().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    Some(SitePlan {
        base: judged.clone(),
        files,
        image: cnf::image_named(&common),
        reach: Reach::recover(&common),
        bootstrap: None,
        config_maps: next.map_or_else(|| maps().into_iter().collect(), |plan| plan.config_maps.clone()),
        checksums: Default::default(),
        pod_side: false,
        hours: None,
        networks: next.map(|plan| plan.networks.clone()).unwrap_or_default(),
    })
}
