//! What `dialtone standalone` writes into a pipe or a file: a line for each change of a phone. Pure.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::overview::{Overview, PhoneRow};
use crate::base::text::printable;

/// A phone has a line at most this often, in seconds: what changes meanwhile is in the next one.
const PAUSE: i64 = 1;
/// The most bytes of what is wrong in a line.
const TROUBLE: usize = 400;

/// What was written of each phone.
#[derive(Debug, Default)]
pub struct Changes {
    phones: HashMap<String, (Timestamp, String)>,
    unclaimed: Vec<String>,
    troubles: Vec<String>,
}

impl Changes {
    /// The lines for what changed since the last call, each with the time.
    pub fn lines(&mut self, overview: &Overview, now: Timestamp) -> Vec<String> {
        let time = now.strftime("%FT%TZ");
        let mut lines = Vec::new();
        let names: HashSet<&str> = overview.phones.iter().map(|phone| phone.name.as_str()).collect();
        self.phones.retain(|name, _| {
            let stays = names.contains(name.as_str());
            if !stays {
                lines.push(format!("{time}  {name:16}  Gone"));
            }
            stays
        });
        for phone in &overview.phones {
            let what = what(phone);
            let is_news = self
                .phones
                .get(&phone.name)
                .is_none_or(|(written, last)| *last != what && now.as_second() - written.as_second() >= PAUSE);
            if is_news {
                let fetched = phone.fetched.as_ref().map(|file| format!("  {file}")).unwrap_or_default();
                lines.push(format!("{time}  {:16}  {what}{fetched}", phone.name).trim_end().to_owned());
                self.phones.insert(phone.name.clone(), (now, what));
            }
        }
        for phone in overview.unclaimed.iter().filter(|phone| !self.unclaimed.contains(&phone.mac)) {
            lines.push(format!("{time}  {:16}  Unclaimed  {}", phone.mac, phone.address));
        }
        for trouble in overview.troubles.iter().filter(|trouble| !self.troubles.contains(trouble)) {
            lines.push(format!("{time}  {:16}  {}", "!", printable(trouble, TROUBLE)));
        }
        self.troubles.clone_from(&overview.troubles);
        self.unclaimed = overview.unclaimed.iter().map(|phone| phone.mac.clone()).collect();
        lines
    }
}

/// What counts as a change: the state, the firmware and the address. That a phone fetched a file again does not.
fn what(phone: &PhoneRow) -> String {
    let firmware = match (phone.percent, &phone.running) {
        (Some(percent), _) => format!("{} {percent} %", phone.stage),
        (None, Some(running)) => format!("{} {running}", phone.stage),
        (None, None) => phone.stage.clone(),
    };
    format!("{:16}  {firmware:24}  {:15}", phone.state, phone.address.as_deref().unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn overview(state: &str, percent: Option<i64>, fetched: &str) -> Overview {
        let phone = PhoneRow {
            name: "lobby".to_owned(),
            state: state.to_owned(),
            stage: "Offered".to_owned(),
            percent,
            fetched: Some(fetched.to_owned()),
            ..PhoneRow::default()
        };
        Overview { site: "hq".to_owned(), phones: vec![phone], unclaimed: Vec::new(), troubles: Vec::new() }
    }

    #[test]
    fn each_change_has_one_line_and_nothing_else_has() {
        let mut changes = Changes::default();
        assert_eq!(
            changes.lines(&overview("NeverFetched", None, "OS79XX.TXT"), at(0)),
            [
                "2027-01-15T08:00:00Z  lobby             NeverFetched      Offered                   -                OS79XX.TXT"
            ]
        );
        assert!(changes.lines(&overview("NeverFetched", None, "SIPDefault.cnf"), at(5)).is_empty(), "a fetch alone");
        assert_eq!(changes.lines(&overview("InSync", None, "dialplan.xml"), at(6)).len(), 1);
        assert!(changes.lines(&overview("InSync", Some(20), ""), at(6)).is_empty(), "too soon");
        assert_eq!(changes.lines(&overview("InSync", Some(40), ""), at(7)).len(), 1, "and not forgotten");
        let gone = Overview { phones: Vec::new(), ..overview("", None, "") };
        assert_eq!(changes.lines(&gone, at(9)), ["2027-01-15T08:00:09Z  lobby             Gone"]);
    }
}
