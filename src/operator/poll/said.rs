//! What is logged of a pod's reports.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::lasting::Lasting;
use crate::base::report::{FileProblem, Report};
use crate::provision::Key;

/// How often it is said at most which files a pod cannot load.
const PROBLEM_PERIOD: Duration = Duration::from_secs(5);
/// How often it is said at most that a pod lost records.
const LOST_PERIOD: Duration = Duration::from_secs(60);

/// What was said of a pod. What lasts is said once.
#[derive(Default)]
pub(super) struct Said {
    problems: Lasting,
    /// When something was said of them.
    noted: Option<Instant>,
    is_silent: bool,
    lost: Option<Instant>,
}

impl Said {
    /// Says what there is to say of a report.
    pub(super) fn report(&mut self, pod: &Key, report: &Report) {
        if std::mem::take(&mut self.is_silent) {
            tracing::info!("pod {pod} reports again");
        }
        // A pod may say something else each time.
        if self.noted.is_none_or(|noted| noted.elapsed() > PROBLEM_PERIOD) {
            let news = self.problems.note(&report.problems);
            if !news.0.is_empty() || !news.1.is_empty() {
                self.noted = Some(Instant::now());
                say_problems(pod, news);
            }
        }
        let lost = report.journal.lost;
        if lost > 0 && self.lost.is_none_or(|said| said.elapsed() > LOST_PERIOD) {
            self.lost = Some(Instant::now());
            tracing::warn!(lost, "pod {pod} had more to report than it could keep");
        }
    }

    /// Says that a pod does not report.
    pub(super) fn silence(&mut self, pod: &Key, error: &str) {
        if !std::mem::replace(&mut self.is_silent, true) {
            tracing::warn!("pod {pod} does not report, and what it serves counts no more until it does: {error}");
        }
    }
}

/// Says which files a pod cannot load, and of which that is over.
fn say_problems(pod: &Key, (begun, over): (Vec<FileProblem>, Vec<String>)) {
    for problem in begun {
        tracing::warn!(%problem, "pod {pod} cannot load a file");
    }
    for file in over {
        tracing::info!(file, "pod {pod} can load it again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::testing::Logs;

    #[test]
    fn a_pod_that_says_something_else_each_time_fills_no_log() {
        let logs = Logs::capture();
        let (mut said, pod) = (Said::default(), Key::new("ns", "pod"));
        for n in 0..100 {
            let problems: Vec<String> =
                (0..32).map(|file| format!(r#"{{"file": "{file}", "message": "{n}"}}"#)).collect();
            let json = format!(
                r#"{{"instance": "i", "holdings": {{"version": 1, "complete": true, "held": [], "gone": []}},
                "journal": {{"next": 1, "lost": 3, "records": []}}, "problems": [{}]}}"#,
                problems.join(",")
            );
            said.report(&pod, &serde_json::from_str(&json).unwrap());
        }
        assert_eq!(logs.lines().len(), 33, "{:?}", logs.lines());
    }
}
