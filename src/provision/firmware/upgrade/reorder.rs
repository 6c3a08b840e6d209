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
                // Each is kept, though it may repeat the one before: what is reported late may belong between the two.
                self.now.follow(&seen, time);
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
    use super::super::Named;
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

    #[test]
    fn what_is_reported_late_between_two_alike_is_judged_as_if_it_had_come_in_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let all = [
            BootEvent::LoaderStart,
            BootEvent::Loads { image: "P0S3-08-11-00".to_owned() },
            BootEvent::Unclear,
            BootEvent::Common(Named::Unknown),
            BootEvent::Unclear,
        ];
        let follow = |order: [usize; 5]| {
            let mut events = EventReorderer::default();
            order.into_iter().for_each(|n| events.follow(all[n].clone(), at(n as i64)));
            events.now().clone()
        };
        assert_eq!(follow([0, 1, 2, 3, 4]).running, None, "nothing is concluded of phones behind one address");
        assert_eq!(follow([0, 1, 2, 4, 3]), follow([0, 1, 2, 3, 4]));
    }
}
