//! The initial sync: until every watch has listed its objects and everything referred to was read, nothing is written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::leaf::Leaf;
use crate::provision::{Content, Key, Slot};

/// What objects with files hold; `None` for one that was deleted.
type Recovered = BTreeMap<(Key, Slot), Option<Content>>;

/// Whether the initial sync is over, and what objects with files were found to hold until then.
#[derive(Debug)]
pub(super) struct InitialSync {
    listed: AtomicBool,
    done: AtomicBool,
    /// `None` from the end of the initial sync on.
    recovered: Leaf<Option<Recovered>>,
}

impl InitialSync {
    /// Before the initial sync.
    pub(super) fn new() -> InitialSync {
        InitialSync {
            listed: AtomicBool::new(false),
            done: AtomicBool::new(false),
            recovered: Leaf::new(Some(Recovered::new())),
        }
    }

    /// Whether it is over.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Whether every watch has listed. What is referred to is read from then on, once: who hears of a later change has to see to it
    /// that it is read again.
    pub(super) fn has_listed(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// Keeps what an object with files holds, for the fleet to recover from. Returned if the initial sync is over.
    pub(super) fn keep(&self, site: &Key, slot: Slot, content: Option<Content>) -> Result<(), Option<Content>> {
        match &mut *self.recovered.lock() {
            Some(recovered) => {
                recovered.insert((site.clone(), slot), content);
                Ok(())
            }
            None => Err(content),
        }
    }

    /// Every watch has listed: what was kept so far.
    pub(super) fn take(&self) -> Vec<(Key, Slot, Option<Content>)> {
        self.listed.store(true, Ordering::Release);
        list(self.recovered.lock().as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Ends the initial sync: nothing is kept any more. What was kept since [`InitialSync::take`] is returned.
    pub(super) fn finish(&self) -> Vec<(Key, Slot, Option<Content>)> {
        let rest = self.recovered.lock().take().unwrap_or_default();
        self.done.store(true, Ordering::Release);
        list(rest)
    }
}

fn list(recovered: Recovered) -> Vec<(Key, Slot, Option<Content>)> {
    recovered.into_iter().map(|((site, slot), content)| (site, slot, content)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_kept_until_the_end_and_none_is_lost() {
        let (sync, site) = (InitialSync::new(), Key::new("ns", "hq"));
        let [common, secret] = [false, true].map(|secret| Slot::Common { secret });
        assert_eq!(sync.keep(&site, common, Some(Content::default())), Ok(()));
        assert_eq!(sync.keep(&site, secret, Some(Content::default())), Ok(()));
        assert_eq!(sync.keep(&site, secret, None), Ok(()), "it was deleted meanwhile");
        let expected = [(site.clone(), common, Some(Content::default())), (site.clone(), secret, None)];
        assert_eq!(sync.take(), expected);
        assert!(!sync.is_done());
        assert_eq!(sync.keep(&site, common, None), Ok(()));
        assert_eq!(sync.finish(), [(site.clone(), common, None)], "what was kept after the first take");
        assert!(sync.is_done());
        assert_eq!(sync.keep(&site, common, Some(Content::default())), Err(Some(Content::default())));
    }
}
