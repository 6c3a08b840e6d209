//! The requests of one phone as several pods report them, in whatever order, and as they are reported again to a new operator.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::{BootEvent, Upgrade};

/// How late a pod may report a request after another pod has reported the next one, in seconds.
const LATE: i64 = 10;
/// The most requests that are kept for that: a boot has fewer. Whoever floods the server from a phone's address costs no more.
const MAX_RECENT: usize = 64;

/// What follows from a phone's requests, whatever the order in which pods report them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventReorderer {
    now: Upgrade,
    before: Upgrade,
    recent: VecDeque<(Timestamp, BootEvent)>,
    /// The parts that the status named, if the phone was on its way then.
    recovered: Option<BTreeSet<String>>,
    /// What is reported again to a new operator; most phones never need it.
    again: Option<Box<Upgrade>>,
}

impl EventReorderer {
    /// Begins with what a status said.
    pub fn new(known: Upgrade) -> EventReorderer {
        let on_its_way = known.transfer.is_some() || known.failure.is_some() || !known.taken.is_empty();
        EventReorderer {
            recovered: on_its_way.then(|| known.taken.clone()),
            now: known.clone(),
            before: known,
            ..EventReorderer::default()
        }
    }

    /// What is known.
    pub fn now(&self) -> &Upgrade {
        &self.now
    }

    /// Follows one request. One that is reported late is put where it belongs; one that is reported much later is passed over.
    pub fn follow(&mut self, seen: BootEvent, time: Timestamp) {
        if self.recent.is_empty() && self.before.last.is_some_and(|last| time <= last) {
            // A status holds what it led to; only how the boot began, and all that it took, are not in there.
            let again = self.again.get_or_insert_default();
            again.follow(&seen, time);
            self.before.boot = again.boot.clone();
            if let Some(taken) = &self.recovered {
                self.before.taken = taken.union(&again.taken).cloned().collect();
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
                let goes_on = |seen: &BootEvent| matches!(seen, BootEvent::Part { end: None, .. });
                let is_unclear = |seen: &BootEvent| *seen == BootEvent::Unclear;
                let says_more =
                    |last: &BootEvent| goes_on(&seen) && goes_on(last) || is_unclear(&seen) && is_unclear(last);
                if self.recent.back().is_some_and(|(_, last)| says_more(last)) {
                    self.recent.pop_back();
                }
                self.recent.push_back((time, seen));
            }
        }
        let newest = self.recent.back().map_or(time, |(at, _)| *at);
        while let Some((at, seen)) = self.recent.pop_front() {
            if newest.as_second() - at.as_second() <= LATE && self.recent.len() < MAX_RECENT {
                self.recent.push_front((at, seen));
                break;
            }
            self.before.follow(&seen, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_requests_takes_no_memory() {
        let mut events = EventReorderer::default();
        for n in 0..10_000_i64 {
            let (file, end) = (format!("x{n}.sb2"), Some(Err("it is not there".to_owned())));
            let time = Timestamp::from_millisecond(1_000_000 + n - n % 3 * 100).unwrap();
            events.follow(BootEvent::Part { file, sent: 0, total: 0, end }, time);
        }
        assert_eq!(events.recent.len(), MAX_RECENT);
        let failed = |upgrade: &Upgrade| upgrade.boot.as_ref().map_or(0, |boot| boot.failed.len());
        assert!(failed(&events.now) <= 16 && failed(&events.before) <= 16);
        assert!(events.now.failures > 1_000, "each counts");
    }
}
