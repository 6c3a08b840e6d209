//! What several pods tell of one phone, in whatever order, and what a new operator hears again.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{Seen, Upgrade};

/// How late one of several pods may tell what another has told the sequel of, in seconds.
const LATE: i64 = 10;

/// What a phone's requests tell, whatever the order in which pods tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    now: Upgrade,
    before: Upgrade,
    recent: VecDeque<(Timestamp, Seen)>,
    /// The parts that the status told of, if the phone was on its way then.
    told: Option<BTreeSet<String>>,
    /// What a new operator hears again; most phones never need it.
    again: Option<Box<Upgrade>>,
}

impl Track {
    /// Begins with what a status said.
    pub fn new(known: Upgrade) -> Track {
        let on_its_way = known.transfer.is_some() || known.failure.is_some() || !known.taken.is_empty();
        Track { told: on_its_way.then(|| known.taken.clone()), now: known.clone(), before: known, ..Track::default() }
    }

    /// What is known.
    pub fn now(&self) -> &Upgrade {
        &self.now
    }

    /// Follows one request. One that is told late is put where it belongs; one that is told much later is passed over.
    pub fn follow(&mut self, seen: Seen, time: Timestamp) {
        if self.recent.is_empty() && self.before.last.is_some_and(|last| time <= last) {
            // A status tells of what it led to; only how the boot began, and all that it took, are not in there.
            let again = self.again.get_or_insert_default();
            again.follow(&seen, time);
            self.before.boot = again.boot.clone();
            if let Some(told) = &self.told {
                self.before.taken = told.union(&again.taken).cloned().collect();
                self.before.began = again.began;
            }
            self.now = self.before.clone();
            return;
        }
        let newest = self.recent.back().map(|(at, _)| *at).or(self.before.last);
        match newest {
            Some(newest) if newest.as_second() - time.as_second() > LATE => return,
            Some(newest) if time < newest => {
                let at = self.recent.partition_point(|(at, _)| *at <= time);
                self.recent.insert(at, (time, seen));
                self.now = self.before.clone();
                for (at, seen) in &self.recent {
                    self.now.follow(seen, *at);
                }
            }
            _ => {
                self.now.follow(&seen, time);
                let goes_on = |seen: &Seen| matches!(seen, Seen::Part { end: None, .. });
                if goes_on(&seen) && self.recent.back().is_some_and(|(_, last)| goes_on(last)) {
                    self.recent.pop_back();
                }
                self.recent.push_back((time, seen));
            }
        }
        let newest = self.recent.back().map_or(time, |(at, _)| *at);
        while let Some((at, seen)) = self.recent.pop_front() {
            if newest.as_second() - at.as_second() <= LATE {
                self.recent.push_front((at, seen));
                break;
            }
            self.before.follow(&seen, at);
        }
    }
}
