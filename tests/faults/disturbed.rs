//! Operators that are killed and API servers that fail, in the middle of everything that people do: what there is at the end is what
//! there is without any of it, and it stays.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::runtime::Handle;

use super::proxy::{Fate, Seen};
use super::seed::seed;
use super::stage::{Audit, Operator, Setup, make_namespace};
use super::state::{difference, state};
use super::stories::STEPS;
use super::support::{kube, wait_until};

/// How many runs go on side by side: they mostly wait.
const SIDE_BY_SIDE: usize = 5;
/// A stable end: nothing is written for so long.
const STABLE: Duration = Duration::from_secs(60);

/// What there is at the end without faults, and how many writes it took.
struct Undisturbed {
    state: BTreeMap<String, Value>,
    writes: usize,
}

/// All steps with a pause between them, in which most but not all of what follows from one is done.
fn tell(namespace: &str, operator: &Operator) {
    for (_, act) in STEPS {
        act(namespace);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(700) {
            operator.keep_alive();
            thread::sleep(Duration::from_millis(30));
        }
    }
}

fn undisturbed(runtime: &Handle, namespace: &str) -> Undisturbed {
    make_namespace(namespace);
    let operator = Operator::start(runtime, Setup::of(&[namespace]));
    operator.settle();
    tell(namespace, &operator);
    operator.settle();
    Undisturbed { state: state(namespace), writes: operator.proxy.writes() }
}

/// One disturbed run: how the end differs from the expected one. Its operator lives on, to see that nothing more is written.
fn disturbed(
    runtime: &Handle,
    namespace: &str,
    expected: &Undisturbed,
    judge: impl FnMut(&Seen) -> Fate + Send + 'static,
) -> Result<Operator, String> {
    make_namespace(namespace);
    let operator = Operator::start(runtime, Setup::of(&[namespace]));
    operator.proxy.judge(judge);
    tell(namespace, &operator);
    // The faults are over; from now on it has 30 s.
    operator.proxy.judge(|_| Fate::Pass);
    let began = Instant::now();
    loop {
        operator.keep_alive();
        let found = difference(&expected.state, &state(namespace));
        if found.is_empty() {
            return Ok(operator);
        }
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("{namespace} is not as it should be:\n  {}", found.join("\n  ")));
        }
        thread::sleep(Duration::from_millis(250));
    }
}

/// Runs all, some side by side; the complaints. What has converged must stay, without a write.
fn all<T: Send + Sync>(cases: &[T], run: impl Fn(usize, &T) -> Result<Operator, String> + Send + Sync) -> Vec<String> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Vec::new())));
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = cases.get(number) else { return };
                    let result = run(number, case);
                    let mut done = done.lock().unwrap();
                    match result {
                        // A few are watched on; the others' namespaces would only cost.
                        Ok(operator) if done.0.len() < 6 => done.0.push(operator),
                        Ok(operator) => {
                            drop(done);
                            take_away(operator);
                        }
                        Err(why) => done.1.push(why),
                    }
                }
            });
        }
    });
    let (operators, mut complaints) = done.into_inner().unwrap();
    operators.iter().for_each(Operator::settle);
    let audit = Audit::begin();
    let before: Vec<usize> = operators.iter().map(|operator| operator.proxy.writes()).collect();
    thread::sleep(STABLE);
    for (operator, before) in operators.into_iter().zip(before) {
        let namespace = &operator.setup.namespaces[0];
        if operator.proxy.writes() != before || !operator.runs() {
            complaints.push(format!("{namespace} does not stay as it is: {:?}", audit.writes(Some(namespace))));
        }
        take_away(operator);
    }
    complaints
}

/// Ends an operator, and then takes its namespace away, with its rights there.
fn take_away(operator: Operator) {
    let namespace = operator.setup.namespaces[0].clone();
    drop(operator);
    kube(&["delete", "namespace", &namespace, "--wait=false"]);
}

/// Every so many of the writes are killed at, in this process; all of them with 1.
fn share() -> usize {
    std::env::var("DIALTONE_KILL_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(9)
}

pub fn an_operator_that_is_killed_at_any_write_ends_as_one_that_is_not(runtime: &Handle) {
    let expected = undisturbed(runtime, "undisturbed");
    let again = undisturbed(runtime, "undisturbed-2");
    assert_eq!(difference(&expected.state, &again.state), [""; 0], "two undisturbed runs end alike");
    let kills: Vec<(usize, bool)> = (0..expected.writes)
        .flat_map(|write| [(write, false), (write, true)])
        .enumerate()
        .filter_map(|(number, kill)| (number % share() == 0).then_some(kill))
        .collect();
    eprintln!("   {} writes without a disturbance; {} runs with a kill", expected.writes, kills.len());
    assert!(expected.writes > 20, "{}", expected.writes);
    let killed = AtomicUsize::new(0);
    let complaints = all(&kills, |number, (write, is_after)| {
        let (write, is_after) = (*write, *is_after);
        let operator = disturbed(runtime, &format!("kill-{number}"), &expected, move |seen| match seen.write {
            Some(now) if now == write && is_after => Fate::KillAfter,
            Some(now) if now == write => Fate::KillBefore,
            _ => Fate::Pass,
        })
        .map_err(|why| format!("killed {} write {write}: {why}", if is_after { "after" } else { "before" }))?;
        killed.fetch_add(operator.proxy.faults(), Ordering::SeqCst);
        Ok(operator)
    });
    assert!(complaints.is_empty(), "{} of {} runs:\n{}", complaints.len(), kills.len(), complaints.join("\n"));
    let killed = killed.into_inner();
    assert!(killed * 10 > kills.len() * 8, "{killed} of {} kills took place", kills.len());
}

/// What an API server and a network do when things go badly, all of it more often than ever.
fn fault(random: &mut SmallRng, seen: &Seen) -> Fate {
    if seen.path.contains("/leases") {
        return Fate::Pass;
    }
    if seen.is_watch {
        return match random.random_range(0..5) {
            0 => Fate::Answer([410, 429, 500, 503][random.random_range(0..4)]),
            1 => Fate::CutAfter(Duration::from_millis(random.random_range(10..1500))),
            2 => Fate::Lost,
            3 => Fate::Lag(Duration::from_millis(random.random_range(100..3000))),
            _ => Fate::Pass,
        };
    }
    match random.random_range(0..14) {
        0 => Fate::Answer([409, 410, 429, 500, 503][random.random_range(0..5)]),
        1 => Fate::Lost,
        2 => Fate::Unanswered,
        3 => Fate::Delay(Duration::from_millis(random.random_range(10..2000))),
        4 => Fate::Stalled(Duration::from_millis(random.random_range(500..4000))),
        5 if seen.write.is_some() && random.random_range(0..6) == 0 => Fate::KillAfter,
        _ => Fate::Pass,
    }
}

pub fn whatever_the_api_server_does_it_ends_as_it_should(runtime: &Handle) {
    let expected = undisturbed(runtime, "calm");
    let seed = seed();
    let seeds: Vec<u64> = (0..10).map(|number| seed + number).collect();
    let faults = AtomicUsize::new(0);
    let complaints = all(&seeds, |number, seed| {
        let mut random = SmallRng::seed_from_u64(*seed);
        let operator = disturbed(runtime, &format!("storm-{number}"), &expected, move |seen| fault(&mut random, seen))
            .map_err(|why| format!("DIALTONE_SEED={seed}: {why}"))?;
        faults.fetch_add(operator.proxy.faults(), Ordering::SeqCst);
        Ok(operator)
    });
    eprintln!("   {} faults in {} runs", faults.load(Ordering::SeqCst), seeds.len());
    assert!(complaints.is_empty(), "{} of {} runs:\n{}", complaints.len(), seeds.len(), complaints.join("\n"));
    assert!(faults.into_inner() > 200);
}

pub fn an_api_server_that_is_away_is_waited_for(runtime: &Handle) {
    let namespace = "away";
    make_namespace(namespace);
    let operator = Operator::start(runtime, Setup::of(&[namespace]));
    super::stories::apply_site(namespace, "Before");
    operator.settle();
    operator.proxy.cut(true);
    super::stories::apply_site(namespace, "Meanwhile");
    // Long enough that the Lease is lost: it begins anew, in its own process.
    thread::sleep(Duration::from_secs(12));
    operator.proxy.cut(false);
    let (_, took) = wait_until("the edit to be there", 15, || {
        let files = super::support::get(namespace, &["configmap", "dialtone-hq-phones-00"])["data"].to_string();
        if files.contains("Meanwhile") { Ok(()) } else { Err(files) }
    });
    assert!(operator.runs() && operator.log().contains("this process begins anew"), "{}", operator.log());
    eprintln!("   the API server was away for 12 s: the edit was there {:.1} s after it came back", took.as_secs_f32());
}
