//! The text output of the command.

use std::fmt::Write as _;

use super::outcome::{FetchResult, Outcome};
use crate::phone::model::MAX_LINES;

/// The most phones that did not boot which are named.
const SHOWN: usize = 20;

/// One phone, for people.
pub fn one(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.mac);
    let width = outcome.files.iter().map(|file| file.file.len()).max().unwrap_or(0);
    for file in &outcome.files {
        let result = match &file.result {
            FetchResult::Fetched => format!("{:>9} bytes", file.bytes),
            FetchResult::NotFound => "not there".to_owned(),
            FetchResult::Refused(text) => format!("refused: {text}"),
            FetchResult::Silent => "no answer".to_owned(),
            FetchResult::Failed(error) => format!("failed: {error}"),
            FetchResult::GaveUp => "given up".to_owned(),
        };
        let repeats = if file.repeats > 0 { format!("  asked {} times again", file.repeats) } else { String::new() };
        let _ = writeln!(text, "  {:width$}  {result:>15}  {:>8.1} ms{repeats}", file.file, file.millis);
    }
    let keys = (1..=MAX_LINES).filter(|key| outcome.flash.get(&format!("line{key}_name")).is_some());
    for (key, line) in keys.zip(&outcome.lines) {
        let _ = writeln!(text, "  line {key}: {line}");
    }
    if !outcome.label.is_empty() {
        let _ = writeln!(text, "  label: {}", outcome.label);
    }
    let _ = writeln!(text, "  runs {}", outcome.running);
    for problem in &outcome.problems {
        let _ = writeln!(text, "  ! {problem}");
    }
    let verdict = if outcome.booted { "booted" } else { "not provisioned" };
    let _ = writeln!(text, "  {verdict} in {:.1} ms", outcome.millis);
    text
}

/// Many phones, for people.
pub fn many(outcomes: &[Outcome], seconds: f64) -> String {
    let booted = outcomes.iter().filter(|outcome| outcome.booted).count();
    let mut millis: Vec<f64> = outcomes.iter().map(|outcome| outcome.millis).collect();
    millis.sort_by(f64::total_cmp);
    let at = |part: f64| millis.get(((millis.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(0.0);
    let files: usize = outcomes.iter().map(|outcome| outcome.files.len()).sum();
    let bytes: usize = outcomes.iter().flat_map(|outcome| &outcome.files).map(|file| file.bytes).sum();
    let repeats: u32 = outcomes.iter().flat_map(|outcome| &outcome.files).map(|file| file.repeats).sum();
    let mut text = format!(
        "{booted} of {} phones booted in {seconds:.2} s: {files} requests, {bytes} bytes, {repeats} asked again\n\
         a boot took {:.1} ms in the middle, {:.1} ms at the 99th percentile, {:.1} ms at most\n",
        outcomes.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.booted).collect();
    for outcome in failed.iter().take(SHOWN) {
        let why = outcome.problems.first().map_or("not provisioned", String::as_str);
        let _ = writeln!(text, "  ! {}: {why}", outcome.mac);
    }
    if failed.len() > SHOWN {
        let _ = writeln!(text, "  ! and {} more; --output json has all of them", failed.len() - SHOWN);
    }
    text
}
