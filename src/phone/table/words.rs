//! The words of enumerations: what people write, what the phone reads, what it means.

use crate::phone::parameter::Word;

pub(super) const LOCKABLE: &[Word] = &[
    ("Off", "0", "off, and people can switch it on at the phone"),
    ("On", "1", "on, and people can switch it off at the phone"),
    ("AlwaysOff", "2", "off for good"),
    ("AlwaysOn", "3", "on for good"),
];
pub(super) const MONTHS: &[Word] = &[
    ("January", "1", ""),
    ("February", "2", ""),
    ("March", "3", ""),
    ("April", "4", ""),
    ("May", "5", ""),
    ("June", "6", ""),
    ("July", "7", ""),
    ("August", "8", ""),
    ("September", "9", ""),
    ("October", "10", ""),
    ("November", "11", ""),
    ("December", "12", ""),
];
pub(super) const WEEKDAYS: &[Word] = &[
    ("Sunday", "1", ""),
    ("Monday", "2", ""),
    ("Tuesday", "3", ""),
    ("Wednesday", "4", ""),
    ("Thursday", "5", ""),
    ("Friday", "6", ""),
    ("Saturday", "7", ""),
];
pub(super) const WEEKS: &[Word] = &[
    ("First", "1", ""),
    ("Second", "2", ""),
    ("Third", "3", ""),
    ("Fourth", "4", ""),
    ("Fifth", "5", ""),
    ("Sixth", "6", ""),
    ("Last", "8", ""),
];
/// The phone's own time zones, from west to east. Their offsets are those that the names had when Cisco listed them.
pub(in crate::phone) const ZONES: &[Word] = &[
    ("IDL", "IDL", "UTC-12"),
    ("NT", "NT", "UTC-11"),
    ("AHST", "AHST", "UTC-10"),
    ("IMT", "IMT", "UTC-9:30"),
    ("YST", "YST", "UTC-9"),
    ("PST", "PST", "UTC-8"),
    ("MST", "MST", "UTC-7"),
    ("CST", "CST", "UTC-6"),
    ("EST", "EST", "UTC-5"),
    ("AST", "AST", "UTC-4"),
    ("NST", "NST", "UTC-3:30"),
    ("BST", "BST", "UTC-3"),
    ("AT", "AT", "UTC-2"),
    ("WAT", "WAT", "UTC-1"),
    ("GMT", "GMT", "UTC"),
    ("CET", "CET", "UTC+1"),
    ("EET", "EET", "UTC+2"),
    ("BT", "BT", "UTC+3"),
    ("IT", "IT", "UTC+3:30"),
    ("ZP4", "ZP4", "UTC+4"),
    ("AFG", "AFG", "UTC+4:30"),
    ("ZP5", "ZP5", "UTC+5"),
    ("IST", "IST", "UTC+5:30"),
    ("ZP6", "ZP6", "UTC+6"),
    ("SUM", "SUM", "UTC+6:30"),
    ("WAST", "WAST", "UTC+7"),
    ("HST", "HST", "UTC+8"),
    ("JST", "JST", "UTC+9"),
    ("CAST", "CAST", "UTC+9:30"),
    ("EAST", "EAST", "UTC+10"),
    ("EADT", "EADT", "UTC+11"),
    ("NZST", "NZST", "UTC+12"),
];
pub(super) const DATE_FORMATS: &[Word] = &[
    ("M/D/Y", "M/D/Y", ""),
    ("D/M/Y", "D/M/Y", ""),
    ("Y/M/D", "Y/M/D", ""),
    ("Y/D/M", "Y/D/M", ""),
    ("Y-M-D", "Y-M-D", ""),
    ("YY-M-D", "YY-M-D", ""),
    ("D-M-YY", "D-M-YY", "seen in use only"),
];
pub(super) const CODECS: &[Word] = &[
    ("g711ulaw", "g711ulaw", ""),
    ("g711alaw", "g711alaw", ""),
    ("g729a", "g729a", ""),
    ("none", "none", "no preference; firmware 7.x and later"),
];
pub(super) const TOS: &[Word] = &[
    ("IpRoutine", "0", ""),
    ("IpPriority", "1", ""),
    ("IpImmediate", "2", ""),
    ("IpFlash", "3", ""),
    ("IpOverride", "4", ""),
    ("IpCritic", "5", ""),
];
pub(super) const OUT_OF_BAND: &[Word] = &[
    ("None", "none", "never"),
    ("Avt", "avt", "if the other side asks for it, and then not in band"),
    ("AvtAlways", "avt_always", "always, and never in band"),
];
pub(super) const DB_LEVELS: &[Word] =
    &[("Minus6dB", "1", ""), ("Minus3dB", "2", ""), ("Nominal", "3", ""), ("Plus3dB", "4", ""), ("Plus6dB", "5", "")];
pub(super) const TELNET: &[Word] = &[
    ("Disabled", "0", ""),
    ("Enabled", "1", ""),
    ("Privileged", "2", "needed for the reset command, which restarts the phone from afar"),
];
pub(super) const USER_INFO: &[Word] = &[("None", "none", ""), ("Phone", "phone", ""), ("Ip", "ip", "")];
pub(super) const SNTP_MODES: &[Word] = &[
    ("Unicast", "unicast", ""),
    ("Multicast", "multicast", ""),
    ("Anycast", "anycast", ""),
    ("DirectedBroadcast", "directedbroadcast", ""),
];
pub(super) const MEDIA_TYPES: &[Word] = &[
    ("Auto", "Auto", ""),
    ("Full100", "Full100", ""),
    ("Half100", "Half100", ""),
    ("Full10", "Full10", ""),
    ("Half10", "Half10", ""),
];
pub(super) const PORT2_TYPES: &[Word] = &[("HubSwitch", "Hub/Switch", ""), ("PC", "PC", "")];
