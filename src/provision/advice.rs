//! What experience with these phones has to say: each piece of advice with a stable code, a reason and something to do.
//!
//! Long because it is a table. The codes are the reasons of warnings, in `render` and in conditions; `docs/advice.md` is made from this table.

/// One piece of advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Its stable code.
    pub code: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub do_this: &'static str,
}

/// All advice.
pub const ALL: &[Advice] = &[
    ADDRESS_IS_NAME,
    CALLS_LOCKED_IN_COMMON,
    COMMON_FILE_LARGE,
    COMMON_FILE_TRIMMED,
    DAYLIGHT_SAVING,
    DAYLIGHT_SAVING_OF_SITE,
    DIAL_HOTLINE,
    DIAL_PLAN_FOREIGN,
    DIAL_PLAN_NOT_TOLD,
    DIAL_RULE_UNREACHABLE,
    DIAL_RULES_NOT_EXAMINED,
    DIAL_STAR_AT_ONCE,
    DIAL_TONES,
    UNTYPED,
    DYN_TFTP,
    EMERGENCY_PROXY,
    EMERGENCY_RULE,
    EMERGENCY_UNUSED,
    FILE_CASE,
    FILE_SHADOWED,
    IMAGE_BOOTSTRAP,
    IMAGE_LETTER_O,
    IMAGE_NAME,
    IMAGE_OTHER_PROTOCOL,
    KEY_WITHOUT_LINE,
    LINE_NAME_DASHES,
    LINE_NAME_SHARED,
    LINE_UNPROVISIONED,
    LOGIN_IN_URL,
    LOGO_URL,
    MISSPELLED,
    NAT_WITH_NAME,
    NEWER_THAN_FIRMWARE,
    NO_LINES,
    NO_PROXY,
    NO_SUCH_KEY,
    NOT_REGISTERED,
    OUTBOUND_PROXY,
    PASSWORD_LONG,
    PLACEHOLDER,
    PROXY_BACKUP,
    RESYNC_TIME,
    RING_FORMAT,
    RING_MISSING,
    SNTP_OFF,
    SOURCE_MISSING,
    SYNC_INFO,
    TELNET_PASSWORD,
    TWO_STEP,
    UNUSUAL_VALUE,
    BOOT_FILE_BLANK,
    DIAL_PLAN_MISSING,
    DIAL_RULE_IGNORED,
    FILE_TOO_LARGE,
    LOGO_FORMAT,
    RING_LINE,
    RING_LIST_OF_OTHERS,
    XML_BROKEN,
];

/// `AddressIsName`
pub const ADDRESS_IS_NAME: Advice = Advice {
    code: "AddressIsName",
    why: "DHCP option 150 carries addresses and no names; option 66 takes a name, which phones look up with the DNS server of option 6",
    do_this: "put the name into option 66 alone, or have the load balancer give an address: spec.tftp.service.loadBalancerIP, or its annotations",
};
/// `LockedInCommonFile`
pub const CALLS_LOCKED_IN_COMMON: Advice = Advice {
    code: "LockedInCommonFile",
    why: "phones obey the locked values 2 and 3 only in their own file",
    do_this: "set it on each SipPhone",
};
/// `CommonFileLarge`
pub const COMMON_FILE_LARGE: Advice = Advice {
    code: "CommonFileLarge",
    why: "phones have little memory for SIPDefault.cnf and say \"W210 TFTP Error : buffer full\"",
    do_this: "remove parameters that have their default",
};
/// `CommonFileTrimmed`
pub const COMMON_FILE_TRIMMED: Advice = Advice {
    code: "CommonFileTrimmed",
    why: "firmware before 5.0 cannot load a large SIPDefault.cnf, so defaults of proxies that nobody set are left out",
    do_this: "nothing, unless a phone was told of them before",
};
/// `DaylightSavingUnset`
pub const DAYLIGHT_SAVING: Advice = Advice {
    code: "DaylightSavingUnset",
    why: "phones left alone change their clock by the rules that the US had before 2007",
    do_this: "name the zone as the tz database does, such as Europe/Berlin, or set the dst fields",
};
/// `DaylightSavingOfSite`
pub const DAYLIGHT_SAVING_OF_SITE: Advice = Advice {
    code: "DaylightSavingOfSite",
    why: "the phone then changes its clock by the rules that its site says, or remembers",
    do_this: "name the zone as the tz database does, such as Asia/Tokyo, or set the dst fields on the phone too",
};
/// `DialHotline`
pub const DIAL_HOTLINE: Advice = Advice {
    code: "DialHotline",
    why: "phones then call this number as soon as the handset is lifted, on every line, and nobody can dial another one, an emergency call neither",
    do_this: "nothing if that is meant; otherwise set some seconds, in which a key can be pressed",
};
/// `DialPlanForeign`
pub const DIAL_PLAN_FOREIGN: Advice = Advice {
    code: "DialPlanForeign",
    why: "the phone's patterns know '.', '*' and ',' only; X, N, Z, T, '!', '_' and [2-9] stand for themselves, as nobody dials them",
    do_this: "write '.' for any one digit, and one rule for each range",
};
/// `DialPlanNotTold`
pub const DIAL_PLAN_NOT_TOLD: Advice = Advice {
    code: "DialPlanNotTold",
    why: "phones load a dial plan only if dial_template names it, and unsetParameters: Keep writes only what is set",
    do_this: "set settings.dialTemplate to dialplan",
};
/// `DialRuleUnreachable`
pub const DIAL_RULE_UNREACHABLE: Advice = Advice {
    code: "DialRuleUnreachable",
    why: "no number that was tried takes this rule: another one is chosen first or sends the call earlier",
    do_this: "remove it, put it before the other, or give the other a timeout",
};
/// `DialRulesNotExamined`
pub const DIAL_RULES_NOT_EXAMINED: Advice = Advice {
    code: "DialRulesNotExamined",
    why: "the plan is so large, or has so many stars, that trying all of its rules would take too long",
    do_this: "nothing, or write fewer and plainer rules, so that rules which no number takes are found",
};
/// `DialStarAtOnce`
pub const DIAL_STAR_AT_ONCE: Advice = Advice {
    code: "DialStarAtOnce",
    why: "a star fits one digit already, and with timeout 0 the call is sent then, whatever else is dialled",
    do_this: "give the rule a timeout, or write a dot for each digit",
};
/// `DialTones`
pub const DIAL_TONES: Advice = Advice {
    code: "DialTones",
    why: "each tone belongs to one comma of the pattern, and phones know only the Bellcore- and Cisco- tones",
    do_this: "write one known tone for each comma",
};
/// `UntypedParameter`
pub const UNTYPED: Advice = Advice {
    code: "UntypedParameter",
    why: "settings and lines check their values, extraParameters does not",
    do_this: "move it there",
};
/// `SentToAnotherServer`
pub const DYN_TFTP: Advice = Advice {
    code: "SentToAnotherServer",
    why: "phones then ask that server for their files, and this site never sees them again",
    do_this: "remove it unless the phones are to leave",
};
/// `EmergencyProxyUnset`
pub const EMERGENCY_PROXY: Advice = Advice {
    code: "EmergencyProxyUnset",
    why: "the dial plan routes calls to Emergency, and there is no such proxy",
    do_this: "set settings.proxyEmergency",
};
/// `NoEmergencyRule`
pub const EMERGENCY_RULE: Advice = Advice {
    code: "NoEmergencyRule",
    why: "a number that no rule knows is dialled only after the phone has waited for more digits",
    do_this: "add rules for 911, 112 or what your country dials, with timeout 0 and, if there is a gateway for them, route Emergency",
};
/// `EmergencyProxyUnused`
pub const EMERGENCY_UNUSED: Advice = Advice {
    code: "EmergencyProxyUnused",
    why: "proxy_emergency is used for numbers that the dial plan routes to Emergency, and it routes none",
    do_this: "add a rule with route Emergency",
};
/// `FileNameCase`
pub const FILE_CASE: Advice = Advice {
    code: "FileNameCase",
    why: "phones ask for one spelling only, and other TFTP servers know no other case",
    do_this: "write both alike",
};
/// `FileShadowed`
pub const FILE_SHADOWED: Advice = Advice {
    code: "FileShadowed",
    why: "dialtone writes a file of this name itself, and phones get that one",
    do_this: "remove it from the ConfigMap",
};
/// `ImageAtBootstrap`
pub const IMAGE_BOOTSTRAP: Advice = Advice {
    code: "ImageAtBootstrap",
    why: "P0S30202 is firmware 2.2, a stepping stone: phones would stay there. Cisco's sample file has it because all upgrades go through it",
    do_this: "name the image that phones should run in the end",
};
/// `ImageLetterO`
pub const IMAGE_LETTER_O: Advice = Advice {
    code: "ImageLetterO",
    why: "Cisco's images are named with the digit 0, and a phone asks for the very name",
    do_this: "write the digit",
};
/// `ImageName`
pub const IMAGE_NAME: Advice = Advice {
    code: "ImageName",
    why: "it does not look like a SIP image for these phones, such as P0S3-07-4-00",
    do_this: "check the name, without extension",
};
/// `ImageOtherProtocol`
pub const IMAGE_OTHER_PROTOCOL: Advice = Advice {
    code: "ImageOtherProtocol",
    why: "P003 is SCCP or, from 7.0 on, the loader, and P0M3 is MGCP: a phone that runs it speaks no SIP",
    do_this: "name the image that begins with P0S3",
};
/// `KeyWithoutLine`
pub const KEY_WITHOUT_LINE: Advice = Advice {
    code: "KeyWithoutLine",
    why: "the keys are counted from the top, whatever order lines are written in, and one without a line does nothing",
    do_this: "name the keys that the lines are on",
};
/// `LineNameDashes`
pub const LINE_NAME_DASHES: Advice = Advice {
    code: "LineNameDashes",
    why: "Cisco's guides want numbers without dashes, and a SIP server takes 555-0101 for another name than 5550101",
    do_this: "write the digits only",
};
/// `LineNameShared`
pub const LINE_NAME_SHARED: Advice = Advice {
    code: "LineNameShared",
    why: "the application note wants names unique even on different proxies: stations are identified by them",
    do_this: "give each line a name of its own",
};
/// `LineUnprovisioned`
pub const LINE_UNPROVISIONED: Advice = Advice {
    code: "LineUnprovisioned",
    why: "only an empty name means that there is no line: phones show and register one that is called UNPROVISIONED",
    do_this: "leave the line out, or set its name to nothing",
};
/// `LoginInUrl`
pub const LOGIN_IN_URL: Advice = Advice {
    code: "LoginInUrl",
    why: "user and password stand in an object, a ConfigMap and a phone's file that many can read",
    do_this: "let the web server know phones by their addresses, or put the whole URL into a Secret and name that in secretParameters; whoever asks the TFTP server for the phone's file reads it still",
};
/// `LogoUrl`
pub const LOGO_URL: Advice = Advice {
    code: "LogoUrl",
    why: "the phone fetches its logo over HTTP, a Windows bitmap of 256 colours and 90 by 56 pixels",
    do_this: "write a URL that begins with http://",
};
/// `MisspelledParameter`
pub const MISSPELLED: Advice = Advice {
    code: "MisspelledParameter",
    why: "phones report a name that they do not know and go on without it",
    do_this: "write the name as phones know it, best in settings or lines, which check the value",
};
/// `NatWithName`
pub const NAT_WITH_NAME: Advice = Advice {
    code: "NatWithName",
    why: "soft keys were seen to vanish when nat_enable is on and the proxy is a host name",
    do_this: "write the proxy's IP address",
};
/// `NewerThanFirmware`
pub const NEWER_THAN_FIRMWARE: Advice = Advice {
    code: "NewerThanFirmware",
    why: "older firmware reports an unknown parameter and goes on",
    do_this: "remove it, or run newer firmware",
};
/// `NoLines`
pub const NO_LINES: Advice = Advice { code: "NoLines", why: "the phone cannot call", do_this: "add a line" };
/// `NoProxy`
pub const NO_PROXY: Advice = Advice {
    code: "NoProxy",
    why: "the line has no SIP server",
    do_this: "set it, or the site's settings.proxy1Address",
};
/// `NoSuchKey`
pub const NO_SUCH_KEY: Advice = Advice {
    code: "NoSuchKey",
    why: "a 7940 has two keys for lines and a 7960 six, and a phone passes over what is for others",
    do_this: "remove it, or correct spec.model",
};
/// `NotRegistered`
pub const NOT_REGISTERED: Advice = Advice {
    code: "NotRegistered",
    why: "a phone that does not register is called only by a server that was told its address, and a PBX such as Asterisk waits for it to register",
    do_this: "set the site's settings.proxyRegister to true if the lines belong to a PBX; where the server knows the phones' addresses, remove user name and password unless it asks for them in calls",
};
/// `OutboundProxy`
pub const OUTBOUND_PROXY: Advice = Advice {
    code: "OutboundProxy",
    why: "all requests go there, whatever the dial plan and the lines' proxies say",
    do_this: "leave it unset unless a proxy stands before the SIP server",
};
/// `PasswordTooLong`
pub const PASSWORD_LONG: Advice = Advice {
    code: "PasswordTooLong",
    why: "phones keep 31 characters, so that a secret of 32 hexadecimal digits loses its last one",
    do_this: "use a shorter password on both sides",
};
/// `Placeholder`
pub const PLACEHOLDER: Advice = Advice {
    code: "Placeholder",
    why: "it looks like a placeholder of a template that nobody filled in",
    do_this: "write the value, or leave the field out",
};
/// `ProxyBackup`
pub const PROXY_BACKUP: Advice = Advice {
    code: "ProxyBackup",
    why: "whichever proxy does not answer, all requests go there, and it was seen to keep phones from using a line's own proxy",
    do_this: "leave it unset unless there is a second server for everything",
};
/// `ResyncTime`
pub const RESYNC_TIME: Advice = Advice {
    code: "ResyncTime",
    why: "the annotation asks for phones to restart if they have not since then, so it must be a time with a zone",
    do_this: "write it as in 2026-11-24T05:30:00Z, which `date -u +%FT%TZ` prints",
};
/// `RingFormat`
pub const RING_FORMAT: Advice = Advice {
    code: "RingFormat",
    why: "a ring is raw 8 kHz u-law without a header, 240 to 16080 bytes, a multiple of 240",
    do_this: "convert it: sox in.wav -t ul -r 8000 -c 1 out.raw trim 0 2.01",
};
/// `RingMissing`
pub const RING_MISSING: Advice = Advice {
    code: "RingMissing",
    why: "phones show the ring and play nothing",
    do_this: "add the file to a ConfigMap in spec.files.configMaps",
};
/// `NoTimeServer`
pub const SNTP_OFF: Advice = Advice {
    code: "NoTimeServer",
    why: "unicast without a server switches the clock off",
    do_this: "set settings.sntpServer",
};
/// `SourceMissing`
pub const SOURCE_MISSING: Advice =
    Advice { code: "SourceMissing", why: "phones get none of its files", do_this: "create it, or correct the name" };
/// `SyncInfoUseless`
pub const SYNC_INFO: Advice = Advice {
    code: "SyncInfoUseless",
    why: "a phone that is notified reads SYNC for its image, or for *, and restarts if its own sync is another one",
    do_this: "write <IMAGE VERSION=\"*\" SYNC=\"…\"/>, or set spec.resync and leave the file to dialtone",
};
/// `TelnetDefaultPassword`
pub const TELNET_PASSWORD: Advice = Advice {
    code: "TelnetDefaultPassword",
    why: "everybody knows that the phone's password is \"cisco\" unless it is set",
    do_this: "set settings.phonePasswordSecretRef",
};
/// `TwoStepUpgrade`
pub const TWO_STEP: Advice = Advice {
    code: "TwoStepUpgrade",
    why: "phones before 2.2 know image names of eight characters only and must load P0S30202 first",
    do_this: "leave firmware.bootstrap unset, or set it to P0S30202",
};
/// `UnusualValue`
pub const UNUSUAL_VALUE: Advice =
    Advice { code: "UnusualValue", why: "the phone is not known to take this value", do_this: "correct it" };

/// `BootFileBlank`
pub const BOOT_FILE_BLANK: Advice = Advice {
    code: "BootFileBlank",
    why: "phones with old firmware take the blank for a part of the name, and ask for a file that is not there",
    do_this: "write the name and nothing else",
};

/// `DialPlanMissing`
pub const DIAL_PLAN_MISSING: Advice = Advice {
    code: "DialPlanMissing",
    why: "phones dial without a plan, and each call waits until they know that no more digits come",
    do_this: "add the file to a ConfigMap in spec.files.configMaps, or write spec.dialPlan",
};

/// `DialRuleIgnored`
pub const DIAL_RULE_IGNORED: Advice = Advice {
    code: "DialRuleIgnored",
    why: "phones know a dialect of XML that is small and strict, and pass over what is not written in it",
    do_this: "write <TEMPLATE MATCH=\"…\" Timeout=\"…\"/> within <DIALTEMPLATE>, with straight double quotes",
};

/// `FileTooLarge`
pub const FILE_TOO_LARGE: Advice = Advice {
    code: "FileTooLarge",
    why: "phones load nothing of a file that is larger than their memory for it",
    do_this: "make it smaller",
};

/// `LogoFormat`
pub const LOGO_FORMAT: Advice = Advice {
    code: "LogoFormat",
    why: "a logo is a Windows bitmap of 256 colours, not compressed and of 90 by 56 pixels at most; phones fetch it over HTTP",
    do_this: "convert it, and let a web server serve it",
};

/// `RingLineIgnored`
pub const RING_LINE: Advice = Advice {
    code: "RingLineIgnored",
    why: "each line of a ring list has a name, a tab and a file",
    do_this: "correct it",
};

/// `RingListOfOthers`
pub const RING_LIST_OF_OTHERS: Advice = Advice {
    code: "RingListOfOthers",
    why: "it is for phones of another kind: these read RINGLIST.DAT only",
    do_this: "write spec.ringList",
};

/// `XmlBroken`
pub const XML_BROKEN: Advice = Advice {
    code: "XmlBroken",
    why: "no parser takes it: phones go on as if it were not there, or say \"Protocol Application Invalid\"",
    do_this: "correct it",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_and_texts_are_one_line() {
        let mut codes: Vec<&str> = ALL.iter().map(|advice| advice.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        for advice in ALL {
            assert!(advice.code.chars().all(|c| c.is_ascii_alphanumeric()), "{}", advice.code);
            assert!(!advice.why.contains('\n') && !advice.do_this.ends_with('.'), "{}", advice.code);
        }
    }
}
