//! A timer wheel: one timer for each place in a table, set and cancelled in constant time, in memory that grows with the table
//! and with nothing else.
//!
//! Time is cut into ticks; the timers of one tick are a list through the table. A timer beyond one turn of the wheel waits in the
//! last tick and fires early: its owner sees that its deadline is still to come, and sets it again. The same goes for a timer whose
//! deadline moves to a later time, which costs nothing; only to an earlier one the timer is moved at once.

use super::session::Millis;

/// Milliseconds in one tick: a retransmission may be so much late.
pub const TICK: Millis = 32;
/// Ticks in one turn; with [`TICK`], 16 s: longer than any timeout.
const SLOTS: usize = 512;
/// No place.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// The tick at which it fires, or `NEVER`.
    tick: u64,
}

/// No tick.
const NEVER: u64 = u64::MAX;
const UNSET: Link = Link { before: NONE, after: NONE, tick: NEVER };

fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

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

    /// Lets a place's timer fire at this time, or earlier if it would anyway.
    #[inline]
    pub fn set(&mut self, place: usize, at: Millis) {
        // Rounded up: a timer is never early, but for one beyond the turn.
        let tick = at.div_ceil(TICK).clamp(self.tick, self.tick + SLOTS as u64 - 1);
        if self.links.get(place).is_none_or(|link| link.tick > tick) {
            self.set_at(place, tick);
        }
    }

    fn set_at(&mut self, place: usize, tick: u64) {
        self.cancel(place);
        if self.links.len() <= place {
            self.links.resize(place + 1, UNSET);
        }
        let after = std::mem::replace(&mut self.heads[slot(tick)], place as u32);
        self.links[place] = Link { before: NONE, after, tick };
        if after != NONE {
            self.links[after as usize].before = place as u32;
        }
    }

    /// Cancels a place's timer.
    pub fn cancel(&mut self, place: usize) {
        let Some(link) = self.links.get(place).copied().filter(|link| link.tick != NEVER) else { return };
        match link.before {
            NONE => self.heads[slot(link.tick)] = link.after,
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
            let place = self.heads[slot(self.tick)];
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
        let next = ticks.take(SLOTS).find(|tick| self.heads[slot(*tick)] != NONE);
        next.map_or(most, |tick| (tick * TICK).saturating_sub(now).min(most))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_timer_that_is_set_again_fires_once_at_the_earlier_time() {
        for times in [[100, 5_000], [5_000, 100]] {
            let mut wheel = Wheel::new(0);
            times.into_iter().for_each(|at| wheel.set(7, at));
            assert_eq!(wheel.fire(99), None);
            assert_eq!(wheel.fire(100 + TICK), Some(7));
            assert_eq!(wheel.fire(60_000), None);
        }
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
                        let at = model.entry(place).or_insert(now + pause);
                        *at = (*at).min(now + pause);
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
