//! Runs every input in `fuzz/corpus`, and for a short time random changes of them.
//!
//! `DIALTONE_FUZZ_SEED=N` and `DIALTONE_FUZZ_RUNS=N` choose other changes and more of them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{TARGETS, Target, target_named};

/// How long one input may take, without optimisation and with other tests beside it.
const MAX_TIME: Duration = Duration::from_secs(10);
/// How long the random changes of one target go on at most.
const MAX_RANDOM: Duration = Duration::from_secs(3);
/// The longest random input.
const MAX_LENGTH: usize = 8_192;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target, by name of their files.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut all: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// The words of `fuzz/dialtone.dict`, in libFuzzer's format: one in quotes a line.
fn words() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(folder().join("dialtone.dict")).unwrap();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), word.as_bytes());
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'\\', [b'x', digits @ ..]) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits[..2]).unwrap(), 16).unwrap());
                rest = &digits[2..];
            }
            (b'\\', [next, more @ ..]) => {
                bytes.push(*next);
                rest = more;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Runs one input; an input that fails is kept and named.
fn run(target: &Target, name: &str, input: &[u8]) {
    let began = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = began.elapsed();
    if result.is_err() || took > MAX_TIME {
        let kept = std::env::temp_dir().join(format!("dialtone-fuzz-{}-{}", target.name, std::process::id()));
        std::fs::write(&kept, input).unwrap();
        panic!("{}: {name} fails or takes too long ({took:?}); the input is in {}", target.name, kept.display());
    }
}

fn change(input: &mut Vec<u8>, random: &mut StdRng, words: &[Vec<u8>], others: &[(String, Vec<u8>)]) {
    let place = |random: &mut StdRng, most: usize| random.random_range(0..=most);
    let at = place(random, input.len());
    let end = at + place(random, (input.len() - at).min(32));
    match random.random_range(0..9) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => drop(input.drain(at..end)),
        3 => input.insert(at, *b"\0\n\r\"<>:;/\\.,*%\x1d\xff0a-{[ ".get(place(random, 22)).unwrap_or(&b'1')),
        4 => input.truncate(at),
        5 => {
            let part = input[at..end].to_vec();
            let times = place(random, 8);
            input.splice(at..at, part.repeat(times));
        }
        6 => {
            let (_, other) = &others[random.random_range(0..others.len())];
            let from = place(random, other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            let word = &words[random.random_range(0..words.len())];
            let end = if random.random() { end } else { at };
            input.splice(at..end, word.iter().copied());
        }
    }
    input.truncate(MAX_LENGTH);
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn replay(name: &str) {
    let target = target_named(name).unwrap();
    let corpus = corpus(target);
    for (name, input) in &corpus {
        run(target, name, input);
    }
    let seed = from_environment("DIALTONE_FUZZ_SEED", 1);
    let runs = from_environment("DIALTONE_FUZZ_RUNS", 2_000);
    let is_chosen = std::env::var_os("DIALTONE_FUZZ_RUNS").is_some();
    let (mut random, words, began) = (StdRng::seed_from_u64(seed), words(), Instant::now());
    for n in 0..runs {
        if !is_chosen && began.elapsed() > MAX_RANDOM {
            break;
        }
        let mut input = corpus[random.random_range(0..corpus.len())].1.clone();
        for _ in 0..random.random_range(1..6) {
            change(&mut input, &mut random, &words, &corpus);
        }
        run(target, &format!("random input {n} of seed {seed}"), &input);
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_has_a_program_and_inputs() {
            let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, BTreeSet::from([$(stringify!($name)),*]));
            let names = |folder: &str| -> BTreeSet<String> {
                let entries = std::fs::read_dir(super::replay::folder().join(folder)).unwrap();
                let names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
                names.collect()
            };
            let targets: BTreeSet<String> = targets.into_iter().map(str::to_owned).collect();
            assert_eq!(names("corpus"), targets);
            assert_eq!(names("fuzz_targets"), targets);
            let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
            for target in &targets {
                assert!(manifest.contains(&format!("\nname = \"{target}\"\n")), "fuzz/Cargo.toml: {target} is missing");
                let program = std::fs::read_to_string(folder().join(format!("fuzz_targets/{target}.rs"))).unwrap();
                assert!(program.contains(&format!("(\"{target}\")")), "{program}");
            }
        }
    };
}

replays! {
    packet session cnf dialplan ringlist xml firmware names parameters sip_answer sip_request telnet report objects yaml render import
}
