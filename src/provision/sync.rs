//! Whether a phone runs what it should, by the hashes of what it fetched.

use std::net::IpAddr;

use jiff::Timestamp;

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

/// Why a phone does not run what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncProblem {
    /// There is no file for it.
    Nothing,
    /// It never fetched its file.
    NeverFetched,
    /// It fetched an older one.
    Outdated,
    /// It fetched an older `SIPDefault.cnf`.
    CommonOutdated,
    /// What is served is not the newest.
    NotServed,
}

/// Why a phone does not run what it should; nothing if it does. `own` and `common` are the hashes of the files that it should
/// have fetched.
pub fn sync_problem(
    own: Option<&str>,
    common: Option<&str>,
    fetched: &LastFetch,
    up_to_date: bool,
) -> Option<SyncProblem> {
    let Some(own) = own else { return Some(SyncProblem::Nothing) };
    match (fetched.own.as_deref(), common) {
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
    fn the_first_problem_counts() {
        let fetched = |own: Option<&str>, common: Option<&str>| LastFetch {
            own: own.map(str::to_owned),
            common: common.map(str::to_owned),
            ..LastFetch::default()
        };
        let problem = |own, common| sync_problem(Some("a"), Some("b"), &fetched(own, common), true);
        assert_eq!(problem(None, None), Some(SyncProblem::NeverFetched));
        assert_eq!(problem(Some("x"), Some("b")), Some(SyncProblem::Outdated));
        assert_eq!(problem(Some("a"), Some("x")), Some(SyncProblem::CommonOutdated));
        assert_eq!(problem(Some("a"), Some("b")), None);
        let both = fetched(Some("a"), Some("b"));
        assert_eq!(sync_problem(Some("a"), Some("b"), &both, false), Some(SyncProblem::NotServed));
        assert_eq!(sync_problem(None, Some("b"), &both, true), Some(SyncProblem::Nothing));
    }
}
