//! Histories of the fleet, a cluster, pods, phones and people in virtual time, each from one seed.
//!
//! In each history people edit while requests are lost or stored without an answer, watches lag and break, the operator is killed,
//! pods sync late and die, and phones lose packets and power. What must always hold is checked at every step. When the faults
//! stop, everything must come to rest, and be as in a history in which the same people did the same and nothing went wrong.
//!
//! `DIALTONE_SEED=7 cargo test --test suite simulation::` replays one history, with all that happened in it;
//! `DIALTONE_HISTORIES=100000` runs more.

mod api;
mod checks;
mod dice;
mod end;
mod people;
mod phones;
mod pods;
mod queue;
mod shell;
mod work;
mod world;

use std::any::Any;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use dice::Dice;
use end::End;
use queue::Time;
use world::World;

/// How many histories every run of the tests has.
const HISTORIES: u64 = 1_000;
/// Every so many histories are compared with an undisturbed one.
const TWINS: u64 = 3;
/// How long after the last fault everything must have come to rest.
const REST_WITHIN: Time = 1_500_000;
/// How long nothing must be written then.
const QUIET: Time = 60_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// When people have done the last that they do.
fn end_of(seed: u64) -> Time {
    let (least, most) = if seed % 10 == 9 { (30_000, 90_000) } else { (8_000, 30_000) };
    Dice::new(seed, 3).between(least, most)
}

/// One history: what there is in the end, or what went wrong.
fn history(seed: u64, disturbed: bool, trace: bool) -> (Result<End, String>, Vec<String>) {
    let end = end_of(seed);
    let mut world = World::new(seed, disturbed, end);
    world.trace = trace.then(Vec::new);
    let result = run(&mut world, end);
    (result, world.trace.unwrap_or_default())
}

fn run(world: &mut World, end: Time) -> Result<End, String> {
    world.run_until(end)?;
    // Phones boot until all of them run what they should.
    let mut now = end;
    while let Some(why) = end::unfinished(world) {
        now += 20_000;
        if now > end + REST_WITHIN {
            return Err(format!("it does not come to an end: {why}"));
        }
        world.run_until(now)?;
    }
    world.rest = true;
    while world.last_write + QUIET > now || end::is_moving(world) {
        now = (world.last_write + QUIET).max(now + QUIET / 4);
        if now > end + REST_WITHIN {
            return Err("it does not come to rest".to_owned());
        }
        world.run_until(now)?;
    }
    End::of(world)
}

/// A history, and for some of them its undisturbed twin, which is as it is in the end. What is wrong, and whether with the disturbed one.
fn twins(seed: u64) -> Result<(), (String, bool)> {
    let end = history(seed, true, false).0.map_err(|why| (why, true))?;
    if !seed.is_multiple_of(TWINS) {
        return Ok(());
    }
    let calm = |why| (format!("although nothing goes wrong: {why}"), false);
    let undisturbed = history(seed, false, false).0.map_err(calm)?;
    end.compare(&undisturbed).map_err(|why| (why, true))
}

#[test]
fn whatever_goes_wrong_no_file_is_missing_and_in_the_end_all_is_as_if_nothing_had() {
    let (first, count) = match (number("DIALTONE_SEED"), number("DIALTONE_HISTORIES")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (0, count.unwrap_or(HISTORIES)),
    };
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            let panicked =
                |panic: Box<dyn Any + Send>| Err((format!("panicked: {:?}", panic.downcast_ref::<String>()), true));
            if let Err((why, disturbed)) = catch_unwind(|| twins(seed)).unwrap_or_else(panicked) {
                let trace = catch_unwind(|| history(seed, disturbed, true).1).unwrap_or_default();
                trace[trace.len().saturating_sub(400)..].iter().for_each(|line| eprintln!("{line}"));
                panic!("history {seed}: {why}\nreplay: DIALTONE_SEED={seed} cargo test --test suite simulation::");
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
}

#[test]
fn a_seed_leads_to_the_same_history_again() {
    for seed in [3, 17] {
        let (one, other) = (history(seed, true, true), history(seed, true, true));
        let differ = one.1.iter().zip(&other.1).find(|(one, other)| one != other);
        assert!(one.1.len() > 100 && one.1.len() == other.1.len() && differ.is_none(), "history {seed}: {differ:?}");
    }
}
