//! What commands that compare manifests, or look at what is not in a cluster, make of them first.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Manifests;
use crate::provision::Key;

impl Manifests {
    /// Takes over from a cluster when its objects were created, by which the older of two keeps what both want. What is not there yet
    /// will be younger than all that is.
    pub fn take_creation_times(&mut self, cluster: &Manifests) {
        let later = || Some(Time(Timestamp::MAX));
        for (key, (site, _)) in &mut self.sites {
            let there = cluster.sites.get(key);
            site.metadata.creation_timestamp =
                there.map_or_else(later, |(site, _)| site.metadata.creation_timestamp.clone());
        }
        for (key, (phone, _)) in &mut self.phones {
            let there = cluster.phones.get(key);
            phone.metadata.creation_timestamp =
                there.map_or_else(later, |(phone, _)| phone.metadata.creation_timestamp.clone());
        }
    }

    /// Sets `suspend` to false, because the files that a cluster retains for a suspended site are not known here. Returns the
    /// sites that were suspended.
    pub fn clear_suspend(&mut self) -> BTreeSet<Key> {
        let suspended = self.sites.iter_mut().filter(|(_, (site, _))| site.spec.suspend);
        suspended
            .map(|(key, (site, _))| {
                site.spec.suspend = false;
                key.clone()
            })
            .collect()
    }

    /// Adds the Secrets and ConfigMaps of other manifests that are missing in these.
    pub fn fill_from(&mut self, others: &Manifests) {
        for (key, data) in &others.secrets {
            let own = self.secrets.entry(key.clone()).or_default();
            for (name, value) in data {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        for (object, why) in &others.withheld {
            self.withheld.entry(object.clone()).or_insert(*why);
        }
        for (key, data) in &others.maps {
            self.maps.entry(key.clone()).or_insert_with(|| data.clone());
        }
    }

    /// Adds a placeholder for every Secret value that is missing, so that the rest can be rendered.
    pub fn fill_missing_secrets(&mut self) {
        for (key, name) in self.secret_keys() {
            let placeholder = || bytes::Bytes::from(format!("{}/{name}", key.name).replace('"', "'"));
            self.secrets.entry(key.clone()).or_default().entry(name.clone()).or_insert_with(placeholder);
        }
    }
}
