//! Ethernet addresses in every notation that people write, and the one that phones use in file names.

use std::fmt;
use std::str::FromStr;

/// An Ethernet (MAC) address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac([u8; 6]);

/// Why a text is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a MAC address: write twelve hexadecimal digits, for example 00:0a:8a:12:34:56, 000a.8a12.3456 or 000A8A123456"
)]
pub struct InvalidMac(pub String);

impl Mac {
    /// A pattern for API schemas that accepts what [`Mac::from_str`] accepts.
    pub const PATTERN: &str = "^([0-9A-Fa-f]{12}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}[.]){2}[0-9A-Fa-f]{4})$";

    /// The address as six bytes.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// Whether this is a group address, which no phone has.
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether this is what programs write where they know of no address.
    pub const fn is_zero(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// The address so many places further on.
    pub fn plus(self, n: u32) -> Mac {
        let mut wide = [0; 8];
        wide[2..].copy_from_slice(&self.0);
        let sum = u64::from_be_bytes(wide).wrapping_add(n.into()).to_be_bytes();
        Mac([sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]])
    }

    /// Parses exactly twelve hexadecimal digits, as in file names.
    pub(super) fn from_digits(digits: &str) -> Option<Mac> {
        parse_digits(digits.bytes())
    }
}

fn parse_digits(digits: impl Iterator<Item = u8>) -> Option<Mac> {
    let mut bytes = [0u8; 6];
    let mut count = 0;
    for digit in digits {
        let value = (digit as char).to_digit(16)? as u8;
        let byte = bytes.get_mut(count / 2)?;
        *byte = *byte << 4 | value;
        count += 1;
    }
    (count == 12).then_some(Mac(bytes))
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMac(text.chars().take(40).collect());
        let (separator, group) = match text.len() {
            12 => (None, 12),
            14 => (Some('.'), 4),
            17 if text.contains(':') => (Some(':'), 2),
            17 => (Some('-'), 2),
            _ => return Err(invalid()),
        };
        let groups: Vec<&str> = match separator {
            Some(separator) => text.split(separator).collect(),
            None => vec![text],
        };
        if groups.iter().any(|g| g.len() != group) {
            return Err(invalid());
        }
        parse_digits(groups.iter().flat_map(|g| g.bytes())).ok_or_else(invalid)
    }
}

/// Twelve upper-case digits, as in file names.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_notation_is_one_address() {
        let expected: Mac = "000A8A123456".parse().unwrap();
        for text in ["00:0a:8a:12:34:56", "00-0A-8A-12-34-56", "000a.8a12.3456", "000a8a123456"] {
            assert_eq!(text.parse::<Mac>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_advice() {
        for text in [
            "",
            "00:0a:8a:12:34",
            "00:0a:8a:12:34:5g",
            "00:0a-8a:12:34:56",
            "000a8a12345",
            "000a.8a12:3456",
            "0:00a:8a:12:34:56",
            "ü0:0a:8a:12:34:5",
        ] {
            let error = text.parse::<Mac>().unwrap_err().to_string();
            assert!(error.contains("twelve hexadecimal digits"), "{error}");
        }
    }
}
