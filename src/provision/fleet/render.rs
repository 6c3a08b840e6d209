//! Rendering: from an object's newest spec, or its last good one, to files in their places.

use std::sync::Arc;

use crate::api::{Reason, SecretKey, SipPhoneSpec};
use crate::phone::cnf;
use crate::phone::file_name::SIP_DEFAULT;
use crate::provision::catalog::Catalog;
use crate::provision::claims::identities::{Conflict, OtherLine, Precedence};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placement::slot::Slot;
use crate::provision::render::phone::Known;
use crate::provision::render::plan::{PhoneBase, PhonePlan, Rendering, SitePlan, Standing};
use crate::provision::render::reach::Reach;
use crate::provision::{Key, advice, render};

use super::Fleet;
use super::agenda::WorkItem;
use super::object::Meta;
use super::site::Site;
use super::surroundings::address_advice;

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
            phones: &self.own_plans(key),
        };
        let (rendering, judged) = render::site::render(input, &secrets);
        let rendering = rendering
            .with_violations(site.violations())
            .with(self.unserved_maps(key, site))
            .with(address_advice(&site.infra))
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
        if phone.home().is_some_and(|home| !self.sites.contains_key(home)) {
            self.leave_site(key);
        }
        self.find_home(key);
        let base = self.sites.get(&site_key).map(|site| site.base());
        self.claim(key, &spec, base.as_ref());
        let is_elsewhere = self.phones.get(key).and_then(|phone| phone.home()).is_some_and(|home| *home != site_key);
        let base = match (&base, is_elsewhere) {
            (Some(base), false) => base,
            (Some(base), true) if self.can_move(key, &site_key, &spec, base) => {
                self.leave_site(key);
                base
            }
            // Where it is it stays, until the site that it names takes it.
            (base, _) => {
                let standing = match base {
                    Some(base) => standing(self.rendering(key, &site_key, &spec, base), false),
                    None => Standing::Rendered { diagnostics: self.without_site(key, &site_key), up_to_date: false },
                };
                if let Some(home) = self.phones.get(key).and_then(|phone| phone.home()).cloned() {
                    let last_good = self.last_good(key, &home);
                    return self.serve(key, &home, &spec, last_good, standing);
                }
                return self.note_standing(key, standing);
            }
        };
        if let (Some(site), Some(phone)) = (self.sites.get_mut(&site_key), self.phones.get_mut(key)) {
            if site.phones.insert(key.clone()) {
                self.agenda.work(WorkItem::SiteStatus(site_key.clone()));
            }
            phone.enter(&site_key);
        }
        self.want_image(key, render::phone::target(&spec, base));
        self.offer(key, &site_key, base.rollout.is_some());
        self.render_own(key, &site_key, &spec, base);
    }

    /// What is wrong with a phone whose site does not exist.
    fn without_site(&self, key: &Key, site_key: &Key) -> Vec<Diagnostic> {
        let Some(phone) = self.phones.get(key) else { return Vec::new() };
        let mut diagnostics: Vec<Diagnostic> = phone.violations().iter().map(Diagnostic::refused).collect();
        // Of what cannot be read nothing else is said.
        if diagnostics.iter().all(|one| !["spec", "spec.siteRef.name"].contains(&one.field.as_str())) {
            let Key { namespace, name } = site_key;
            let (reason, why) = match self.dependencies.unreadable(site_key) {
                Some(why) => {
                    let what = format!("PhoneSite {name} cannot be read: {why}: correct that first");
                    (Reason::SiteInvalid, what)
                }
                None => {
                    let what = format!(
                        "PhoneSite {name} does not exist in namespace {namespace}: create it, or correct the name"
                    );
                    (Reason::SiteNotFound, what)
                }
            };
            diagnostics.push(Diagnostic::error(reason, "spec.siteRef.name", why));
        }
        diagnostics
    }

    /// What comes of a phone's newest spec at the site that it names.
    pub(super) fn rendering(
        &self,
        key: &Key,
        site_key: &Key,
        spec: &SipPhoneSpec,
        base: &PhoneBase,
    ) -> Rendering<PhonePlan> {
        let (Some(site), Some(phone)) = (self.sites.get(site_key), self.phones.get(key)) else {
            return Rendering::Pending(Vec::new());
        };
        let secrets = |secret: &SecretKey| self.dependencies.secret_value(&key.namespace, secret);
        let known = Known { offered: phone.offer().image(), runs: phone.image_seen() };
        let rendering = render::phone::render(spec, phone.mac(), base, site.judged(), known, &secrets)
            .with_violations(phone.violations())
            .with(self.identities.conflicts(key).iter().map(describe))
            .with(resync_advice(phone.meta()));
        match (site.plan(), rendering) {
            (Some(_), rendering) => rendering,
            // The phone waits with its site, and what it has stays.
            (None, Rendering::Ready(_, diagnostics)) if site.standing().is_pending() => Rendering::Pending(diagnostics),
            (None, rendering) if site.standing().is_pending() => rendering,
            (None, rendering) => {
                let why = format!("PhoneSite {} cannot be served: correct what is wrong with it first", site_key.name);
                rendering.with([Diagnostic::error(Reason::SiteInvalid, "spec.siteRef.name", why)])
            }
        }
    }

    fn render_own(&mut self, key: &Key, site_key: &Key, spec: &SipPhoneSpec, base: &PhoneBase) {
        let rendering = self.rendering(key, site_key, spec, base);
        let is_suspended = self.is_suspended(site_key);
        let next = rendering.ready().cloned().map(Arc::new);
        let last_good = self.last_good(key, site_key);
        let files = |plan: &Option<Arc<PhonePlan>>| plan.as_ref().map(|plan| plan.files.clone());
        let (after, up_to_date) = match &next {
            Some(_) if !is_suspended => (next.clone(), true),
            Some(_) => (last_good.clone(), files(&next) == files(&last_good)),
            None => (last_good, false),
        };
        self.serve(key, site_key, spec, after, standing(rendering, up_to_date));
    }

    /// Serves a phone's plan, or takes its files away if there is none, and notes how it stands.
    fn serve(
        &mut self,
        key: &Key,
        site_key: &Key,
        spec: &SipPhoneSpec,
        plan: Option<Arc<PhonePlan>>,
        standing: Standing,
    ) {
        let held = |fleet: &Fleet| fleet.phones.get(key).and_then(|phone| phone.held());
        let before = held(self);
        let standing = match plan {
            Some(plan) => self.put(key, site_key, plan, standing),
            None => {
                self.unplace(key);
                standing
            }
        };
        self.note_standing(key, standing);
        if held(self) != before {
            let named = self.phones.get(key).and_then(|phone| self.sites.get(&phone.site()));
            let base = named.map(|site| site.base());
            self.claim(key, spec, base.as_ref());
        }
    }

    fn note_standing(&mut self, key: &Key, standing: Standing) {
        if let Some(phone) = self.phones.get_mut(key) {
            phone.set_standing(standing);
        }
    }

    /// Puts a phone's files into their place; a site that is full is one more error of the phone.
    pub(super) fn put(&mut self, key: &Key, site_key: &Key, plan: Arc<PhonePlan>, standing: Standing) -> Standing {
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
        let mac = plan.mac;
        phone.set_plan(Some(plan));
        self.take_from_others(key, mac);
        standing
    }

    /// Takes a phone's files away.
    pub(super) fn unplace(&mut self, key: &Key) {
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
        let macs = (phone.mac().as_ref().ok().copied(), phone.held());
        let affected = self.identities.claim(key, phone.meta().created, &phone.site(), macs, lines);
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
    let keeps = |why: &Precedence| match why {
        Precedence::Older => "is older and keeps it",
        Precedence::Name => "keeps it because its name comes first",
    };
    match conflict {
        Conflict::Mac { mac, holder, is_last_good, why } => {
            let (whose, what) = match is_last_good {
                false => ("is the address of", "correct one of them"),
                true => ("is the address that goes on being served of", "correct that one, or delete it"),
            };
            let what = format!("{mac} {whose} SipPhone {}, which {}: {what}", holder.name, keeps(why));
            Diagnostic::error(Reason::DuplicateMac, "spec.mac", what)
        }
        Conflict::Line { index, line, holder, why } => {
            let on = line.proxy.as_deref().map_or(String::new(), |(host, port)| format!(" on {host}:{port}"));
            let what = format!(
                "{:?}{on} is a line of SipPhone {}, which {}: a line's name must be unique on its proxy",
                line.name,
                holder.name,
                keeps(why)
            );
            Diagnostic::error(Reason::DuplicateLine, name_of(index), what)
        }
        Conflict::Name { index, line, other, is_elsewhere } => {
            let other = match other {
                OtherLine::Own(before) => format!("lines[{before}]"),
                OtherLine::Of(phone) => format!("a line of SipPhone {}", phone.name),
            };
            let on = if *is_elsewhere { " on another proxy" } else { "" };
            let what = format!("is {:?}, as is {other}{on}", line.identity.name);
            let field = match line.is_extra {
                true => format!("spec.extraParameters.line{}_name", line.key),
                false => name_of(index),
            };
            Diagnostic::advice(advice::LINE_NAME_SHARED, field, what)
        }
    }
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
