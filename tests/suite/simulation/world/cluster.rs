//! The rest of the cluster: kubelets, the controllers, and the phones outside.

use std::collections::BTreeSet;

use dialtone::provision::Key;

use super::super::api::{Body, Id};
use super::super::people::key;
use super::super::phones::Heard;
use super::super::pods::Pod;
use super::{Event, World};

impl World {
    /// An object was changed: all who look at it hear of it, some time.
    pub(super) fn changed(&mut self, id: &Id) {
        self.wake(id.watch());
        let mounting: Vec<Key> =
            self.pods.iter().filter(|(_, pod)| pod.mounts(id)).map(|(name, _)| name.clone()).collect();
        for pod in mounting {
            // A kubelet has a watch for each object: it hears of them in any order, and of some late.
            let after = if self.chance(30) { self.faults.dice.between(5_000, 60_000) } else { self.lag(1, 4_000) };
            self.agenda.add(after, Event::Hears(pod, id.clone()));
        }
        if let Some(owner) = self.api.get(id).and_then(|object| object.owner)
            && !self.api.objects.values().any(|other| other.uid == owner)
        {
            // Written for an object that is gone by now.
            let after = self.lag(100, 5_000);
            self.agenda.add(after, Event::Collects(id.clone(), owner));
        }
        match id {
            Id::Deployment(site) => {
                let after = self.lag(20, 2_000);
                self.agenda.add(after, Event::Controller(site.clone()));
            }
            Id::Pod(pod) if self.pods.contains_key(pod) => {
                // Its volumes are synced because it changed.
                let after = self.lag(10, 3_000);
                self.agenda.add(after, Event::Syncs(pod.clone(), false));
            }
            Id::Site(_) if self.api.get(id).is_none() => self.collect(),
            _ => {}
        }
    }

    /// What belongs to nobody any more is deleted, one object after the other.
    fn collect(&mut self) {
        let uids: BTreeSet<u64> = self.api.objects.values().map(|object| object.uid).collect();
        let orphans: Vec<(Id, u64)> = self
            .api
            .objects
            .iter()
            .filter_map(|(id, object)| Some((id.clone(), object.owner.filter(|owner| !uids.contains(owner))?)))
            .collect();
        for (id, uid) in orphans {
            let after = self.lag(100, 5_000);
            self.agenda.add(after, Event::Collects(id, uid));
        }
    }

    /// The Deployment's controller: so many pods should run.
    pub(super) fn control(&mut self, site: &Key) {
        let wanted = match self.api.get(&Id::Deployment(site.clone())).map(|object| &object.body) {
            Some(Body::Deployment(wanted)) => *wanted as usize,
            _ => 0,
        };
        let stay = |(id, object): (&Id, &super::super::api::Object)| match (id, &object.body) {
            (Id::Pod(pod), Body::Pod { site: of, .. }) if of == site => {
                let leaves = self.pods.get(pod).is_some_and(|pod| pod.leaves_at.is_some());
                (!leaves).then(|| pod.clone())
            }
            _ => None,
        };
        let there: Vec<Key> = self.api.objects.iter().filter_map(stay).collect();
        for _ in there.len()..wanted {
            self.operator.pods += 1;
            let name = key(&format!("{}-{}", site.name, self.operator.pods));
            let id = Id::Pod(name.clone());
            let body = Body::Pod { site: site.clone(), runs: false, nudge: None };
            self.api.put(0, &id, None, body);
            self.changed(&id);
            let after = self.lag(800, 8_000);
            self.agenda.add(after, Event::PodStarts(name, site.clone()));
        }
        for name in there.into_iter().skip(wanted) {
            self.leave(&name);
        }
    }

    pub(super) fn pod_starts(&mut self, name: &Key, site: &Key) {
        let id = Id::Pod(name.clone());
        if self.api.get(&id).is_none() {
            return;
        }
        let instance = self.agenda.count;
        self.pods.insert(name.clone(), Pod::new(&self.api, site, BTreeSet::from([key("firmware")]), instance));
        self.api.put(0, &id, None, Body::Pod { site: site.clone(), runs: true, nudge: None });
        self.changed(&id);
        let after = self.lag(60_000, 90_000);
        self.agenda.add(after, Event::Syncs(name.clone(), true));
    }

    /// A pod is told to end: it serves and reports a little longer.
    fn leave(&mut self, name: &Key) {
        let now = self.now();
        let id = Id::Pod(name.clone());
        match self.pods.get_mut(name) {
            Some(pod) if pod.leaves_at.is_none() => {
                pod.leaves_at = Some(now + 3_000);
                let site = pod.site.clone();
                self.api.put(0, &id, None, Body::Pod { site, runs: false, nudge: None });
                self.changed(&id);
                self.agenda.add(3_000, Event::PodEnds(name.clone()));
            }
            Some(_) => {}
            None => self.agenda.add(0, Event::PodEnds(name.clone())),
        }
    }

    /// Something happens to a pod: it is deleted, its node dies, or its server is killed.
    pub(super) fn reshape(&mut self) {
        let all: Vec<Key> = self.pods.keys().cloned().collect();
        if all.is_empty() {
            return;
        }
        let name = self.faults.dice.pick(&all).clone();
        let Some(site) = self.pods.get(&name).map(|pod| pod.site.clone()) else { return };
        // What the pod has not reported is lost with it.
        self.uncountable.extend(0..self.phones.len());
        match self.faults.dice.below(3) {
            0 => self.leave(&name),
            1 => {
                self.pods.remove(&name);
                let after = self.faults.dice.between(10, 20_000);
                self.agenda.add(after, Event::PodEnds(name));
                self.agenda.add(after + 20, Event::Controller(site));
                return;
            }
            _ => {
                let instance = self.agenda.count;
                self.pods.get_mut(&name).into_iter().for_each(|pod| pod.restart(instance));
                self.pod_has_news(&name);
            }
        }
        self.agenda.add(50, Event::Controller(site));
    }

    pub(super) fn syncs(&mut self, name: &Key, again: bool) -> Result<(), String> {
        let now = self.now();
        if again && self.pods.contains_key(name) {
            let after = self.lag(60_000, 90_000);
            self.agenda.add(after, Event::Syncs(name.clone(), true));
        }
        // The kubelet leaves the volumes of a pod that ends as they are.
        let Some(pod) = self.pods.get_mut(name).filter(|pod| pod.leaves_at.is_none()) else { return Ok(()) };
        let before = pod.files.clone();
        if pod.sync() {
            let after = &pod.files;
            self.checks.synced(now, &self.api, &pod.site, &before, after)?;
            self.pod_has_news(name);
        }
        Ok(())
    }

    /// Each failure counts once, however often pods reported it and whoever listened.
    pub(super) fn count(&mut self) -> Result<(), String> {
        for n in 0..self.phones.len() {
            if !std::mem::take(&mut self.phones[n].is_unplugged) {
                continue;
            }
            let Some(Body::Phone(_, status)) =
                self.api.get(&Id::Phone(key(&format!("p{n}")))).map(|object| &object.body)
            else {
                continue;
            };
            let said = status.firmware.as_ref().and_then(|firmware| firmware.failures).unwrap_or(0);
            if said != i64::from(self.phones[n].failures) && !self.uncountable.contains(&n) {
                return Err(format!("p{n} failed {} times, and its status says {said}", self.phones[n].failures));
            }
            self.boot(n);
        }
        Ok(())
    }

    pub(super) fn boot(&mut self, n: usize) {
        if self.phones[n].is_unplugged {
            return;
        }
        self.phones[n].begin();
        self.boots[n] += 1;
        self.agenda.add(10, Event::Phone(n, self.boots[n]));
    }

    /// A phone does the next thing.
    pub(super) fn phone(&mut self, n: usize) {
        let now = self.now();
        let fails = self.chance(300);
        let at_site: Vec<Key> =
            self.pods.iter().filter(|(_, pod)| pod.site == self.phones[n].site).map(|(name, _)| name.clone()).collect();
        // Packets are lost, too: then it begins anew.
        let pod = match at_site.len() {
            0 => None,
            _ if self.chance(50) => None,
            most => Some(at_site[self.faults.dice.below(most as u64) as usize].clone()),
        };
        let heard = self.phones[n].goes_on(now, pod.as_ref().and_then(|pod| self.pods.get_mut(pod)), fails);
        if let Some(pod) = pod {
            self.pod_has_news(&pod);
        }
        match heard {
            _ if self.phones[n].is_unplugged => {}
            Heard::Next(after) => {
                let after = if after > 1_000 { after } else { self.lag(after, 1_000) };
                self.agenda.add(after, Event::Phone(n, self.boots[n]));
            }
            Heard::Rests { .. } if self.rest => {}
            Heard::Rests { is_up } => {
                let after = if is_up { self.faults.dice.between(15_000, 40_000) } else { 7_000 };
                let boot = self.boots[n];
                self.agenda.add(after, Event::Again(n, boot));
            }
        }
    }
}
