//! Figures, the table that people read, and the targets that they are held against.

use std::fmt::Write as _;

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured, and under which conditions.
    pub what: String,
    /// Of whom.
    pub who: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// A figure that was to be reached.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What it is.
    pub what: String,
    /// What was measured.
    pub value: f64,
    /// What was aimed at.
    pub target: f64,
    /// Whether it is a most; otherwise it is a least.
    pub most: bool,
    /// The unit.
    pub unit: &'static str,
}

/// By how much a figure may miss its target: machines are noisy.
const NOISE: f64 = 0.10;

impl Goal {
    /// How it is called: whether it was reached, nearly, or missed.
    pub fn verdict(&self) -> &'static str {
        let reached = |slack: f64| match self.most {
            true => self.value <= self.target * (1.0 + slack),
            false => self.value >= self.target * (1.0 - slack),
        };
        match (reached(0.0), reached(NOISE)) {
            (true, _) => "reached",
            (_, true) => "nearly",
            _ => "MISSED",
        }
    }
}

/// Everything that a run measured.
#[derive(Debug, Default, Serialize)]
pub struct Run {
    /// Machine and versions.
    pub head: Vec<(String, String)>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// The targets.
    pub goals: Vec<Goal>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
    /// Parts that came to no end, and why.
    pub broken: Vec<String>,
    /// Tables as they are printed.
    #[serde(skip)]
    pub text: String,
}

impl Run {
    /// Notes a figure.
    pub fn figure(&mut self, what: impl Into<String>, who: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure { what: what.into(), who: who.into(), value, unit });
    }

    /// Notes that something must be at least so much.
    pub fn at_least(&mut self, what: impl Into<String>, value: f64, target: f64, unit: &'static str) {
        self.goals.push(Goal { what: what.into(), value, target, most: false, unit });
    }

    /// Notes that something must be at most so much.
    pub fn at_most(&mut self, what: impl Into<String>, value: f64, target: f64, unit: &'static str) {
        self.goals.push(Goal { what: what.into(), value, target, most: true, unit });
    }

    /// Prints something, and keeps it for the file.
    pub fn say(&mut self, text: impl AsRef<str>) {
        println!("{}", text.as_ref());
        let _ = writeln!(self.text, "{}", text.as_ref());
    }

    /// Prints a table: the first row is its head.
    pub fn table(&mut self, title: &str, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        self.say(format!("\n### {title}\n"));
        for (i, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                // Names to the left, figures to the right.
                let cell = if column == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") };
                let _ = write!(line, "| {cell} ");
            }
            self.say(format!("{line}|"));
            if i == 0 {
                let rule = |(column, width): (usize, &usize)| {
                    let dashes = "-".repeat(width + 1);
                    if column == 0 { format!("|-{dashes}") } else { format!("|{dashes}:") }
                };
                let rules: String = widths.iter().enumerate().map(rule).collect();
                self.say(format!("{rules}|"));
            }
        }
    }

    /// Prints the targets, and in one sentence how it went; whether all were measured, and reached or nearly so.
    pub fn verdict(&mut self) -> bool {
        let mut rows = vec![["figure", "measured", "target", ""].map(str::to_owned).to_vec()];
        for goal in &self.goals {
            let sign = if goal.most { "at most" } else { "at least" };
            let unit = if goal.unit.is_empty() { String::new() } else { format!(" {}", goal.unit) };
            rows.push(vec![
                goal.what.clone(),
                format!("{}{unit}", number(goal.value)),
                format!("{sign} {}{unit}", number(goal.target)),
                goal.verdict().to_owned(),
            ]);
        }
        self.table("Targets", &rows);
        for failure in self.failures.clone() {
            self.say(format!("\nnot measured: {failure}"));
        }
        let missed: Vec<&str> =
            self.goals.iter().filter(|goal| goal.verdict() == "MISSED").map(|goal| goal.what.as_str()).collect();
        let all = self.goals.len();
        let mut sentence = match missed.as_slice() {
            [] if all == 0 => "There was no target to reach".to_owned(),
            [] => format!("All {all} targets were reached, or nearly"),
            some => format!("{} of {all} targets were missed by more than a tenth: {}", some.len(), some.join("; ")),
        };
        if !self.broken.is_empty() {
            let _ = write!(sentence, "; what could not be measured to its end: {}", self.broken.join("; "));
        }
        let reached = missed.is_empty() && self.broken.is_empty();
        self.say(format!("\n{sentence}."));
        reached
    }
}

/// A number as a person reads it: three figures, and commas.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let digits = match value.abs() {
        v if v >= 100.0 || (v - v.round()).abs() < 1e-9 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let groups: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    format!("{sign}{}{rest}", groups.join(","))
}
