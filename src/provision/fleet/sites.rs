//! Sites come, change and go.

use super::*;
use crate::phone::boot;
use crate::provision::lint;
use crate::provision::site;

impl Fleet {
    /// A site was made or changed.
    pub fn apply_site(&mut self, meta: Meta, spec: PhoneSiteSpec, status: PhoneSiteStatus) {
        let key = meta.key.clone();
        if let Some(entry) = self.sites.get_mut(&key) {
            if meta.version >= entry.status.version {
                entry.status = Known { status, version: meta.version };
            }
            let retell = entry.meta.resync_at != meta.resync_at || entry.spec.resync != spec.resync;
            let changed = entry.meta.generation != meta.generation || *entry.spec != spec || retell;
            entry.meta = meta;
            if changed {
                let before = references(&entry.spec);
                entry.spec = Arc::new(spec);
                self.refer_site(&key, before);
                self.todo_sites.insert(key.clone());
            }
            if retell {
                self.mark_all(&key);
            }
            return;
        }
        let mut entry = Site {
            plan: None,
            current: false,
            found: Vec::new(),
            unread: true,
            suspended: spec.suspend,
            phones: BTreeSet::new(),
            by_file: HashMap::new(),
            by_address: HashMap::new(),
            shards: Shards::default(),
            recovered: HashMap::new(),
            pods: BTreeMap::new(),
            outside: BTreeMap::new(),
            problems: BTreeMap::new(),
            images: BTreeMap::new(),
            parts: BTreeMap::new(),
            callers: Callers::default(),
            pending: BTreeSet::new(),
            kept: status.firmware.iter().flat_map(|f| f.staged.iter().cloned()).collect(),
            lost: BTreeMap::new(),
            staged: status.firmware.iter().flat_map(|f| f.staged.iter().cloned()).collect(),
            counts: Tally::default(),
            stages: BTreeMap::new(),
            strangers: Strangers::default(),
            common: CommonFetches::default(),
            hash_key: None,
            infra: Infra::default(),
            status: Known { version: meta.version, status },
            spec: Arc::new(spec),
            meta,
        };
        entry.strangers.recover(&entry.status.status.unclaimed);
        self.sites.insert(key.clone(), entry);
        self.refer_site(&key, (BTreeSet::new(), BTreeSet::new()));
        self.todo_phones.extend(self.by_site.get(&key).into_iter().flatten().cloned());
        self.todo_sites.insert(key);
    }

    fn refer_site(&mut self, key: &Key, before: (BTreeSet<String>, BTreeSet<String>)) {
        let now = self.sites.get(key).map(|entry| references(&entry.spec)).unwrap_or_default();
        let keys = |names: &BTreeSet<String>| names.iter().map(|name| key.sibling(name)).collect::<BTreeSet<Key>>();
        let user = User::Site(key.clone());
        self.refer(Reference::Secret, &user, &keys(&before.0), &keys(&now.0));
        self.refer(Reference::ConfigMap, &user, &keys(&before.1), &keys(&now.1));
    }

    /// A site is gone, and with it all that was made for it.
    pub fn delete_site(&mut self, key: &Key) {
        let Some(entry) = self.sites.get(key) else { return };
        let before = references(&entry.spec);
        let phones: Vec<Key> = entry.phones.iter().cloned().collect();
        self.sites.remove(key);
        self.refer_site(key, before);
        self.todo_sites.remove(key);
        self.todo_rolls.remove(key);
        self.todo_phones.extend(phones);
        self.todo_phones.extend(self.by_site.get(key).into_iter().flatten().cloned());
        self.dirty.retain(|dirty| !matches!(dirty, WorkItem::Shard(site, _) | WorkItem::Objects(site) | WorkItem::Pods(site) | WorkItem::Resync(site) | WorkItem::SiteStatus(site) if site == key));
    }

    /// What the operator wrote as a site's status, and the version of the object that has it.
    pub fn note_site_status(&mut self, key: &Key, status: PhoneSiteStatus, version: u64) {
        if let Some(entry) = self.sites.get_mut(key)
            && version >= entry.status.version
        {
            entry.status = Known { status, version };
        }
    }

    /// What one of a site's objects held when the operator started.
    pub fn recover(&mut self, site: &Key, slot: Slot, content: Content) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        entry.shards.note_stored(slot, Some(content.digest()), None);
        for (name, bytes) in content.0 {
            entry.recovered.entry(name).or_default().push((slot, bytes));
        }
    }

    /// Everything that was there when the operator started has been told: what no phone needs is let go.
    pub fn finish_recovery(&mut self) {
        self.settle();
        let sites: Vec<Key> = self.sites.keys().cloned().collect();
        for key in sites {
            let Some(entry) = self.sites.get_mut(&key) else { continue };
            entry.recovered = HashMap::new();
            for slot in entry.shards.existing().collect::<Vec<_>>() {
                self.mark(WorkItem::Shard(key.clone(), slot));
            }
        }
    }

    /// The site's key for hashes of files with passwords.
    pub fn set_hash_key(&mut self, site: &Key, hash_key: HashKey) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        entry.hash_key = Some(hash_key);
        self.mark_all(site);
    }

    /// What is known of a site's surroundings.
    pub fn set_infra(&mut self, site: &Key, infra: Infra) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        if entry.infra != infra {
            entry.infra = infra;
            self.mark(WorkItem::SiteStatus(site.clone()));
            self.restage(site);
        }
    }

    /// A site's surroundings as they were last told.
    pub fn infra(&self, site: &Key) -> Infra {
        self.sites.get(site).map(|entry| entry.infra.clone()).unwrap_or_default()
    }

    pub(super) fn mark_all(&mut self, site: &Key) {
        let phones: Vec<Key> =
            self.sites.get(site).into_iter().flat_map(|entry| entry.phones.iter().cloned()).collect();
        for phone in phones {
            self.mark_phone(&phone);
        }
        self.mark(WorkItem::SiteStatus(site.clone()));
    }

    pub(super) fn settle_site(&mut self, key: &Key) {
        let Some(entry) = self.sites.get(key) else { return };
        let mut found = Vec::new();
        let secrets = |secret: &SecretKey| self.secret_value(&key.namespace, secret);
        let plan = site::plan(&entry.spec, &entry.kept, self.notifies(key), &secrets, &mut found);
        if let Some(plan) = &plan
            && entry.spec.config_maps().next().is_some()
            && let Some(inventory) = self.inventory(key, plan)
        {
            let written: Vec<&str> = plan.files.iter().map(|file| file.name.as_str()).collect();
            lint::files(&entry.spec.ring_list, &written, &inventory, &mut found);
        } else if plan.is_some() && entry.spec.config_maps().next().is_none() {
            lint::files(&entry.spec.ring_list, &[], &self.folder, &mut found);
        }
        resync::check_request(&entry.meta, &mut found);
        let broken = found.iter().any(Diagnostic::is_error);
        let before = entry.plan.clone();
        let unread = plan.is_none() && !broken;
        let next = plan.filter(|_| !broken).map(Arc::new);
        // While a site is suspended, or its newest spec cannot be served, the last good plan stays.
        let recovering = before.is_none() && !entry.recovered.is_empty();
        let held = broken || unread || entry.spec.suspend;
        let after = match (held, before.clone()) {
            (false, _) => next.clone(),
            (true, Some(before)) => Some(before),
            (true, None) if recovering => recovered_plan(entry, next.as_deref()).map(Arc::new),
            (true, None) => None,
        };
        let same_files = |a: &Option<Arc<SitePlan>>, b: &Option<Arc<SitePlan>>| {
            a.as_ref().map(|p| (&p.files, p.secret)) == b.as_ref().map(|p| (&p.files, p.secret))
        };
        let current = after.is_some() && same_files(&after, &next);
        let changed = !same_files(&after, &before);
        let toggled = entry.suspended != entry.spec.suspend;
        let answered = entry.unread && !unread;
        let rebase = after.as_ref().map(|p| &p.base) != before.as_ref().map(|p| &p.base);
        let switched = recovering_common(entry, after.as_deref()).or_else(|| {
            before.filter(|b| after.as_ref().is_some_and(|a| a.secret != b.secret)).map(|b| (b.secret, b.files.clone()))
        });

        let Some(entry) = self.sites.get_mut(key) else { return };
        if let (Some((secret, files)), Some(plan)) = (switched, &after) {
            let to = Slot::Common { secret: plan.secret };
            for file in files {
                entry.shards.leave_behind(Slot::Common { secret }, file.name, file.bytes, to);
            }
        }
        (entry.plan, entry.current, entry.found, entry.unread) = (after, current, found, unread);
        entry.suspended = entry.spec.suspend;
        let waiting: Vec<Slot> = if toggled { entry.shards.slots().collect() } else { Vec::new() };
        for slot in waiting {
            self.mark(WorkItem::Shard(key.clone(), slot));
        }
        if changed {
            self.mark(WorkItem::Shard(key.clone(), Slot::Common { secret: false }));
            self.mark(WorkItem::Shard(key.clone(), Slot::Common { secret: true }));
            // Whether a phone is in sync depends on the common file too.
            self.mark_all(key);
        }
        if rebase || toggled || answered {
            self.todo_phones.extend(self.by_site.get(key).into_iter().flatten().cloned());
        }
        self.mark(WorkItem::Objects(key.clone()));
        self.mark(WorkItem::SiteStatus(key.clone()));
        self.todo_rolls.insert(key.clone());
        self.restage(key);
    }
}

/// The Secrets and ConfigMaps that a site refers to.
fn references(spec: &PhoneSiteSpec) -> (BTreeSet<String>, BTreeSet<String>) {
    let settings = spec.settings.secrets().map(|(_, key)| key.name);
    let secrets = settings.chain(spec.secret_parameters.0.values().map(|key| key.name.clone())).collect();
    let maps = spec.config_maps().map(str::to_owned).collect();
    (secrets, maps)
}

/// The plan of a site whose newest spec cannot be served, made of what its objects held.
fn recovered_plan(entry: &Site, next: Option<&SitePlan>) -> Option<SitePlan> {
    let mut secret = false;
    let mut files = Vec::new();
    for (name, copies) in &entry.recovered {
        for (slot, bytes) in copies.iter().filter(|(slot, _)| matches!(slot, Slot::Common { .. })) {
            secret |= slot.secret();
            files.push(File::new(name, bytes.clone()));
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.name == b.name);
    if !files.iter().any(|file| file.name == boot::SIP_DEFAULT) {
        return None;
    }
    let base = next.map(|plan| plan.base.clone()).unwrap_or_default();
    let sources =
        next.map(|plan| plan.sources.clone()).unwrap_or_else(|| references(&entry.spec).1.into_iter().collect());
    Some(SitePlan {
        base,
        files,
        secret,
        bootstrap: None,
        sources,
        checksums: BTreeMap::new(),
        outside: false,
        hours: None,
    })
}

/// Common files that are still in the object of the other kind when the operator starts.
fn recovering_common(entry: &Site, after: Option<&SitePlan>) -> Option<(bool, Vec<File>)> {
    let plan = after?;
    let here = Slot::Common { secret: plan.secret };
    let there = Slot::Common { secret: !plan.secret };
    let held = |slot: Slot| {
        let copies = entry.recovered.iter().flat_map(|(name, copies)| copies.iter().map(move |copy| (name, copy)));
        copies.filter(move |(_, (at, _))| *at == slot).map(|(name, (_, bytes))| File::new(name, bytes.clone()))
    };
    if held(here).next().is_some() {
        return None;
    }
    let files: Vec<File> = held(there).collect();
    (!files.is_empty()).then_some((!plan.secret, files))
}
