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

use dice::Dice;
use end::End;
use queue::Time;
use world::World;

/// How many histories every run of the tests has.
const HISTORIES: u64 = 1_000;
/// How long after the last fault everything must have come to rest.
const REST_WITHIN: Time = 1_500_000;
/// How long nothing must be written then.
const QUIET: Time = 60_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// When people have done the last that they do.
fn end_of(seed: u64) -> Time {
    Dice::new(seed, 3).between(10_000, 70_000)
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
    while world.last_write + QUIET > now {
        now = world.last_write + QUIET;
        if now > end + REST_WITHIN {
            return Err("it does not come to rest".to_owned());
        }
        world.run_until(now)?;
    }
    End::of(world)
}

/// A history and its undisturbed twin.
fn twins(seed: u64) -> Result<(), String> {
    let end = history(seed, true, false).0?;
    let undisturbed = history(seed, false, false).0.map_err(|why| format!("although nothing goes wrong: {why}"))?;
    end.compare(&undisturbed)
}

#[test]
fn whatever_goes_wrong_no_file_is_missing_and_in_the_end_all_is_as_if_nothing_had() {
    let (first, count) = match (number("DIALTONE_SEED"), number("DIALTONE_HISTORIES")) {
        (Some(seed), count) => (seed, count.unwrap_or(1)),
        (None, count) => (0, count.unwrap_or(HISTORIES)),
    };
    for seed in first..first + count {
        let panicked = |panic: Box<dyn Any + Send>| Err(format!("panicked: {:?}", panic.downcast_ref::<String>()));
        if let Err(why) = catch_unwind(|| twins(seed)).unwrap_or_else(panicked) {
            if std::env::var_os("SURVEY").is_some() {
                eprintln!("SEED {seed}: {why}");
                continue;
            }
            let trace = catch_unwind(|| history(seed, true, true).1).unwrap_or_default();
            trace[trace.len().saturating_sub(1500)..].iter().for_each(|line| eprintln!("{line}"));
            panic!("history {seed}: {why}\nreplay: DIALTONE_SEED={seed} cargo test --test suite simulation::");
        }
    }
}

#[test]
fn a_seed_leads_to_the_same_history_again() {
    for seed in [3, 17] {
        let (one, other) = (history(seed, true, true), history(seed, true, true));
        assert!(one.1.len() > 500 && one.1 == other.1, "history {seed}");
    }
}
