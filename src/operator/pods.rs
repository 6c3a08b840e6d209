//! The TFTP pods that were observed, and the tasks that poll them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use tokio::task::AbortHandle;

use super::leaf::Leaf;
use super::missing_pods::Trouble;
use crate::provision::Key;

/// A running pod of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    /// The site.
    pub(super) site: Key,
    /// Where it answers.
    pub(super) ip: String,
    /// All addresses of it and of its node.
    pub(super) addresses: Vec<IpAddr>,
    /// The node's address.
    pub(super) host: Option<String>,
    /// The annotation that the last nudge set on it.
    pub(super) nudge: Option<String>,
}

#[cfg(test)]
impl Pod {
    /// A pod that answers there.
    pub(super) fn at(site: &Key, ip: &str) -> Pod {
        Pod { site: site.clone(), ip: ip.to_owned(), addresses: Vec::new(), host: None, nudge: None }
    }
}

/// All running pods.
#[derive(Debug, Default)]
pub(super) struct Pods(Leaf<State>);

#[derive(Debug, Default)]
struct State {
    pods: BTreeMap<Key, Pod>,
    pollers: HashMap<Key, AbortHandle>,
    /// Pods whose report the fleet took since the operator started.
    reported: HashSet<Key>,
    /// Pods with a site's labels that are none of its own.
    strangers: HashSet<Key>,
    /// Why pods do not serve, each with its site.
    troubles: BTreeMap<Key, (Key, Trouble)>,
}

impl Pods {
    /// A pod runs. Whether it has to be polled from now on: it is new, or answers at another address.
    pub(super) fn note(&self, key: &Key, pod: Pod) -> bool {
        let ip = pod.ip.clone();
        let before = self.0.lock().pods.insert(key.clone(), pod);
        before.is_none_or(|before| before.ip != ip)
    }

    /// A pod does not run any more; whether it did. Its poller is left to end by itself: it goes on until the pod has reported how
    /// its last transfers ended.
    pub(super) fn remove(&self, key: &Key) -> bool {
        let mut state = self.0.lock();
        state.reported.remove(key);
        drop(state.pollers.remove(key));
        state.pods.remove(key).is_some()
    }

    /// A pod has a site's labels and is none of its own; whether that was not known.
    pub(super) fn note_stranger(&self, key: &Key) -> bool {
        self.0.lock().strangers.insert(key.clone())
    }

    /// A pod was deleted: another one may have its name. Whether it had trouble.
    pub(super) fn forget(&self, key: &Key) -> bool {
        let mut state = self.0.lock();
        state.strangers.remove(key);
        state.troubles.remove(key).is_some()
    }

    /// Notes why a pod of a site does not serve, if it does not; whether that is news.
    pub(super) fn note_trouble(&self, key: &Key, site: &Key, trouble: Option<Trouble>) -> bool {
        let mut state = self.0.lock();
        let trouble = trouble.map(|trouble| (site.clone(), trouble));
        if state.troubles.get(key) == trouble.as_ref() {
            return false;
        }
        match trouble {
            Some(trouble) => drop(state.troubles.insert(key.clone(), trouble)),
            None => drop(state.troubles.remove(key)),
        }
        true
    }

    /// Why pods of a site do not serve, each with its name.
    pub(super) fn troubles(&self, site: &Key) -> Vec<(Key, Trouble)> {
        let state = self.0.lock();
        let of_site = state.troubles.iter().filter(|(_, (of, _))| of == site);
        of_site.map(|(key, (_, trouble))| (key.clone(), trouble.clone())).collect()
    }

    /// The addresses of all pods and of their nodes.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.0.lock().pods.values().flat_map(|pod| &pod.addresses).copied().collect()
    }

    /// Whether a pod runs.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.lock().pods.contains_key(key)
    }

    /// The pods of a site, each with the annotation of its last nudge.
    pub(super) fn nudges_of(&self, site: &Key) -> Vec<(Key, Option<String>)> {
        let state = self.0.lock();
        let of_site = state.pods.iter().filter(|(_, pod)| pod.site == *site);
        of_site.map(|(key, pod)| (key.clone(), pod.nudge.clone())).collect()
    }

    /// The first address, in the order of their texts, of a node that runs a pod of a site.
    pub(super) fn first_host(&self, site: &Key) -> Option<String> {
        let state = self.0.lock();
        let hosts = state.pods.values().filter(|pod| pod.site == *site).filter_map(|pod| pod.host.as_ref());
        hosts.collect::<BTreeSet<_>>().first().map(ToString::to_string)
    }

    /// Another task polls a pod from now on; the one before is aborted.
    pub(super) fn set_poller(&self, key: &Key, poller: AbortHandle) {
        if let Some(before) = self.0.lock().pollers.insert(key.clone(), poller) {
            before.abort();
        }
    }

    /// The fleet took a report of a pod.
    pub(super) fn note_report(&self, key: &Key) {
        let mut state = self.0.lock();
        if state.pods.contains_key(key) {
            state.reported.insert(key.clone());
        }
    }

    /// The pods that run and did not report since the operator started.
    pub(super) fn silent(&self) -> Vec<Key> {
        let state = self.0.lock();
        state.pods.keys().filter(|key| !state.reported.contains(*key)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(site: &Key, ip: &str, host: Option<&str>) -> Pod {
        Pod { host: host.map(str::to_owned), ..Pod::at(site, ip) }
    }

    #[test]
    fn a_pod_is_polled_when_it_is_new_or_has_another_address() {
        let (pods, site, key) = (Pods::default(), Key::new("ns", "hq"), Key::new("ns", "pod"));
        assert!(pods.note(&key, pod(&site, "10.0.0.1", None)));
        let nudged = Pod { nudge: Some("1".to_owned()), ..pod(&site, "10.0.0.1", Some("192.0.2.1")) };
        assert!(!pods.note(&key, nudged));
        assert_eq!(pods.nudges_of(&site), [(key.clone(), Some("1".to_owned()))]);
        assert!(pods.note(&key, pod(&site, "10.0.0.2", None)));
        assert!(pods.nudges_of(&Key::new("ns", "other")).is_empty());
    }

    #[test]
    fn a_pod_is_silent_until_it_reports_and_not_once_it_is_gone() {
        let (pods, site, key) = (Pods::default(), Key::new("ns", "hq"), Key::new("ns", "pod"));
        pods.note_report(&key);
        pods.note(&key, pod(&site, "10.0.0.1", None));
        assert_eq!(pods.silent(), std::slice::from_ref(&key), "what it reported before it ran does not count");
        pods.note_report(&key);
        assert!(pods.silent().is_empty());
        assert!(pods.remove(&key) && !pods.remove(&key) && !pods.contains(&key));
        pods.note(&key, pod(&site, "10.0.0.1", None));
        assert_eq!(pods.silent(), [key], "another pod of the same name");
    }

    #[test]
    fn the_first_host_does_not_depend_on_the_order_of_pods() {
        let (pods, site) = (Pods::default(), Key::new("ns", "hq"));
        for (name, host) in [("a", Some("192.0.2.2")), ("b", Some("192.0.2.1")), ("c", None)] {
            pods.note(&Key::new("ns", name), pod(&site, "10.0.0.1", host));
        }
        assert_eq!(pods.first_host(&site).as_deref(), Some("192.0.2.1"));
    }

    #[tokio::test]
    async fn the_poller_of_an_address_that_changed_is_aborted_and_that_of_a_pod_that_left_is_not() {
        let (pods, key) = (Pods::default(), Key::new("ns", "pod"));
        let poller = || tokio::spawn(std::future::pending::<()>());
        let (first, second) = (poller(), poller());
        pods.set_poller(&key, first.abort_handle());
        pods.set_poller(&key, second.abort_handle());
        assert!(first.await.is_err_and(|error| error.is_cancelled()));
        pods.remove(&key);
        pods.set_poller(&key, poller().abort_handle());
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
    }
}
