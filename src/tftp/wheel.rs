//! A timer wheel: one timer for each place in a table, set and cancelled in constant time, in memory that grows with the table
//! and with nothing else.
//!
//! Time is cut into ticks; the timers of one tick are a list through the table. A timer beyond one turn of the wheel waits in the
//! last tick and fires early: its owner sees that its deadline is still to come, and sets it again.

use super::session::Millis;

/// Milliseconds in one tick: a retransmission may be so much late.
const TICK: Millis = 32;
/// Ticks in one turn; with [`TICK`], 16 s: longer than any timeout.
const SLOTS: usize = 512;
/// No place.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// The slot that it is in, or `NONE`.
    slot: u32,
}

const UNSET: Link = Link { before: NONE, after: NONE, slot: NONE };

/// The wheel.
#[derive(Debug)]
pub struct Wheel {
    /// The first place in each slot.
    heads: Vec<u32>,
    links: Vec<Link>,
    /// The first tick whose timers have not all fired.
    tick: u64,
}

impl Wheel {
    /// A wheel that begins to turn now.
    pub fn new(now: Millis) -> Wheel {
        Wheel { heads: vec![NONE; SLOTS], links: Vec::new(), tick: now / TICK }
    }

    /// Sets a place's timer, which replaces the one before.
    pub fn set(&mut self, place: usize, at: Millis) {
        self.cancel(place);
        if self.links.len() <= place {
            self.links.resize(place + 1, UNSET);
        }
        // Rounded up: a timer is never early, but for one beyond the turn.
        let tick = at.div_ceil(TICK).clamp(self.tick, self.tick + SLOTS as u64 - 1);
        let slot = (tick % SLOTS as u64) as usize;
        let after = self.heads[slot];
        self.links[place] = Link { before: NONE, after, slot: slot as u32 };
        if after != NONE {
            self.links[after as usize].before = place as u32;
        }
        self.heads[slot] = place as u32;
    }

    /// Cancels a place's timer.
    pub fn cancel(&mut self, place: usize) {
        let Some(link) = self.links.get(place).copied().filter(|link| link.slot != NONE) else { return };
        match link.before {
            NONE => self.heads[link.slot as usize] = link.after,
            before => self.links[before as usize].after = link.after,
        }
        if link.after != NONE {
            self.links[link.after as usize].before = link.before;
        }
        self.links[place] = UNSET;
    }

    /// Fires a timer that is due, if there is one: its place. It is no longer set.
    pub fn fire(&mut self, now: Millis) -> Option<usize> {
        let last = now / TICK;
        while self.tick <= last {
            let place = self.heads[(self.tick % SLOTS as u64) as usize];
            if place != NONE {
                self.cancel(place as usize);
                return Some(place as usize);
            }
            if self.tick == last {
                // More may be set for this tick.
                break;
            }
            self.tick += 1;
        }
        None
    }

    /// How long no timer is due, but no longer than this.
    pub fn idle(&self, now: Millis, most: Millis) -> Millis {
        let ticks = self.tick..=(now + most) / TICK;
        let next = ticks.take(SLOTS).find(|tick| self.heads[(tick % SLOTS as u64) as usize] != NONE);
        next.map_or(most, |tick| (tick * TICK).saturating_sub(now).min(most))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_timer_that_is_set_again_fires_once() {
        let mut wheel = Wheel::new(0);
        wheel.set(7, 100);
        wheel.set(7, 5_000);
        assert_eq!(wheel.fire(4_999), None);
        assert_eq!(wheel.fire(5_000 + TICK), Some(7));
        assert_eq!(wheel.fire(60_000), None);
    }

    #[test]
    fn memory_grows_with_the_table_only() {
        let mut wheel = Wheel::new(0);
        for round in 0..100_000 {
            wheel.set(round % 3, 255_000 + round as u64);
            wheel.cancel(round % 3);
        }
        assert_eq!((wheel.links.len(), wheel.heads.len()), (3, SLOTS));
        assert_eq!(wheel.idle(0, 250), 250);
    }

    #[derive(Clone, Debug)]
    enum Act {
        Set(usize, Millis),
        Cancel(usize),
        Wait(Millis),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..8usize, 0..40_000u64).prop_map(|(place, pause)| Act::Set(place, pause)),
            (0..8usize).prop_map(Act::Cancel),
            (0..20_000u64).prop_map(Act::Wait),
        ]
    }

    proptest! {
        /// Against a map of deadlines: every timer fires, none before its time, none later than a tick after it.
        #[test]
        fn it_fires_as_a_map_of_deadlines_would(start in 0..1_000_000u64, acts in prop::collection::vec(act(), 0..200)) {
            let mut wheel = Wheel::new(start);
            let mut model: BTreeMap<usize, Millis> = BTreeMap::new();
            let mut now = start;
            for act in acts {
                match act {
                    Act::Set(place, pause) => {
                        wheel.set(place, now + pause);
                        model.insert(place, now + pause);
                    }
                    Act::Cancel(place) => {
                        wheel.cancel(place);
                        model.remove(&place);
                    }
                    Act::Wait(pause) => now += pause,
                }
                let mut again = Vec::new();
                while let Some(place) = wheel.fire(now) {
                    let at = model[&place];
                    if at > now {
                        again.push((place, at));
                    } else {
                        model.remove(&place);
                    }
                }
                again.into_iter().for_each(|(place, at)| wheel.set(place, at));
                prop_assert!(model.values().all(|at| at + TICK > now), "{model:?} at {now}");
                let idle = wheel.idle(now, 250);
                prop_assert!(idle <= 250);
                if let Some(next) = model.values().min() {
                    prop_assert!(now + idle <= next + TICK, "sleeps past {next}");
                }
            }
        }
    }
}
