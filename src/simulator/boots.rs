//! One boot of each phone, and what people see meanwhile: how many are up, and that a server does not answer.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};

use super::display::Display;
use super::outcome::Outcome;
use super::phone::{Options, Phone};
use crate::base::terminal::say;

/// The number of phones that boot at the same time.
const CONCURRENT: usize = 256;
/// A server that has not answered any phone for so long is spoken of.
const SILENCE: Duration = Duration::from_secs(4);
/// How often there is a line about many phones, where it goes into a pipe or a file.
const PAUSE: Duration = Duration::from_secs(5);

/// Boots all of them, and shows how far they are.
pub async fn boot_all(all: Vec<Options>) -> Vec<Outcome> {
    let Some(first) = all.first() else { return Vec::new() };
    let (server, patience, total) = (first.server, first.patience, all.len());
    let phones: Vec<Phone> = all.into_iter().map(Phone::new).collect();
    let displays: Vec<Arc<Display>> = phones.iter().map(Phone::display).collect();
    let boots = stream::iter(phones).map(async |mut phone| {
        let ended = phone.start().await;
        phone.outcome(ended)
    });
    let mut boots = boots.buffered(CONCURRENT);
    let mut silence = std::pin::pin!(tokio::time::sleep(SILENCE));
    let mut is_quiet = true;
    let mut progress = Progress::new(total);
    let mut outcomes = Vec::with_capacity(total);
    while outcomes.len() < total {
        tokio::select! {
            outcome = boots.next() => match outcome {
                Some(outcome) => outcomes.push(outcome),
                None => break,
            },
            () = &mut silence, if is_quiet => {
                is_quiet = false;
                if !displays.iter().any(|display| display.activity().answered) {
                    let seconds = patience.whole().saturating_sub(SILENCE).as_secs();
                    say(format_args!("{server} has not answered yet; the phone goes on asking for {seconds} s, as a real one does"));
                }
            }
        }
        progress.show(&outcomes);
    }
    outcomes
}

/// How many phones are up: a bar on a terminal, otherwise a line now and then.
struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    began: Instant,
    said: Instant,
}

impl Progress {
    fn new(total: usize) -> Progress {
        let bar = (total > 1 && std::io::stderr().is_terminal()).then(|| {
            let template = "{bar:24} {pos} of {len} phones, {percent} %, {elapsed}, about {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total as u64).with_style(style)
        });
        Progress { bar, total, began: Instant::now(), said: Instant::now() }
    }

    fn show(&mut self, outcomes: &[Outcome]) {
        let done = outcomes.len();
        match &self.bar {
            Some(bar) => bar.set_position(done as u64),
            None if done < self.total && self.said.elapsed() >= PAUSE => {
                self.said = Instant::now();
                say(format_args!("{}", line(done, self.total, self.began.elapsed())));
            }
            None => {}
        }
    }
}

/// How far many phones are, in a line.
fn line(done: usize, total: usize, elapsed: Duration) -> String {
    let left = elapsed.as_secs_f64() / done.max(1) as f64 * (total - done) as f64;
    format!("{done} of {total} phones, {} %, {} s, about {left:.0} s left", done * 100 / total, elapsed.as_secs())
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_and_how_long() {
        assert_eq!(line(250, 1000, Duration::from_secs(5)), "250 of 1000 phones, 25 %, 5 s, about 15 s left");
    }
}
