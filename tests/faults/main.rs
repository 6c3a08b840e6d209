//! The operator among faults, on a real API server: other operators, kills at every write, an API server that cuts, stalls, refuses,
//! forgets to answer and lags behind. docs/trust.md tells what is promised and what was found.
//!
//! `make cluster ONLY=faults` runs all of it, `FAULTS=leaders,kills` some. What is random begins with DIALTONE_SEED, which a failure names.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

mod behind;
mod disturbed;
mod fields;
#[path = "../support/generated.rs"]
mod generated;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
mod leaders;
mod proxy;
mod rights;
#[path = "../support/seed.rs"]
mod seed;
mod stage;
mod state;
mod stories;
#[path = "../support/mod.rs"]
mod support;
mod watched;

use std::process::ExitCode;
use std::time::Instant;

use tokio::runtime::Handle;

type Case = (&'static str, fn(&Handle));

/// In the order in which CI runs them.
const CASES: &[Case] = &[
    ("leaders", leaders::one_of_two_writes_and_the_other_takes_over),
    ("lost-lease", leaders::a_leader_that_loses_its_lease_writes_nothing_more),
    ("overlap", leaders::an_installation_for_all_leaves_a_namespace_to_the_one_for_it),
    ("namespaces", leaders::a_namespace_that_is_not_there_disturbs_no_other),
    ("away", disturbed::an_api_server_that_is_away_is_waited_for),
    ("behind", behind::an_api_server_that_is_behind_is_not_believed),
    ("fields", fields::a_field_that_is_changed_shows_and_changed_back_leaves_nothing),
    ("kills", disturbed::an_operator_that_is_killed_at_any_write_ends_as_one_that_is_not),
    ("storm", disturbed::whatever_the_api_server_does_it_ends_as_it_should),
    // Last: it looks at all that the others' operators asked.
    ("rights", rights::every_right_is_used_and_none_is_missing),
];

/// Runs the cases that are named, or all.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let names: Vec<&str> = words.iter().flat_map(|word| word.split(',')).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = names.iter().find(|name| CASES.iter().all(|(case, _)| case != *name)) {
        let known: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        eprintln!("error: there is no case {unknown:?}; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    support::explain_panics();
    stage::install();
    for (name, run) in CASES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("== {name}");
        let began = Instant::now();
        if std::panic::catch_unwind(|| run(runtime.handle())).is_err() {
            eprintln!("\nerror: {name} failed");
            return ExitCode::FAILURE;
        }
        eprintln!("   passed after {:.1} s", began.elapsed().as_secs_f32());
    }
    ExitCode::SUCCESS
}
