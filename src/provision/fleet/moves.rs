//! When a file that moved to another object may leave the one that it was in.

use crate::provision::observe::pods::Served;
use crate::provision::{File, Key};

use super::Fleet;
use super::agenda::WorkItem;

/// So many seconds after a write every kubelet can be expected to have heard of it: it looks once a minute, or a little later.
const HEARD_AFTER: i64 = 120;

impl Fleet {
    /// A pod of a site runs: phones may fetch from it, even if it does not say what it holds.
    pub fn pod_runs(&mut self, site: &Key, pod: &str) {
        self.running.entry(site.clone()).or_default().insert(pod.to_owned());
    }

    /// A pod runs no more.
    pub fn pod_ends(&mut self, site: &Key, pod: &str) {
        if let Some(pods) = self.running.get_mut(site) {
            pods.remove(pod);
            if pods.is_empty() {
                self.running.remove(site);
            }
        }
        self.pod_gone(site, pod);
    }

    /// Lets go of what a site's files left behind where they were, as far as all pods hold them from where they are now. Where that
    /// cannot be seen, because a pod says nothing or would show the same without, it is left for so long that they should.
    pub(super) fn let_go(&mut self, key: &Key) {
        let Some(site) = self.sites.get_mut(key) else { return };
        if site.placement.is_settled() {
            return;
        }
        let (pods, now) = (&site.pods, self.clock);
        let running = self.running.get(key);
        let nobody_serves = running.is_none() && pods.is_silent();
        let is_silent = |pod: &String| !pods.answers(pod);
        let all_tell = pods.answering() as i64 >= site.infra.wanted && !running.into_iter().flatten().any(is_silent);
        let hold = |file: &File| pods.serve(std::slice::from_ref(file)) != Served::Pending;
        let left = site.placement.let_go(|moved| {
            let is_heard = now.as_second() - moved.since.as_second() >= HEARD_AFTER;
            nobody_serves || (hold(moved.file) && (is_heard || (moved.shows && all_tell)))
        });
        left.into_iter().for_each(|slot| self.agenda.work(WorkItem::Shard(key.clone(), slot)));
    }
}
