//! File descriptors, of which a process may have so many: sockets of transfers may not take them all.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many are kept for files, reports, probes and listeners.
const RESERVED: u64 = 256;

/// How many transfers may have a socket of their own, with the limit raised as far as the process may.
pub(super) fn for_transfers() -> usize {
    raise_limit();
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(without_reserve(limit)).unwrap_or(usize::MAX)
}

fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(%error, "the limit of open files stays at {soft}");
    }
}

/// Of few descriptors half are kept.
fn without_reserve(limit: u64) -> u64 {
    (limit - RESERVED.min(limit / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_never_taken_by_transfers() {
        assert_eq!([0, 64, 1024, 1 << 20].map(without_reserve), [1, 32, 768, (1 << 20) - 256]);
    }
}
