//! Whether a request in a phone's name is the phone's, as far as its address tells; and where nothing is sent to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Reason;
use crate::phone::FileName;
use crate::provision::Key;
use crate::provision::networks::{PhoneNetworks, Refusal};
use crate::provision::observe::fetch::{Fetch, seconds};
use crate::provision::observe::whereabouts::Doubt;
use crate::provision::resync::ResyncError;
use crate::provision::verdict::Verdict;

use super::Fleet;
use super::phone::Phone;
use super::site::Site;

impl Fleet {
    /// The addresses of the cluster itself, as far as they are known: no phone is there.
    pub fn set_cluster_addresses(&mut self, addresses: BTreeSet<IpAddr>) {
        self.places.own.cluster = addresses;
    }

    /// The server listens on the loopback interface only: its phones are there.
    pub fn allow_loopback(&mut self) {
        self.places.own.loopback = true;
    }

    /// Whether a request that bears a phone's name is taken for the phone's own. One packet is written easily, and a whole transfer
    /// nearly so: the first says nothing against what is known, and the second not at once.
    pub(super) fn believes(&mut self, site: &Key, key: &Key, name: FileName<'_>, fetch: &Fetch) -> bool {
        let Some(site) = self.sites.get(site) else { return false };
        let allows = |address: IpAddr| site.networks().check(address, &self.places.own).is_ok();
        let Some(phone) = self.phones.get_mut(key) else { return false };
        let known = phone.last_fetch().address;
        let is_elsewhere = known.is_some_and(|known| known != fetch.address);
        if is_elsewhere && !allows(fetch.address) && known.is_some_and(allows) {
            phone.seen_mut().whereabouts_mut().reject(fetch.address, fetch.time);
            self.note_doubt(key);
            return false;
        }
        let Some(digest) = fetch.taken.filter(|_| name.is_own_config()) else { return !is_elsewhere };
        // An address where no phone can be says nothing against one where phones may be.
        let known = phone.seen().last_place().filter(|(known, _)| allows(*known) || !allows(fetch.address));
        let counts = phone.seen_mut().whereabouts_mut().arrive(known, fetch.address, fetch.time, digest);
        if !phone.seen().whereabouts().is_calm() {
            self.note_doubt(key);
        }
        counts
    }

    fn note_doubt(&mut self, key: &Key) {
        self.places.in_doubt.insert(key.clone());
        self.agenda.queue_facts(key);
    }

    /// The time passes: doubts end by it, and a phone with another address than before is there then.
    pub(super) fn lapse_doubts(&mut self) {
        let now = self.clock;
        for key in std::mem::take(&mut self.places.in_doubt) {
            let Some(phone) = self.phones.get_mut(&key) else { continue };
            let seen = phone.last_fetch().time;
            let (ended, moved) = phone.seen_mut().whereabouts_mut().lapse(seen, now);
            if !phone.seen().whereabouts().is_calm() {
                self.places.in_doubt.insert(key.clone());
            }
            if let Some(rival) = moved
                && let Some(home) = phone.home().cloned()
            {
                self.took_own(&home, &key, rival.taken, rival.address, rival.time);
            }
            if ended {
                self.agenda.queue_facts(&key);
            }
        }
    }

    /// Where a phone is notified; why it is not, and what to do.
    pub(super) fn notifiable(&self, site: &Site, phone: &Phone, now: Timestamp) -> Result<IpAddr, ResyncError> {
        let Some(address) = phone.last_fetch().address else {
            let message = "the phone was never seen: plug it in, and it fetches everything by itself";
            return Err(ResyncError::new(Reason::NoAddress, message));
        };
        if let Some(doubt @ Doubt::TwoAddresses(..)) = phone.seen().whereabouts().doubt(now) {
            return Err(ResyncError::new(Reason::TwoAddresses, doubtful(address, doubt, site.networks())));
        }
        let message = match site.networks().check(address, &self.places.own) {
            Ok(()) => return Ok(address),
            Err(Refusal::Never(kind)) => format!(
                "the phone was seen at {address}, which is among {kind}: nothing is sent there; is there something between the phone and the TFTP server that hides its address?"
            ),
            Err(Refusal::Outside) => format!(
                "the phone was seen at {address}, which is in none of the networks that phones are in ({}): nothing is sent there, least of all a password; if it is right, add its network to the site's spec.phoneNetworks",
                site.networks()
            ),
        };
        Err(ResyncError::new(Reason::AddressNotAllowed, message))
    }

    /// The condition `AddressConflict`.
    pub(super) fn address_conflict(&self, phone: &Phone, now: Timestamp) -> Option<Verdict> {
        let site = self.sites.get(phone.home()?)?;
        let address = phone.last_fetch().address?;
        let doubt = phone.seen().whereabouts().doubt(now)?;
        let reason = match doubt {
            Doubt::TwoAddresses(..) => Reason::TwoAddresses,
            Doubt::Outside(_) => Reason::AddressNotAllowed,
        };
        Some(Verdict::yes(reason, doubtful(address, doubt, site.networks())))
    }
}

fn doubtful(known: IpAddr, doubt: Doubt, networks: &PhoneNetworks) -> String {
    match doubt {
        Doubt::TwoAddresses(other, until) => format!(
            "its file was fetched from {known} and from {other} within a few minutes: until {} nothing is sent to it, and what {other} fetches does not count; if the phone has a new address, wait, otherwise find out who uses its MAC address",
            seconds(until)
        ),
        Doubt::Outside(other) => format!(
            "{other} asks in its name, and is in none of the networks that phones are in ({networks}): that does not count; if the phone is there now, add the network to the site's spec.phoneNetworks"
        ),
    }
}
