//! The values of parameters that take a fixed list of values.

use crate::phone::choice::Choice;

pub(super) const LOCKABLE: &[Choice] = &[
    Choice::new("Off", "0", "off, and people can switch it on at the phone"),
    Choice::new("On", "1", "on, and people can switch it off at the phone"),
    Choice::new("AlwaysOff", "2", "off for good"),
    Choice::new("AlwaysOn", "3", "on for good"),
];
pub(super) const MONTHS: &[Choice] = &[
    Choice::new("January", "1", ""),
    Choice::new("February", "2", ""),
    Choice::new("March", "3", ""),
    Choice::new("April", "4", ""),
    Choice::new("May", "5", ""),
    Choice::new("June", "6", ""),
    Choice::new("July", "7", ""),
    Choice::new("August", "8", ""),
    Choice::new("September", "9", ""),
    Choice::new("October", "10", ""),
    Choice::new("November", "11", ""),
    Choice::new("December", "12", ""),
];
pub(super) const WEEKDAYS: &[Choice] = &[
    Choice::new("Sunday", "1", ""),
    Choice::new("Monday", "2", ""),
    Choice::new("Tuesday", "3", ""),
    Choice::new("Wednesday", "4", ""),
    Choice::new("Thursday", "5", ""),
    Choice::new("Friday", "6", ""),
    Choice::new("Saturday", "7", ""),
];
pub(super) const WEEKS: &[Choice] = &[
    Choice::new("First", "1", ""),
    Choice::new("Second", "2", ""),
    Choice::new("Third", "3", ""),
    Choice::new("Fourth", "4", ""),
    Choice::new("Fifth", "5", ""),
    Choice::new("Sixth", "6", ""),
    Choice::new("Last", "8", ""),
];
pub(super) const DATE_FORMATS: &[Choice] = &[
    Choice::new("M/D/Y", "M/D/Y", ""),
    Choice::new("D/M/Y", "D/M/Y", ""),
    Choice::new("Y/M/D", "Y/M/D", ""),
    Choice::new("Y/D/M", "Y/D/M", ""),
    Choice::new("Y-M-D", "Y-M-D", ""),
    Choice::new("YY-M-D", "YY-M-D", ""),
    Choice::new("D-M-YY", "D-M-YY", "seen in use only"),
];
pub(super) const CODECS: &[Choice] = &[
    Choice::new("g711ulaw", "g711ulaw", ""),
    Choice::new("g711alaw", "g711alaw", ""),
    Choice::new("g729a", "g729a", ""),
    Choice::new("none", "none", "no preference; firmware 7.x and later"),
];
pub(super) const TOS: &[Choice] = &[
    Choice::new("IpRoutine", "0", ""),
    Choice::new("IpPriority", "1", ""),
    Choice::new("IpImmediate", "2", ""),
    Choice::new("IpFlash", "3", ""),
    Choice::new("IpOverride", "4", ""),
    Choice::new("IpCritic", "5", ""),
];
pub(super) const OUT_OF_BAND: &[Choice] = &[
    Choice::new("None", "none", "never"),
    Choice::new("Avt", "avt", "if the other side asks for it, and then not in band"),
    Choice::new("AvtAlways", "avt_always", "always, and never in band"),
];
pub(super) const DB_LEVELS: &[Choice] = &[
    Choice::new("Minus6dB", "1", ""),
    Choice::new("Minus3dB", "2", ""),
    Choice::new("Nominal", "3", ""),
    Choice::new("Plus3dB", "4", ""),
    Choice::new("Plus6dB", "5", ""),
];
pub(super) const TELNET: &[Choice] = &[
    Choice::new("Disabled", "0", ""),
    Choice::new("Enabled", "1", ""),
    Choice::new("Privileged", "2", "needed for the reset command, which restarts the phone from afar"),
];
pub(super) const USER_INFO: &[Choice] =
    &[Choice::new("None", "none", ""), Choice::new("Phone", "phone", ""), Choice::new("Ip", "ip", "")];
pub(super) const SNTP_MODES: &[Choice] = &[
    Choice::new("Unicast", "unicast", ""),
    Choice::new("Multicast", "multicast", ""),
    Choice::new("Anycast", "anycast", ""),
    Choice::new("DirectedBroadcast", "directedbroadcast", ""),
];
pub(super) const MEDIA_TYPES: &[Choice] = &[
    Choice::new("Auto", "Auto", ""),
    Choice::new("Full100", "Full100", ""),
    Choice::new("Half100", "Half100", ""),
    Choice::new("Full10", "Full10", ""),
    Choice::new("Half10", "Half10", ""),
];
pub(super) const PORT2_TYPES: &[Choice] = &[Choice::new("HubSwitch", "Hub/Switch", ""), Choice::new("PC", "PC", "")];
