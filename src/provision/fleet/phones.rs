//! Phones come, change and go.

use super::*;
use crate::provision::advice;
use crate::provision::diagnostic::reason;
use crate::provision::phone;
use crate::provision::site::PhoneBase;
use crate::provision::upgrade::Upgrade;

impl Fleet {
    /// A phone was made or changed.
    pub fn apply_phone(&mut self, meta: Meta, spec: SipPhoneSpec, status: SipPhoneStatus) {
        let key = meta.key.clone();
        let site = key.sibling(&spec.site_ref.name);
        let mut before = BTreeSet::new();
        let mut resync_changed = spec.resync.is_some() || meta.resync_at.is_some();
        if let Some(entry) = self.phones.get_mut(&key) {
            if meta.version >= entry.status.version {
                entry.status = Known { status, version: meta.version };
            }
            let asked = entry.meta.resync_at != meta.resync_at;
            let changed = entry.meta.generation != meta.generation || *entry.spec != spec || asked;
            let created = entry.meta.created;
            entry.meta = Meta { created, ..meta };
            if !changed {
                return;
            }
            resync_changed = asked || entry.spec.resync != spec.resync;
            before = references(&key, &entry.spec);
            let old_site = key.sibling(&entry.spec.site_ref.name);
            entry.spec = Arc::new(spec);
            if old_site != site
                && let Some(phones) = self.by_site.get_mut(&old_site)
            {
                phones.remove(&key);
            }
        } else {
            let seen = Seen {
                fetched: status.fetched_hash.clone(),
                common: status.fetched_common_hash.clone(),
                address: status.address.as_deref().and_then(|a| a.parse().ok()),
                time: status.last_seen.as_deref().and_then(|t| t.parse().ok()),
            };
            let entry = Phone {
                spec: Arc::new(spec),
                plan: None,
                current: false,
                found: Vec::new(),
                unread: true,
                home: None,
                slot: None,
                mac: None,
                lines: Vec::new(),
                claimed: Vec::new(),
                named: Vec::new(),
                image: None,
                told: None,
                told_at: None,
                told_before: None,
                on_turn: false,
                withdrawn: None,
                failed_before: 0,
                tally: Tally::default(),
                stage: None,
                seen,
                runs: None,
                telling: ResyncAttempts::recover(status.resync.as_ref(), needs_resync(&status)),
                track: Track::new(Upgrade::recover(status.firmware.as_ref())),
                status: Known { status, version: meta.version },
                meta,
            };
            self.phones.insert(key.clone(), Box::new(entry));
        }
        let now = self.phones.get(&key).map(|entry| references(&key, &entry.spec)).unwrap_or_default();
        self.refer(Reference::Secret, &User::Phone(key.clone()), &before, &now);
        if resync_changed {
            // The site serves syncinfo.xml for those that are told by NOTIFY.
            self.todo_sites.insert(site.clone());
        }
        self.by_site.entry(site).or_default().insert(key.clone());
        self.todo_phones.insert(key);
    }

    /// A phone is gone, and its file with it.
    pub fn delete_phone(&mut self, key: &Key) {
        let Some(entry) = self.phones.get(key) else { return };
        let before = references(key, &entry.spec);
        let site = key.sibling(&entry.spec.site_ref.name);
        if entry.spec.resync.is_some() || entry.meta.resync_at.is_some() {
            self.todo_sites.insert(site.clone());
        }
        self.unplace(key);
        self.claim(key, None, Vec::new());
        self.want_image(key, None);
        self.leave_home(key);
        self.phones.remove(key);
        if let Some(phones) = self.by_site.get_mut(&site) {
            phones.remove(key);
            if phones.is_empty() {
                self.by_site.remove(&site);
            }
        }
        self.refer(Reference::Secret, &User::Phone(key.clone()), &before, &BTreeSet::new());
        self.todo_phones.remove(key);
        self.todo_tallies.remove(key);
        self.dirty.remove(&WorkItem::PhoneStatus(key.clone()));
    }

    /// What the operator wrote as a phone's status, and the version of the object that has it.
    pub fn note_phone_status(&mut self, key: &Key, status: SipPhoneStatus, version: u64) {
        if let Some(entry) = self.phones.get_mut(key)
            && version >= entry.status.version
        {
            let stage = status.firmware.as_ref().map(|firmware| firmware.stage);
            entry.status = Known { status, version };
            // Some stages follow from the time alone, and show only when the status is written.
            self.count_stage(key, stage);
        }
    }

    pub(super) fn settle_phone(&mut self, key: &Key) {
        let Some(entry) = self.phones.get(key) else { return };
        let spec = entry.spec.clone();
        let site_key = key.sibling(&spec.site_ref.name);
        let home = entry.home.clone();
        self.mark_phone(key);
        if home.is_some_and(|home| home != site_key || !self.sites.contains_key(&home)) {
            self.unplace(key);
            self.want_image(key, None);
            self.leave_home(key);
        }
        let Some(site) = self.sites.get_mut(&site_key) else {
            self.claim(key, spec.mac.parse().ok(), Vec::new());
            let missing = format!(
                "PhoneSite {} does not exist in namespace {}: create it, or correct the name",
                site_key.name, key.namespace
            );
            self.note_outcome(
                key,
                vec![Diagnostic::error(reason::SITE_NOT_FOUND, "spec.siteRef.name", missing)],
                false,
                false,
            );
            return;
        };
        if site.phones.insert(key.clone()) {
            self.mark(WorkItem::SiteStatus(site_key.clone()));
        }
        if let Some(entry) = self.phones.get_mut(key) {
            entry.home = Some(site_key.clone());
        }
        let base = self
            .sites
            .get(&site_key)
            .and_then(|site| site.plan.as_ref())
            .map(|plan| plan.base.clone())
            .unwrap_or_default();
        self.claim(key, spec.mac.parse().ok(), phone::identities(&spec, &base));
        self.want_image(key, phone::target(&spec, &base));
        self.tell(key, &site_key, &base);
        self.render(key, &site_key, &spec, &base);
    }

    fn render(&mut self, key: &Key, site_key: &Key, spec: &SipPhoneSpec, base: &PhoneBase) {
        let Some(site) = self.sites.get(site_key) else { return };
        let mut found = Vec::new();
        let secrets = |secret: &SecretKey| self.secret_value(&key.namespace, secret);
        let told = self.phones.get(key).and_then(|entry| entry.told.as_deref());
        let plan = phone::plan(spec, base, told, &secrets, &mut found);
        self.conflicts(key, &mut found);
        self.phones.get(key).into_iter().for_each(|entry| resync::check_request(&entry.meta, &mut found));
        if site.plan.is_none() && !site.unread {
            let why = format!("PhoneSite {} cannot be served: correct what is wrong with it first", site_key.name);
            found.push(Diagnostic::error(reason::SITE_INVALID, "spec.siteRef.name", why));
        }
        let broken = found.iter().any(Diagnostic::is_error);
        // Without a site's plan nothing is known of proxies and images: the phone waits, and what it has stays.
        let unread = !broken && (plan.is_none() || site.plan.is_none());
        let held = broken || unread || site.spec.suspend;
        let before = self.phones.get(key).and_then(|entry| entry.plan.clone());
        let last_good = before.or_else(|| recovered_plan(site, spec, plan.as_ref()));
        let next = plan.filter(|_| !broken && !unread);
        // What another phone has a right to is not held on to.
        let last_good = last_good.filter(|plan| self.macs.holder(&(key.namespace.clone(), plan.mac)) == Some(key));
        let current =
            next.is_some() && (!held || next.as_ref().map(|p| &p.files) == last_good.as_ref().map(|p| &p.files));
        let after = if held { last_good } else { next };
        match after {
            Some(plan) => {
                if let Err(full) = self.put(key, site_key, plan) {
                    found.push(full);
                    return self.note_outcome(key, found, unread, false);
                }
            }
            None => self.unplace(key),
        }
        self.note_outcome(key, found, unread, current);
    }

    fn note_outcome(&mut self, key: &Key, found: Vec<Diagnostic>, unread: bool, current: bool) {
        if let Some(entry) = self.phones.get_mut(key) {
            (entry.found, entry.unread, entry.current) = (found, unread, current);
        }
    }

    /// Puts a phone's files into a shard, and marks what has to be written.
    fn put(&mut self, key: &Key, site_key: &Key, plan: PhonePlan) -> Result<(), Diagnostic> {
        let (Some(entry), Some(site)) = (self.phones.get_mut(key), self.sites.get_mut(site_key)) else { return Ok(()) };
        let recovered = plan.files.first().and_then(|file| site.recovered.get(&file.name)).cloned().unwrap_or_default();
        // Right after a start the phone is where its file was found: best where it belongs, otherwise it moves from there.
        let found_at = recovered.iter().find(|(slot, _)| slot.secret() == plan.secret).or_else(|| recovered.first());
        let now =
            entry.slot.or_else(|| found_at.map(|(slot, _)| *slot).filter(|slot| matches!(slot, Slot::Phones { .. })));
        let Some(slot) = site.shards.place(key, now, plan.secret, &plan.files) else {
            let full = "there is no room left on this site: split it into two PhoneSites";
            return Err(Diagnostic::error(reason::SITE_FULL, "spec.siteRef", full));
        };
        let old_files: Arc<[File]> = match &entry.plan {
            Some(old) => old.files.clone(),
            None => now
                .and_then(|now| recovered.iter().find(|(at, _)| *at == now))
                .into_iter()
                .flat_map(|(_, bytes)| plan.files.first().map(|f| File::new(&f.name, bytes.clone())))
                .collect(),
        };
        let fresh = entry.plan.as_ref().map(|old| &old.files) != Some(&plan.files);
        if let Some(before) = now.filter(|before| *before != slot) {
            for file in old_files.iter() {
                site.shards.leave_behind(before, file.name.clone(), file.bytes.clone(), slot);
            }
            self.dirty.insert(WorkItem::Shard(site_key.clone(), before));
        }
        for file in entry.plan.iter().flat_map(|old| old.files.iter()) {
            site.by_file.remove(&file.name);
        }
        for file in plan.files.iter() {
            site.by_file.insert(file.name.clone(), key.clone());
        }
        if fresh || now != Some(slot) {
            self.dirty.insert(WorkItem::Shard(site_key.clone(), slot));
        }
        if site.strangers.claim(plan.mac) {
            self.dirty.insert(WorkItem::SiteStatus(site_key.clone()));
        }
        entry.slot = Some(slot);
        entry.plan = Some(plan);
        Ok(())
    }

    /// Takes a phone's files out of its shard.
    fn unplace(&mut self, key: &Key) {
        let Some(entry) = self.phones.get_mut(key) else { return };
        let (plan, slot) = (entry.plan.take(), entry.slot.take());
        let (Some(home), Some(slot)) = (entry.home.clone(), slot) else { return };
        if let Some(site) = self.sites.get_mut(&home) {
            site.shards.remove(key, slot);
            for file in plan.iter().flat_map(|plan| plan.files.iter()) {
                // Another phone may have the name by now.
                if site.by_file.get(&file.name) == Some(key) {
                    site.by_file.remove(&file.name);
                }
            }
            self.dirty.insert(WorkItem::Shard(home, slot));
        }
    }

    fn leave_home(&mut self, key: &Key) {
        self.count_stage(key, None);
        let Some(entry) = self.phones.get_mut(key) else { return };
        let tally = std::mem::take(&mut entry.tally);
        let Some(home) = entry.home.take() else { return };
        if let Some(site) = self.sites.get_mut(&home) {
            site.phones.remove(key);
            site.callers.forget(key);
            site.pending.remove(key);
            site.counts.shift(tally, Tally::default());
            if let Some(address) = entry.seen.address
                && let Some(set) = site.by_address.get_mut(&address)
            {
                set.remove(key);
            }
            self.dirty.insert(WorkItem::SiteStatus(home));
        }
    }

    fn conflicts(&self, key: &Key, found: &mut Vec<Diagnostic>) {
        let Some(entry) = self.phones.get(key) else { return };
        if let Some(mac) = entry.mac
            && let Some(other) = self.macs.holder(&(key.namespace.clone(), mac)).filter(|other| *other != key)
        {
            found.push(Diagnostic::error(
                reason::DUPLICATE_MAC,
                "spec.mac",
                format!(
                    "{mac} is the address of SipPhone {}, which is older and keeps it: correct one of them",
                    other.name
                ),
            ));
        }
        for (i, claim) in entry.claimed.iter().enumerate() {
            let line = &claim.1;
            if let Some(other) = self.lines.holder(claim).filter(|other| *other != key) {
                let on = line.proxy.as_deref().map_or(String::new(), |(host, port)| format!(" on {host}:{port}"));
                found.push(Diagnostic::error(reason::DUPLICATE_LINE, format!("spec.lines[{i}].name"), format!("{:?}{on} is a line of SipPhone {}, which is older and keeps it: a line's name must be unique on its proxy", line.name, other.name)));
            } else if let Some(other) = self.other_with_name(key, entry, i) {
                let what = format!("is {:?}, as is {other} on another proxy", line.name);
                found.push(Diagnostic::advice(advice::LINE_NAME_SHARED, format!("spec.lines[{i}].name"), what));
            }
        }
    }

    /// An older line of the same name on the same site.
    fn other_with_name(&self, key: &Key, entry: &Phone, i: usize) -> Option<String> {
        let line = entry.lines.get(i)?;
        if let Some(before) = entry.lines[..i].iter().position(|one| one.name == line.name && one.proxy != line.proxy) {
            return Some(format!("lines[{before}]"));
        }
        let site = key.sibling(&entry.spec.site_ref.name);
        let other = self.names.holder(&(site, line.name.clone())).filter(|other| *other != key)?;
        Some(format!("a line of SipPhone {}", other.name))
    }

    /// Changes what a phone claims; those whose standing changes are looked at again.
    fn claim(&mut self, key: &Key, mac: Option<Mac>, lines: Vec<LineIdentity>) {
        let Some(entry) = self.phones.get_mut(key) else { return };
        let claimant = (entry.meta.created, key.clone());
        let site = &entry.spec.site_ref.name;
        let claims: Vec<LineClaim> = lines
            .iter()
            .map(|line| {
                // Lines without a SIP server are told apart by their sites.
                let scope = if line.proxy.is_some() {
                    key.namespace.clone()
                } else {
                    format!("{}/{site}", key.namespace).into()
                };
                (scope, line.clone())
            })
            .collect();
        let site = key.sibling(site);
        let mut named: Vec<(Key, Arc<str>)> = lines.iter().map(|line| (site.clone(), line.name.clone())).collect();
        named.sort();
        named.dedup();
        let unnamed = std::mem::replace(&mut entry.named, named.clone());
        let old_mac = std::mem::replace(&mut entry.mac, mac);
        let old = std::mem::replace(&mut entry.claimed, claims.clone());
        entry.lines = lines;
        let thing = |mac: Mac| (key.namespace.clone(), mac);
        let mut affected = Vec::new();
        if old_mac != mac {
            affected.extend(old_mac.map(|mac| self.macs.remove(&thing(mac), &claimant)).unwrap_or_default());
            affected.extend(mac.map(|mac| self.macs.add(thing(mac), claimant.clone())).unwrap_or_default());
        }
        for gone in old.iter().filter(|old| !claims.contains(old)) {
            affected.extend(self.lines.remove(gone, &claimant));
        }
        for new in claims.into_iter().filter(|new| !old.contains(new)) {
            affected.extend(self.lines.add(new, claimant.clone()));
        }
        for gone in unnamed.iter().filter(|old| !named.contains(old)) {
            affected.extend(self.names.remove(gone, &claimant));
        }
        for new in named.iter().filter(|new| !unnamed.contains(new)) {
            affected.extend(self.names.add(new.clone(), claimant.clone()));
        }
        self.todo_phones.extend(affected);
    }
}

impl Tally<i64> {
    pub(super) fn shift(&mut self, from: Tally<bool>, to: Tally<bool>) {
        self.accepted += i64::from(to.accepted) - i64::from(from.accepted);
        self.served += i64::from(to.served) - i64::from(from.served);
        self.ready += i64::from(to.ready) - i64::from(from.ready);
        self.in_sync += i64::from(to.in_sync) - i64::from(from.in_sync);
        self.placed += i64::from(to.placed) - i64::from(from.placed);
    }
}

/// Whether a status says that there is something to tell the phone.
fn needs_resync(status: &SipPhoneStatus) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == "Resynced" && condition.status == "False")
}

/// The Secrets that a phone refers to.
fn references(key: &Key, spec: &SipPhoneSpec) -> BTreeSet<Key> {
    let lines =
        spec.lines.iter().filter_map(|line| line.password_secret_ref.as_ref()).map(|secret| secret.name.clone());
    let settings = spec.settings.secrets().map(|(_, secret)| secret.name);
    let extra = spec.secret_parameters.0.values().map(|secret| secret.name.clone());
    lines.chain(settings).chain(extra).map(|name| key.sibling(name)).collect()
}

/// The last good files of a phone that cannot be rendered now, as they were found when the operator started.
fn recovered_plan(site: &Site, spec: &SipPhoneSpec, plan: Option<&PhonePlan>) -> Option<PhonePlan> {
    let mac = plan.map(|plan| plan.mac).or_else(|| spec.mac.parse().ok())?;
    let name = mac.config_file();
    let (slot, bytes) = site.recovered.get(&name)?.first()?;
    let mut files = vec![File::new(name, bytes.clone())];
    let xml = format!("SEP{mac}.cnf.xml");
    if let Some((_, bytes)) = site.recovered.get(&xml).and_then(|copies| copies.first()) {
        files.push(File::new(xml, bytes.clone()));
    }
    Some(PhonePlan { mac, files: files.into(), secret: slot.secret() })
}
