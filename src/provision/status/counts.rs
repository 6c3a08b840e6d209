//! How many phones of a site are how far.

use std::collections::BTreeMap;

use crate::api::{PhoneCounts, Stage, StageCount};

/// What is counted of one phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneTally {
    /// It is understood and in conflict with no other.
    pub accepted: bool,
    /// Its newest file is served by every pod.
    pub served: bool,
    /// Everything is done on the server's side.
    pub ready: bool,
    /// It fetched its newest files.
    pub in_sync: bool,
    /// It has a file.
    pub placed: bool,
    /// The stage of its firmware; nothing before its facts were derived.
    pub stage: Option<Stage>,
}

/// The counts of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    accepted: i64,
    served: i64,
    ready: i64,
    in_sync: i64,
    placed: i64,
    stages: BTreeMap<Stage, i64>,
}

impl Counts {
    /// Counts a phone by what is true of it now, no longer by what was; whether that changed anything.
    pub fn replace(&mut self, before: PhoneTally, now: PhoneTally) -> bool {
        self.add(before, -1);
        self.add(now, 1);
        before != now
    }

    fn add(&mut self, tally: PhoneTally, by: i64) {
        // Taken apart without `..`: what is new in a tally cannot be forgotten here.
        let PhoneTally { accepted, served, ready, in_sync, placed, stage } = tally;
        for (count, holds) in [
            (&mut self.accepted, accepted),
            (&mut self.served, served),
            (&mut self.ready, ready),
            (&mut self.in_sync, in_sync),
            (&mut self.placed, placed),
        ] {
            *count += if holds { by } else { 0 };
        }
        if let Some(stage) = stage {
            let count = self.stages.entry(stage).or_insert(0);
            *count += by;
            if *count == 0 {
                self.stages.remove(&stage);
            }
        }
    }

    /// The counts as a status has them, of so many phones in all.
    pub fn phones(&self, total: usize) -> PhoneCounts {
        PhoneCounts {
            total: total as i64,
            accepted: self.accepted,
            served: self.served,
            ready: self.ready,
            in_sync: self.in_sync,
        }
    }

    /// Whether every phone that has a file is served.
    pub fn all_served(&self) -> bool {
        self.served == self.placed
    }

    /// How many phones are at each stage.
    pub fn stages(&self) -> Vec<StageCount> {
        self.stages.iter().map(|(stage, phones)| StageCount { stage: *stage, phones: *phones }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_tally() -> impl Strategy<Value = PhoneTally> {
        let stage = proptest::option::of(proptest::sample::select(vec![Stage::Staged, Stage::Current, Stage::Failed]));
        (any::<[bool; 5]>(), stage).prop_map(|([accepted, served, ready, in_sync, placed], stage)| PhoneTally {
            accepted,
            served,
            ready,
            in_sync,
            placed,
            stage,
        })
    }

    proptest! {
        /// Counted one change after the other, the counts are those of counting all phones once.
        #[test]
        fn counts_are_those_of_counting_anew(changes in proptest::collection::vec((0usize..5, any_tally()), 0..40)) {
            let mut phones = [PhoneTally::default(); 5];
            let mut counts = Counts::default();
            for (phone, tally) in changes {
                let changed = counts.replace(phones[phone], tally);
                prop_assert_eq!(changed, phones[phone] != tally);
                phones[phone] = tally;
            }
            let mut anew = Counts::default();
            for tally in phones {
                anew.replace(PhoneTally::default(), tally);
            }
            prop_assert_eq!(counts, anew);
        }
    }
}
