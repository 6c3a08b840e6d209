//! The main job on a real node: `helm install`, `kubectl apply`, phones that boot over real UDP, and all that can fail
//! meanwhile. Steps that stand for themselves: each is given what it needs and takes away what others left.
//!
//! `make cluster` runs all of them in order on a node of their own, `make cluster ONLY=edit,secret` some of them on a node that
//! stays. hack/node/README.md tells more.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

mod booting;
mod conflicts;
mod failures;
mod pages;
mod prober;
mod recovery;
mod releases;
mod scale;
mod sources;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod upgrade;

use std::process::ExitCode;
use std::time::Instant;

use stage::Start::{self, Installed, NewSite, NoSite, Nothing, Site};

/// What can be run alone.
struct Step {
    name: &'static str,
    what: &'static str,
    start: Start,
    run: fn(),
}

const fn step(name: &'static str, what: &'static str, start: Start, run: fn()) -> Step {
    Step { name, what, start, run }
}

/// In the order in which CI runs them.
const STEPS: &[Step] = &[
    step("install", "helm install, under the restricted Pod Security level", Nothing, booting::helm_installs_it),
    step(
        "boot",
        "three phones boot and get what render says",
        NoSite,
        booting::three_phones_boot_and_get_what_render_says,
    ),
    step(
        "edit",
        "an edit is served within two seconds, for few writes",
        Site,
        booting::an_edit_is_served_at_once_and_costs_little,
    ),
    step("secret", "a Secret is rotated, or missing", Site, booting::a_secret_is_rotated),
    step(
        "conflicts",
        "one MAC twice, one line twice, no site, a phone deleted",
        Site,
        conflicts::conflicts_disturb_nobody,
    ),
    step(
        "firmware",
        "phones are told of an image once every pod has it",
        NewSite,
        conflicts::firmware_is_staged_before_phones_are_told,
    ),
    step(
        "sources",
        "firmware from a volume, an image and the web",
        Installed,
        sources::firmware_comes_from_volumes_images_and_the_web,
    ),
    step(
        "upgrade",
        "fifty phones upgrade by themselves; takes minutes",
        Installed,
        upgrade::a_building_upgrades_by_itself,
    ),
    step("scale", "four hundred phones come and go", Site, scale::many_phones_come_and_go),
    step(
        "idle",
        "nothing is written when nothing changes; takes minutes",
        Site,
        scale::nothing_is_written_when_nothing_changes,
    ),
    step("outage", "phones boot whatever is down", Site, failures::phones_boot_whatever_is_down),
    step(
        "recovery",
        "how long until all is well after each thing that dies",
        Site,
        recovery::everything_that_dies_comes_back,
    ),
    step(
        "rename",
        "a release gets another name, and goes back to an earlier state",
        Site,
        releases::a_release_gets_another_name,
    ),
    step("suspend", "a suspended site stays as it is", Site, failures::a_suspended_site_stays_as_it_is),
    step(
        "mend",
        "what others do to dialtone's objects is put right",
        Site,
        failures::what_others_do_to_our_objects_is_mended,
    ),
    step(
        "undecodable",
        "an object that cannot be decoded stops nobody",
        Site,
        failures::one_object_that_cannot_be_read_stops_nobody,
    ),
    step("stars", "dial plans of nothing but stars delay nobody", Site, failures::dial_plans_of_stars_delay_nobody),
    step("ephemeral", "the classic port mode serves, too", Site, failures::the_classic_port_mode_serves_too),
    step("delete", "a site goes and leaves nothing", Site, failures::a_site_goes_and_leaves_nothing),
    step(
        "pages",
        "the commands of docs/operations.md; it uninstalls the operator",
        NewSite,
        pages::the_commands_of_the_pages_do_what_the_pages_say,
    ),
];

/// Runs the steps that are named, or all. `--check` only looks at the names.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> =
        words.iter().filter(|word| !word.starts_with('-')).flat_map(|word| word.split(',')).collect();
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        eprintln!("error: there is no step {unknown:?}; ONLY takes some of these, with commas between them:");
        eprintln!("  {:12} the API server's part, on a control plane of its own", "api");
        eprintln!("  {:12} the operator among faults, likewise; FAULTS=kills,storm for some of them", "faults");
        STEPS.iter().for_each(|step| eprintln!("  {:12} {}", step.name, step.what));
        return ExitCode::from(2);
    }
    if words.iter().any(|word| word == "--check") {
        return ExitCode::SUCCESS;
    }
    support::explain_panics();
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect();
    for step in &chosen {
        eprintln!("== {}: {}", step.name, step.what);
        let began = Instant::now();
        let done = std::panic::catch_unwind(|| {
            stage::prepare(step.start);
            eprintln!("   ready after {:.1} s", began.elapsed().as_secs_f64());
            (step.run)();
        });
        if done.is_err() {
            eprintln!("\nerror: the step {:?} failed; alone, on a node that stays: make cluster ONLY={0}", step.name);
            return ExitCode::FAILURE;
        }
        eprintln!("   passed after {:.1} s", began.elapsed().as_secs_f64());
    }
    eprintln!("\n{} steps passed", chosen.len());
    ExitCode::SUCCESS
}
