//! What is known of where a phone is, and of what it fetched.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::provision::observe::whereabouts::Whereabouts;
use crate::provision::sync::{HashForms, LastFetch};

/// For how many seconds after its own file a phone that asks for something else goes on with the same start.
const GOES_ON: i64 = 120;

/// What is known of where a phone is, and of what it fetched.
#[derive(Debug)]
pub struct Seen {
    fetch: LastFetch,
    /// Its own file as it was sent to it whole, without the end being acknowledged.
    unsure: Option<Unsure>,
    /// When it last asked for something that phones ask for after their own files.
    went_on: Option<Timestamp>,
    whereabouts: Whereabouts,
}

/// A file of which it is not known whether a phone took it.
#[derive(Clone, Copy, Debug)]
struct Unsure {
    digest: Digest,
    address: IpAddr,
    /// When all of it had been sent.
    sent: Timestamp,
}

impl Seen {
    /// What was known before.
    pub fn new(fetch: LastFetch) -> Seen {
        Seen { fetch, unsure: None, went_on: None, whereabouts: Whereabouts::default() }
    }

    /// What it last fetched.
    pub fn fetch(&self) -> &LastFetch {
        &self.fetch
    }

    /// What it fetched is shown as what is served now is, if it is the same. Of each file its forms, and the hash that is shown now.
    pub fn settle_hashes(&mut self, own: (HashForms<'_>, Option<&str>), common: (Option<HashForms<'_>>, Option<&str>)) {
        let settle = |fetched: &mut Option<String>, (forms, served): (Option<HashForms<'_>>, Option<&str>)| {
            // Mostly it is shown so already.
            if let Some(known) = fetched.as_deref().filter(|known| Some(*known) != served)
                && let Some(hash) = forms.and_then(|forms| forms.settled(known))
            {
                *fetched = Some(hash);
            }
        };
        settle(&mut self.fetch.own, (Some(own.0), own.1));
        settle(&mut self.fetch.common, common);
    }

    /// It took its own file; false if it is known to have taken it later.
    pub fn fetched_own(&mut self, hash: Option<String>, address: IpAddr, time: Timestamp) -> bool {
        if self.fetch.time.is_some_and(|known| known > time) {
            return false;
        }
        self.unsure = None;
        let common = self.fetch.common.take();
        self.fetch = LastFetch { own: hash, common, address: Some(address), time: Some(time) };
        true
    }

    /// It took the common file; whether that is another one.
    pub fn fetched_common(&mut self, hash: &str) -> bool {
        let news = self.fetch.common.as_deref() != Some(hash);
        if news {
            self.fetch.common = Some(hash.to_owned());
        }
        news
    }

    /// It asked for its own file, and is there, whether or not it took it.
    pub fn asked(&mut self, address: IpAddr, time: Timestamp) {
        if self.fetch.time.is_none_or(|known| known <= time) {
            (self.fetch.address, self.fetch.time) = (Some(address), Some(time));
        }
    }

    /// Its own file was sent to it whole, and the end was not acknowledged.
    pub fn note_unacknowledged(&mut self, digest: Digest, address: IpAddr, sent: Timestamp) {
        self.unsure = Some(Unsure { digest, address, sent });
    }

    /// It asked for what phones ask for after their own files.
    pub fn went_on(&mut self, time: Timestamp) {
        self.went_on = self.went_on.max(Some(time));
    }

    /// The file that it must have taken, because it went on after all of it had been sent (RFC 1350, section 6): which, from where, and
    /// when it was last heard.
    pub fn take_sure(&mut self) -> Option<(Digest, IpAddr, Timestamp)> {
        let (unsure, went_on) = (self.unsure?, self.went_on?);
        let since = went_on.as_second() - unsure.sent.as_second();
        if !(0..=GOES_ON).contains(&since) {
            return None;
        }
        self.unsure = None;
        // It was heard of its own file later than of the next one, which ended sooner.
        Some((unsure.digest, unsure.address, self.fetch.time.map_or(went_on, |heard| heard.max(went_on))))
    }

    /// Whether it may have taken this file, of which it did not acknowledge the end.
    pub fn may_have_taken(&self, digest: Digest) -> bool {
        self.unsure.is_some_and(|unsure| unsure.digest == digest)
    }

    /// What speaks against its address.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.whereabouts
    }

    /// What speaks against its address, to be changed.
    pub fn whereabouts_mut(&mut self) -> &mut Whereabouts {
        &mut self.whereabouts
    }

    /// Where it took its file last, and when.
    pub fn last_place(&self) -> Option<(IpAddr, Timestamp)> {
        self.fetch.address.zip(self.fetch.time)
    }
}
