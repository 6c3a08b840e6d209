//! What came of a request.
#![allow(dead_code)] // Each program uses its own part.

use std::time::Duration;

/// How a client ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// What it has of the file; nothing if it wrote none.
    pub file: Option<Vec<u8>>,
    /// Everything it said.
    pub said: String,
    /// Whether it says that it succeeded; `None` if it had to be ended.
    pub success: Option<bool>,
    pub after: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The file came, byte for byte.
    Ok(Duration),
    /// It did not, and should not.
    Refused(Duration),
    /// The network was bad, and somebody had not enough patience.
    GaveUp(Duration, String),
    Failed(String),
    /// It cannot be tried, and why.
    Cannot(String),
}

/// Whoever refuses does it at once: whoever waits for so long got no answer.
const AT_ONCE: Duration = Duration::from_secs(15);

impl Outcome {
    /// Judges how a client ended: `wanted` is the file that should have come, if any should.
    pub fn of(ended: &Ended, wanted: Option<&[u8]>, bad_network: bool) -> Outcome {
        let got = ended.file.as_deref().unwrap_or_default();
        let seconds = ended.after.as_secs_f32();
        let says = || {
            let line = ended.said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
            format!("after {seconds:.1} s the client says: {}", line.chars().take(120).collect::<String>())
        };
        match (wanted, ended.success) {
            (Some(wanted), Some(true)) if ended.file.as_deref() == Some(wanted) => Outcome::Ok(ended.after),
            // The client believes it has the file.
            (Some(wanted), Some(true)) if ended.file.is_some() => {
                let at = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                Outcome::Failed(format!(
                    "altered: {} of {} bytes, different from byte {at} on",
                    got.len(),
                    wanted.len()
                ))
            }
            (Some(_), _) if bad_network => Outcome::GaveUp(ended.after, says()),
            (Some(_), None) => Outcome::Failed(format!("no end in {seconds:.0} s")),
            (Some(_), _) => Outcome::Failed(says()),
            (None, _) if !got.is_empty() => Outcome::Failed(format!("{} bytes came", got.len())),
            (None, Some(true)) if ended.said.trim().is_empty() => {
                Outcome::Failed("the client was told nothing".to_owned())
            }
            (None, _) if ended.after > AT_ONCE => Outcome::Failed(says()),
            (None, _) => Outcome::Refused(ended.after),
        }
    }

    /// As it stands in a table.
    pub fn cell(&self) -> String {
        match self {
            Outcome::Ok(after) if after.as_secs_f32() < 9.95 => format!("{:.1}", after.as_secs_f32()),
            Outcome::Ok(after) => format!("{:.0}", after.as_secs_f32()),
            Outcome::Refused(_) => "refused".to_owned(),
            Outcome::GaveUp(after, _) => format!("gave up, {:.0}", after.as_secs_f32()),
            Outcome::Failed(_) => "**failed**".to_owned(),
            Outcome::Cannot(_) => "–".to_owned(),
        }
    }
}
