//! Names and single values: what a check takes is what the pattern in the schema takes.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::api::{is_object_name, violations};
use crate::base::network::{CIDR_PATTERN, network};
use crate::base::text::printable;
use crate::phone::dialplan::{ATTRIBUTE_PATTERN, check_attribute};
use crate::phone::parameter::{
    FILE_NAME_PATTERN, HOST_OR_ADDRESS_PATTERN, HOST_PATTERN, Kind, check_file_name, check_host,
};
use crate::phone::{FileName, Mac, cnf, text, zone};

/// The patterns of the schema, in the order of their use.
static PATTERNS: LazyLock<[Regex; 8]> = LazyLock::new(|| {
    [
        Mac::PATTERN,
        HOST_PATTERN,
        HOST_OR_ADDRESS_PATTERN,
        FILE_NAME_PATTERN,
        text::PATTERN,
        text::VERBATIM_PATTERN,
        ATTRIBUTE_PATTERN,
        CIDR_PATTERN,
    ]
    .map(|pattern| Regex::new(pattern).expect("a pattern of the schema compiles"))
});

/// A name or value.
pub fn names(input: &[u8]) {
    let Ok(name) = std::str::from_utf8(input) else { return };
    file_name(name);
    let [mac, host, host_or_address, file, plain, verbatim, attribute, cidr] = &*PATTERNS;
    let chars = name.chars().count();
    assert_eq!(name.parse::<Mac>().is_ok(), mac.is_match(name), "MAC {name:?}");
    let is_host = host.is_match(name) && host_or_address.is_match(name) && chars <= 127;
    assert_eq!(check_host(name).is_ok(), is_host, "host {name:?}");
    assert_eq!(check_file_name(name).is_ok(), file.is_match(name) && chars <= 64, "file {name:?}");
    assert_eq!(text::check(name, usize::MAX).is_ok(), plain.is_match(name), "text {name:?}");
    assert_eq!(text::check_verbatim(name, usize::MAX).is_ok(), verbatim.is_match(name), "verbatim {name:?}");
    assert_eq!(check_attribute(name).is_ok(), attribute.is_match(name) && chars <= 63, "attribute {name:?}");
    if cidr.is_match(name) {
        let network = network(name).expect("what the schema takes is a network");
        assert_eq!(self::network(&network.to_string()), Ok(network));
    }
    let phone = json!({"siteRef": {"name": name}, "mac": "000A8A123456", "model": "7940"});
    assert_eq!(is_object_name(name), violations("SipPhone", &phone).is_empty(), "object {name:?}");
    let phone =
        json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7940", "extraParameters": {name: ""}});
    assert_eq!(cnf::check_name(name).is_ok(), violations("SipPhone", &phone).is_empty(), "parameter {name:?}");
    for most in [0, 1, 3, 20, usize::MAX] {
        let shown = printable(name, most);
        assert!(shown.len() <= most && !shown.chars().any(char::is_control), "{name:?} as {shown:?}");
    }
}

fn file_name(name: &str) {
    let parsed = FileName::parse(name);
    let canonical = parsed.to_string();
    assert_eq!(FileName::parse(&canonical), parsed);
    assert!(!canonical.contains(['/', '\\']));
    let (inner, lower) = (format!("x/{name}"), name.to_ascii_lowercase());
    assert_eq!(FileName::parse(&inner), parsed);
    assert_eq!(FileName::parse(&lower).mac(), parsed.mac());
    assert!(!parsed.is_application() || parsed.is_firmware());
    assert_eq!(parsed.image().is_some(), matches!(parsed, FileName::Loads(_)));
    if let (FileName::Own(mac), false) = (parsed, name.contains(['/', '\\'])) {
        assert!(name.eq_ignore_ascii_case(&mac.config_file()));
    }
}

/// A value of every parameter of the phone.
pub fn parameters(input: &[u8]) {
    let Ok(wire) = std::str::from_utf8(input) else { return };
    for parameter in crate::phone::parameters() {
        if let Some(value) = parameter.value_of(wire) {
            assert_eq!(parameter.wire(&value).as_deref(), Ok(wire), "{}", parameter.name);
        }
        if let Some(value) = parameter.value_like(wire) {
            let canonical = parameter.wire(&value).expect("what was read can be written");
            assert_eq!(parameter.value_of(&canonical), Some(value), "{}", parameter.name);
        }
        // Whatever is taken of a manifest comes back from the file exactly.
        let numbers = wire.parse::<f64>().ok().map(|number| json!(number));
        for value in [Some(Value::from(wire)), wire.parse::<i64>().ok().map(Value::from), numbers].into_iter().flatten()
        {
            if matches!(parameter.kind, Kind::Secret { .. }) {
                assert!(parameter.wire(&value).is_err());
            }
            let Ok(written) = parameter.wire(&value) else { continue };
            let file = cnf::write([(parameter.name.as_str(), written.as_str())]);
            let reading = cnf::read(&file);
            assert_eq!(reading.problems, []);
            assert!(reading.entries.len() == 1 && reading.entries[0].value == written, "{}", parameter.name);
        }
    }
    if let Ok(parameters) = zone::parameters(wire) {
        assert!(zone::is_abbreviation(&parameters[0].1), "{wire}");
    }
}
