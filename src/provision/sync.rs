//! Whether a phone runs what it should, by the hashes of what it fetched.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::digest::{Digest, HashKey};

/// What a phone last fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastFetch {
    /// The hash of its own file as it last took it.
    pub own: Option<String>,
    /// The hash of `SIPDefault.cnf` as it last took it.
    pub common: Option<String>,
    /// Its address then.
    pub address: Option<IpAddr>,
    /// When.
    pub time: Option<Timestamp>,
}

/// How the hashes of one file's versions are shown: of the version that is served now it is known whether it holds a password, of
/// all others it is not. So only what is public now is shown by its plain hash, from which guesses of a password could be tested.
#[derive(Clone, Copy, Debug)]
pub struct HashForms<'a> {
    /// The file that is served now, and whether it holds a password.
    pub current: Option<(Digest, bool)>,
    /// The site's key for hashes.
    pub key: Option<&'a HashKey>,
    /// There is no key, and no status that others read.
    pub offline: bool,
}

impl HashForms<'_> {
    /// The hash of what a phone took; `known` is the one that its status shows. Nothing while the key is missing.
    pub fn of(&self, taken: Digest, known: Option<&str>) -> Option<String> {
        match self.current.filter(|(current, _)| *current == taken) {
            Some((_, is_secret)) => self.shown(taken, is_secret),
            None if known.is_some_and(|known| self.is_of(known, taken)) => known.map(str::to_owned),
            None => self.shown(taken, true),
        }
    }

    /// The hash of the file that is served now. Nothing while the key is missing.
    pub fn served(&self) -> Option<String> {
        let (current, is_secret) = self.current?;
        self.shown(current, is_secret)
    }

    /// The hash of the file that is served now, if that is what another form of its hash stands for.
    pub fn settled(&self, known: &str) -> Option<String> {
        let (current, _) = self.current?;
        self.served().filter(|shown| shown != known && self.is_of(known, current))
    }

    fn is_of(&self, known: &str, digest: Digest) -> bool {
        known == digest.public(None) || self.key.is_some_and(|key| known == digest.public(Some(key)))
    }

    fn shown(&self, digest: Digest, is_secret: bool) -> Option<String> {
        let key = self.key.filter(|_| is_secret);
        (key.is_some() || !is_secret || self.offline).then(|| digest.public(key))
    }
}

/// Why a phone does not run what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncProblem {
    /// There is no file for it.
    Nothing,
    /// It never fetched its file.
    NeverFetched,
    /// It was sent the newest one whole, and did not acknowledge the end.
    Unacknowledged,
    /// It fetched an older one.
    Outdated,
    /// It fetched an older `SIPDefault.cnf`.
    CommonOutdated,
    /// What is served is not the newest.
    NotServed,
}

/// Why a phone does not run what it should; nothing if it does. `own` and `common` are the hashes of the files that it should
/// have fetched; it `may_have` its own, if that was sent to it whole and it did not acknowledge the end.
pub fn sync_problem(
    own: Option<&str>,
    common: Option<&str>,
    fetched: &LastFetch,
    may_have: bool,
    up_to_date: bool,
) -> Option<SyncProblem> {
    let Some(own) = own else { return Some(SyncProblem::Nothing) };
    match (fetched.own.as_deref(), common) {
        (fetched, _) if may_have && fetched != Some(own) => Some(SyncProblem::Unacknowledged),
        (None, _) => Some(SyncProblem::NeverFetched),
        (Some(fetched), _) if fetched != own => Some(SyncProblem::Outdated),
        (_, Some(wanted)) if fetched.common.as_deref() != Some(wanted) => Some(SyncProblem::CommonOutdated),
        _ if !up_to_date => Some(SyncProblem::NotServed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_now_has_a_plain_hash() {
        let key = HashKey::new(b"k");
        let (now, before) = (Digest::of(b"now"), Digest::of(b"password: 1234"));
        let forms = HashForms { current: Some((now, false)), key: Some(&key), offline: false };
        let keyed = |digest: Digest| Some(digest.public(Some(&key)));
        assert_eq!(forms.of(now, None), Some(now.public(None)));
        assert_eq!(forms.of(before, None), keyed(before), "it may have held a password");
        let plain = before.public(None);
        assert_eq!(forms.of(before, Some(&plain)), Some(plain.clone()), "it is known to have held none");
        assert_eq!(forms.of(before, keyed(before).as_deref()), keyed(before));
        assert_eq!(HashForms { key: None, ..forms }.of(before, None), None, "rather none than one that says too much");
        assert_eq!(HashForms { current: Some((now, true)), ..forms }.of(now, None), keyed(now));
        // A file that is public again, by a reverted edit.
        assert_eq!(forms.settled(&digest_text(now, &key)), Some(now.public(None)));
        assert_eq!(forms.settled(&now.public(None)), None, "it is as it should be");
        assert_eq!(forms.settled(&digest_text(before, &key)), None);
    }

    fn digest_text(digest: Digest, key: &HashKey) -> String {
        digest.public(Some(key))
    }

    #[test]
    fn the_first_problem_counts() {
        let fetched = |own: Option<&str>, common: Option<&str>| LastFetch {
            own: own.map(str::to_owned),
            common: common.map(str::to_owned),
            ..LastFetch::default()
        };
        let problem = |own, common| sync_problem(Some("a"), Some("b"), &fetched(own, common), false, true);
        assert_eq!(problem(None, None), Some(SyncProblem::NeverFetched));
        assert_eq!(problem(Some("x"), Some("b")), Some(SyncProblem::Outdated));
        assert_eq!(problem(Some("a"), Some("x")), Some(SyncProblem::CommonOutdated));
        assert_eq!(problem(Some("a"), Some("b")), None);
        let both = fetched(Some("a"), Some("b"));
        assert_eq!(sync_problem(Some("a"), Some("b"), &both, false, false), Some(SyncProblem::NotServed));
        assert_eq!(sync_problem(None, Some("b"), &both, true, true), Some(SyncProblem::Nothing));
        for own in [None, Some("x")] {
            let problem = sync_problem(Some("a"), Some("b"), &fetched(own, Some("b")), true, true);
            assert_eq!(problem, Some(SyncProblem::Unacknowledged));
        }
        assert_eq!(sync_problem(Some("a"), Some("b"), &both, true, true), None);
    }
}
