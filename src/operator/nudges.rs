//! When the pods of each site were nudged, and when they should be again: pure.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::leaf::Leaf;
use crate::base::Backoff;
use crate::provision::Key;

/// How long pods have to hold the new files before they are nudged again. It doubles.
const PATIENCE: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(64));
/// So often pods are nudged for the same content. The kubelet has synced by itself by then, as it does once a minute, and what
/// they still hold otherwise no nudge changes.
const MOST: u32 = 6;

/// When the pods of each site were nudged.
#[derive(Debug, Default)]
pub(super) struct Nudges(Leaf<HashMap<Key, Nudge>>);

/// The last nudge of a site's pods.
#[derive(Debug)]
struct Nudge {
    /// What the site's objects held.
    content: String,
    /// How many nudges there were for that.
    attempt: u32,
    at: Instant,
}

/// What to do about pods that do not hold what they should.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// They were nudged lately: wait.
    Wait(Duration),
    /// They were nudged often enough.
    Rest,
    /// Nudge them, with this value of the annotation, and wait so long for them to hold the files.
    Nudge { value: String, pause: Duration },
}

impl Nudges {
    /// Pods do not hold the content of a site's objects.
    pub(super) fn next(&self, site: &Key, content: String, now: Instant) -> Next {
        let mut all = self.0.lock();
        let attempt = match all.get(site) {
            Some(nudge) if nudge.content == content => {
                let (pause, since) = (PATIENCE.after(nudge.attempt), now.saturating_duration_since(nudge.at));
                if since < pause {
                    return Next::Wait(pause - since);
                }
                if nudge.attempt >= MOST {
                    return Next::Rest;
                }
                nudge.attempt.saturating_add(1)
            }
            _ => 1,
        };
        let value = if attempt == 1 { content.clone() } else { format!("{content}-{}", attempt - 1) };
        all.insert(site.clone(), Nudge { content, attempt, at: now });
        Next::Nudge { value, pause: PATIENCE.after(attempt) }
    }

    /// A site's pods hold what they should, or the site was deleted.
    pub(super) fn forget(&self, site: &Key) {
        self.0.lock().remove(site);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_nudged_again_after_longer_and_longer_pauses_until_the_content_changes() {
        let (nudges, site, mut now) = (Nudges::default(), Key::new("ns", "hq"), Instant::now());
        let mut pauses = Vec::new();
        for attempt in 0..MOST {
            let Next::Nudge { value, pause } = nudges.next(&site, "a".to_owned(), now) else { panic!("{attempt}") };
            assert_eq!(value, if attempt == 0 { "a".to_owned() } else { format!("a-{attempt}") });
            let almost = pause - Duration::from_millis(1);
            assert_eq!(
                nudges.next(&site, "a".to_owned(), now + almost),
                Next::Wait(Duration::from_millis(1)),
                "{attempt}"
            );
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64]);
        assert_eq!(nudges.next(&site, "a".to_owned(), now), Next::Rest, "no nudge helps");
        let nudge = |value: &str| Next::Nudge { value: value.to_owned(), pause: Duration::from_secs(2) };
        assert_eq!(nudges.next(&site, "b".to_owned(), now), nudge("b"), "other content is nudged for at once");
        nudges.forget(&site);
        assert_eq!(nudges.next(&site, "b".to_owned(), now), nudge("b"));
    }
}
