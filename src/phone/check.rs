//! Which names and values the phone's files can hold: host names, URLs, times of day, file names; and which names hide a secret.

/// The value that the phone reads as "not set", but for the name of a line: see [`is_unset`].
pub const UNPROVISIONED: &str = "UNPROVISIONED";

/// Whether a value says that a parameter is not set. A line's name is the exception: only an empty one means that there is no line,
/// and phones show and register a line that is called UNPROVISIONED. Source: the published source of the later SIP stack.
pub fn is_unset(name: &str, value: &str) -> bool {
    value.is_empty() || (value == UNPROVISIONED && !is_line_name(name))
}

/// Whether a parameter is a line's name.
fn is_line_name(name: &str) -> bool {
    let number = name.strip_prefix("line").and_then(|rest| rest.strip_suffix("_name"));
    number.is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// A pattern for API schemas that accepts an IPv4 address or nothing.
pub const IPV4_PATTERN: &str =
    "^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))?$";

/// A pattern for API schemas that accepts a time of day.
pub const TIME_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";

pub(super) fn check_time(text: &str) -> Result<(), String> {
    let part = |part: &str, below: u8| {
        part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) && part.parse().is_ok_and(|n: u8| n < below)
    };
    match text.split_once(':') {
        Some((hour, minute)) if part(hour, 24) && part(minute, 60) => Ok(()),
        _ => Err(format!("is {text:?}; it must be a time of day from 00:00 to 23:59")),
    }
}

/// A pattern for API schemas that accepts a time zone's name.
pub const ZONE_PATTERN: &str = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$";

/// A pattern for API schemas that accepts what [`check_host`] accepts.
pub const HOST_PATTERN: &str =
    "^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*[.]?)?$";

/// A second pattern for API schemas that accept [`HOST_PATTERN`]: what has digits and dots only is an address.
pub const HOST_OR_ADDRESS_PATTERN: &str =
    "^$|[A-Za-z_-]|^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$";

/// Checks a host name or IPv4 address. Empty is allowed: it says that there is none.
pub fn check_host(text: &str) -> Result<(), String> {
    let refuse =
        || Err(format!("is {text:?}, which is neither a host name nor an IPv4 address such as 172.16.129.248"));
    if text.is_empty() {
        return Ok(());
    }
    if text.len() > 127 {
        return refuse();
    }
    let digits_and_dots = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if digits_and_dots {
        return if text.parse::<std::net::Ipv4Addr>().is_ok() { Ok(()) } else { refuse() };
    }
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.strip_suffix('.').unwrap_or(text).split('.').all(label_ok) { Ok(()) } else { refuse() }
}

/// A pattern for API schemas that accepts an `http://` URL or nothing.
pub const URL_PATTERN: &str = "^(http://[!#-~]+)?$";

pub(super) fn check_url(text: &str) -> Result<(), String> {
    let rest = match text.strip_prefix("http://") {
        _ if text.is_empty() => return Ok(()),
        Some(rest) => rest,
        None => return Err(format!("is {text:?}; the phone knows only http:// URLs")),
    };
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Err(format!("is {text:?}, which is not a URL"));
    }
    if text.len() > 127 { Err(format!("has {} characters; the phone keeps at most 127", text.len())) } else { Ok(()) }
}

/// A pattern for API schemas that accepts what [`check_file_name`] accepts.
pub const FILE_NAME_PATTERN: &str = "^([A-Za-z0-9_][A-Za-z0-9._-]*)?$";

/// Checks the base name of a file: no folders, nothing that a file system or a ConfigMap key would trip over.
pub fn check_file_name(text: &str) -> Result<(), String> {
    let fine = text.len() <= 64
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fine {
        Ok(())
    } else {
        Err(format!("is {text:?}; a file name has letters, digits, '.', '_' and '-' only, and at most 64 of them"))
    }
}
