//! Every piece of advice is given where it belongs, and an object without a flaw draws none.

use std::collections::BTreeSet;

use dialtone::provision::advice;
use dialtone::provision::catalog::{FirmwareFile, inventory};

use super::*;

/// All findings on a site and a phone.
pub(super) fn said(at_site: Value, at_phone: Value) -> Vec<(String, String)> {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, at_site);
    let mut spec = json!({"siteRef": {"name": "hq"}, "mac": MAC, "model": "7960", "lines": [{"name": "1"}]});
    for (field, value) in at_phone.as_object().unwrap() {
        spec[field] = value.clone();
    }
    phone(&mut fleet, "p", 1, 0, spec);
    fleet.take_work();
    secret(&mut fleet, &"x".repeat(32));
    let files = [("OTHER.pcm", vec![0u8; 240]), ("wav.pcm", b"RIFFxxxx".to_vec()), ("SIPDefault.cnf", vec![1])];
    let files = files.into_iter().map(|(name, bytes)| (name.to_owned(), FirmwareFile::new(name, &bytes))).collect();
    fleet.set_firmware(&key("files"), Some(files));
    let large = format!("<DIALTEMPLATE>{}</DIALTEMPLATE>", "<TEMPLATE MATCH=\"1\"/>".repeat(400));
    let odd: [(&str, &[u8]); 7] = [
        ("syncinfo.xml", b"<SYNCINFO/>"),
        ("OS79XX.TXT", b"P003-07-4-00 \r\n"),
        ("SEP000A8A999999.cnf.xml", b"<device>"),
        ("RINGLIST.DAT", b"alone\n"),
        ("logo.bmp", b"\x89PNG\r\n"),
        ("large.xml", large.as_bytes()),
        ("plan.xml", b"<DIALTEMPLATE>\n<TEMPLATE MATCH='911'/>\n</DIALTEMPLATE>\n"),
    ];
    fleet.set_firmware(&key("odd"), Some(inventory(odd)));
    fleet.set_firmware(&key("others"), Some(inventory([("RingList.xml", b"<CiscoIPPhoneRingList/>")])));
    fleet.set_firmware(&key("gone"), None);
    fleet.take_work();
    let found = fleet.findings().flat_map(|(_, _, found)| found);
    found.map(|one| (one.code().to_owned(), one.to_string())).collect()
}

pub(super) fn good() -> Value {
    json!({"settings": {"proxy1Address": "10.0.0.1"}})
}

pub(super) fn with(settings: Value) -> Value {
    let mut spec = good();
    for (field, value) in settings.as_object().unwrap() {
        spec["settings"][field] = value.clone();
    }
    spec
}

pub(super) fn and(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

fn plan(rules: Value) -> Value {
    and(with(json!({"proxyEmergency": "10.0.0.2"})), "dialPlan", json!({"templates": rules}))
}

/// One example for each code, with a part of what is said.
fn examples() -> Vec<(&'static str, Value, Value, &'static str)> {
    let none = || json!({});
    let map = |name: &str| and(good(), "files", json!({"configMaps": [{"name": name}]}));
    let extra = |name: &str, value: &str| and(good(), "extraParameters", json!({name: value}));
    let image = |image: &str| and(good(), "firmware", json!({"image": image}));
    let rings = |file: &str| {
        let spec = and(good(), "ringList", json!([{"name": "Ring", "file": file}]));
        and(spec, "files", json!({"configMaps": [{"name": "files"}]}))
    };
    let stars = vec![json!({"match": "*".repeat(63), "timeout": 5}); 199];
    let stars: Vec<Value> =
        std::iter::once(json!({"match": "911", "timeout": 0, "route": "Emergency"})).chain(stars).collect();
    let many: serde_json::Map<String, Value> = (0..5).map(|n| (format!("x{n}"), "y".repeat(1000).into())).collect();
    let emergency = json!({"match": "911", "timeout": 0, "route": "Emergency"});
    vec![
        (
            "BootFileBlank",
            map("odd"),
            none(),
            "spec.files.configMaps[0]/OS79XX.TXT: has blanks around the name P003-07-4-00",
        ),
        (
            "DialPlanMissing",
            with(json!({"dialTemplate": "desk"})),
            none(),
            "spec.settings.dialTemplate: asks for desk.xml",
        ),
        (
            "DialRuleIgnored",
            map("odd"),
            none(),
            "spec.files.configMaps[0]/plan.xml:2: phones pass it over: the value of \"MATCH\" has no double quotes",
        ),
        (
            "FileTooLarge",
            map("odd"),
            none(),
            "spec.files.configMaps[0]/large.xml: has 8429 bytes; phones read at most 8192",
        ),
        ("LogoFormat", map("odd"), none(), "spec.files.configMaps[0]/logo.bmp: is a PNG file"),
        ("RingLineIgnored", map("odd"), none(), "spec.files.configMaps[0]/RINGLIST.DAT:1: \"alone\" has no tab"),
        (
            "SyncInfoUseless",
            map("odd"),
            none(),
            "spec.files.configMaps[0]/syncinfo.xml: has no IMAGE with VERSION and SYNC",
        ),
        ("RingListOfOthers", map("others"), none(), "spec.files.configMaps[0]/RingList.xml: is served"),
        (
            "XmlBroken",
            map("odd"),
            none(),
            "spec.files.configMaps[0]/SEP000A8A999999.cnf.xml:1: the element \"device\" has no end",
        ),
        ("LockedInCommonFile", extra("call_waiting", "3"), none(), "call_waiting: is 3"),
        (
            "CommonFileLarge",
            and(
                good(),
                "extraParameters",
                json!(
                    (0..9).map(|n| (format!("x{n}"), "y".repeat(1000))).collect::<std::collections::BTreeMap<_, _>>()
                ),
            ),
            none(),
            "SIPDefault.cnf of",
        ),
        ("CommonFileTrimmed", and(image("P0S3-04-1-00"), "extraParameters", many.into()), none(), "proxy6_address to"),
        ("DaylightSavingUnset", with(json!({"timeZone": "CET"})), none(), "is CET and no dst field is set"),
        (
            "DaylightSavingOfSite",
            with(json!({"timeZone": "Europe/Berlin"})),
            json!({"settings": {"timeZone": "JST"}}),
            "is JST and no dst field is set",
        ),
        (
            "DialHotline",
            and(good(), "dialPlan", json!({"offHook": {"number": "7100", "timeout": 0}})),
            none(),
            "is 0 for \"7100\"",
        ),
        ("DialPlanForeign", plan(json!([emergency, {"match": "_9NXXXXXX"}])), none(), "_9NXXXXXX"),
        ("DialPlanNotTold", and(plan(json!([emergency])), "unsetParameters", "Keep".into()), none(), "dialplan.xml"),
        (
            "DialRuleUnreachable",
            plan(json!([emergency, {"match": "...", "timeout": 0}, {"match": "....", "timeout": 0}])),
            none(),
            "takes templates[1], \"...\", which is sent before",
        ),
        ("DialRulesNotExamined", plan(stars.into()), none(), "has 200 rules, of which 19"),
        ("DialStarAtOnce", plan(json!([emergency, {"match": "9,011*", "timeout": 0}])), none(), "is 0 for \"9,011*\""),
        ("DialTones", plan(json!([emergency, {"match": "9,1.", "tones": ["Ding-Dong"]}])), none(), "Ding-Dong"),
        ("UntypedParameter", extra("telnet_level", "0"), none(), "settings.telnetLevel: \"Disabled\" says the same"),
        ("SentToAnotherServer", with(json!({"dynTftpAddr": "10.0.0.9"})), none(), "is set"),
        ("EmergencyProxyUnset", and(good(), "dialPlan", json!({"templates": [emergency]})), none(), "is Emergency"),
        ("NoEmergencyRule", plan(json!([{"match": "*"}])), none(), "no rule for emergency calls"),
        ("EmergencyProxyUnused", with(json!({"proxyEmergency": "10.0.0.2"})), none(), "is 10.0.0.2"),
        ("FileNameCase", rings("other.pcm"), none(), "the file is OTHER.pcm"),
        ("FileShadowed", rings("OTHER.pcm"), none(), "SIPDefault.cnf"),
        ("ImageAtBootstrap", image("P0S30202"), none(), "is P0S30202"),
        ("ImageLetterO", image("POS3-03-2-00"), none(), "did you mean P0S3-03-2-00?"),
        ("ImageName", image("hello"), none(), "is \"hello\""),
        ("ImageOtherProtocol", good(), json!({"firmware": {"image": "P003-08-11-00"}}), "SCCP"),
        (
            "KeyWithoutLine",
            good(),
            json!({"lines": [{"key": 2, "name": "1"}], "settings": {"autoAnswer": 1}}),
            "is 1, and the lines are 2 for key 2",
        ),
        ("LineNameDashes", good(), json!({"lines": [{"name": "555-0101"}]}), "is \"555-0101\""),
        (
            "LineNameShared",
            good(),
            json!({"lines": [{"name": "1"}, {"name": "1", "proxy": {"address": "10.0.0.7"}}]}),
            "as is lines[0] on another proxy",
        ),
        (
            "LineUnprovisioned",
            good(),
            json!({"lines": [{"name": "UNPROVISIONED"}]}),
            "spec.lines[0].name: is UNPROVISIONED",
        ),
        (
            "LoginInUrl",
            with(json!({"servicesUrl": "http://admin:secret@10.0.0.9/"})),
            none(),
            "spec.settings.servicesUrl: is \"http://***@10.0.0.9/\"",
        ),
        ("LogoUrl", extra("logo_url", "logo.bmp"), none(), "http://"),
        ("MisspelledParameter", extra("timer_register", "1800"), none(), "did you mean timer_register_expires?"),
        (
            "NatWithName",
            with(json!({"natEnable": true, "proxy1Address": "sip.example.com"})),
            none(),
            "sip.example.com",
        ),
        (
            "NewerThanFirmware",
            and(image("P0S3-03-2-00"), "settings", json!({"proxy1Address": "10.0.0.1", "servicesUrl": "http://x/"})),
            none(),
            "since firmware 4.0",
        ),
        ("NoLines", good(), json!({"lines": []}), "is empty"),
        ("NoProxy", json!({}), none(), "spec.lines[0].proxy"),
        (
            "NoSuchKey",
            good(),
            json!({"model": "7940", "extraParameters": {"line3_name": "7703"}}),
            "for key 3 of a 7940",
        ),
        (
            "NotRegistered",
            good(),
            json!({"lines": [{"name": "1", "authName": "u"}]}),
            "spec.lines[0].authName: is for a line that registers, that on key 1, and nobody sets proxy_register",
        ),
        (
            "OutboundProxy",
            and(
                with(json!({"outboundProxy": "10.0.0.5", "proxyEmergency": "10.0.0.2"})),
                "dialPlan",
                json!({"templates": [emergency]}),
            ),
            none(),
            "a rule of the dial plan has a route that will not be taken",
        ),
        (
            "PasswordTooLong",
            good(),
            json!({"lines": [{"name": "1", "passwordSecretRef": {"name": "s", "key": "p"}}]}),
            "32 characters",
        ),
        ("Placeholder", with(json!({"messagesUri": "{$messages}"})), none(), "{$messages}"),
        ("ProxyBackup", with(json!({"proxyBackup": "10.0.0.6"})), none(), "is 10.0.0.6"),
        ("RingFormat", rings("wav.pcm"), none(), "a WAV file"),
        ("RingMissing", rings("gone.pcm"), none(), "gone.pcm is not among"),
        ("NoTimeServer", with(json!({"sntpMode": "Unicast"})), none(), "sntpServer"),
        (
            "SourceMissing",
            and(good(), "files", json!({"configMaps": [{"name": "gone"}]})),
            none(),
            "spec.files.configMaps[0].name: names the ConfigMap gone, which does not exist",
        ),
        ("TelnetDefaultPassword", with(json!({"telnetLevel": "Privileged"})), none(), "restart the phone"),
        (
            "TwoStepUpgrade",
            and(good(), "firmware", json!({"image": "P0S3-06-3-00", "bootstrap": "P0S3-06-3-00"})),
            none(),
            "is P0S3-06-3-00",
        ),
        ("UnusualValue", good(), json!({"extraParameters": {"start_media_port": "16348"}}), "16384 to 32766"),
    ]
}

#[test]
fn every_code_has_an_example_that_draws_it() {
    let mut shown = BTreeSet::new();
    for (code, at_site, at_phone, part) in examples() {
        let found = said(at_site, at_phone);
        let one = found.iter().find(|(reason, text)| reason == code && text.contains(part));
        assert!(one.is_some(), "{code}, {part:?}: {found:#?}");
        assert!(one.unwrap().1.ends_with(&format!("[{code}]")));
        shown.insert(code);
    }
    let all: BTreeSet<&str> = advice::ALL.iter().map(|advice| advice.code).collect();
    // An annotation draws it: see resync.rs.
    shown.insert("ResyncTime");
    // A load balancer draws it: see facts.rs.
    shown.insert("AddressIsName");
    assert_eq!(shown, all);
}

#[test]
fn what_is_right_draws_none() {
    assert_eq!(said(good(), json!({})), []);
    let plan = plan(json!([
        {"match": "911", "timeout": 0, "route": "Emergency"},
        {"match": "9,1..........", "timeout": 0, "tones": ["Bellcore-Outside"]},
        {"match": "9,[*", "timeout": 3},
        {"match": "7...", "timeout": 0},
        {"match": "*"},
        {"match": "\\*70*#", "timeout": 0},
        {"match": "8\\*", "timeout": 0},
    ]));
    let codes: Vec<String> = said(plan, json!({})).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["DialPlanForeign"], "the bracket and nothing else");
    let zone = with(
        json!({"timeZone": "Europe/Berlin", "sntpMode": "Unicast", "sntpServer": "10.0.0.3", "telnetLevel": "Privileged", "phonePasswordSecretRef": {"name": "s", "key": "p"}}),
    );
    let codes: Vec<String> = said(zone, json!({})).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["PasswordTooLong"], "the test's own Secret");
    assert_eq!(said(with(json!({"timeZone": "JST", "dstAutoAdjust": false})), json!({})), []);
}

#[test]
fn a_phone_that_lets_everybody_in_is_told_of_like_a_site() {
    let open = || json!({"settings": {"telnetLevel": "Privileged"}});
    let codes = |at_site: Value, at_phone: Value| -> Vec<String> {
        said(at_site, at_phone).into_iter().map(|(code, _)| code).filter(|code| code != "PasswordTooLong").collect()
    };
    assert_eq!(codes(good(), open()), ["TelnetDefaultPassword"]);
    let safe = with(json!({"phonePasswordSecretRef": {"name": "s", "key": "p"}}));
    assert_eq!(codes(safe, open()), [""; 0], "the site's password holds on its phones");
}

#[test]
fn the_case_of_files_that_phones_ask_for_by_name_is_looked_at() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, and(good(), "files", json!({"configMaps": [{"name": "files"}]})));
    fleet.take_work();
    let files = ["ringlist.dat", "XMLDefault.cnf.xml", "xmldefault.cnf.xml"];
    let files = files.map(|name| (name.to_owned(), FirmwareFile::new(name, b"<x/>\ty.raw\n")));
    fleet.set_firmware(&key("files"), Some(files.into_iter().collect()));
    fleet.take_work();
    let said: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
    // The list itself names a file that is not there.
    let said: Vec<&String> = said.iter().filter(|said| !said.contains("RingMissing")).collect();
    assert!(said.len() == 1 && said[0].contains("hold ringlist.dat, and phones ask for RINGLIST.DAT"), "{said:?}");
}

#[test]
fn placeholders_of_all_kinds_are_seen() {
    let seen =
        |text: &str| said(with(json!({"messagesUri": text})), json!({})).iter().any(|(code, _)| code == "Placeholder");
    for text in ["{{vm}}", "{$vm}", "${vm}", "__VM__", "<?= $vm ?>", "$vm", "http://x/?mac=$mac"] {
        assert!(seen(text), "{text}");
    }
    for text in ["100$", "$5", "{x}", "a_b"] {
        assert!(!seen(text), "{text}");
    }
}

#[test]
fn what_all_phones_share_holds_although_their_own_files_are_reset() {
    let mut fleet = Fleet::offline();
    let mut spec = and(good(), "extraParameters", json!({"line1_displayname": "Line1", "line2_name": "7999"}));
    spec["secretParameters"] = json!({"line1_password": {"name": "s", "key": "p"}});
    site(&mut fleet, 1, spec);
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.take_work();
    secret(&mut fleet, "correct-horse");
    fleet.take_work();
    let tree = fleet.tree(&key("hq"));
    let mut all = reader::parameters(&tree["SIPDefault.cnf"]);
    all.extend(reader::parameters(&tree[FILE]));
    let is = |name: &str| all[name].as_str();
    assert_eq!((is("line1_displayname"), is("line1_password")), ("Line1", "correct-horse"));
    assert_eq!((is("line1_name"), is("line2_name"), is("line2_password")), ("1", "7999", "UNPROVISIONED"));
    let mut own = plain(MAC, "1");
    own["lines"][0]["displayName"] = "Desk".into();
    phone(&mut fleet, "p", 2, 0, own);
    fleet.take_work();
    assert_eq!(reader::parameters(&fleet.tree(&key("hq"))[FILE])["line1_displayname"], "Desk");
}

#[test]
fn a_7940_answers_by_itself_on_two_lines_at_most() {
    let with = |model: &str, mask: u8| said(good(), json!({"model": model, "settings": {"autoAnswer": mask}}));
    assert!(with("7940", 4).iter().any(|(code, text)| code == "UnusualValue" && text.contains("a 7940 does not have")));
    assert_eq!(with("7940", 3), []);
    assert_eq!(with("7960", 63), []);
}

#[test]
fn one_name_on_two_proxies_is_told_of_on_the_younger_phone() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, good());
    let on = |mac: &str, proxy: &str| json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "lines": [{"name": "7101", "proxy": {"address": proxy}}]});
    phone(&mut fleet, "young", 1, 2, on("000A8A000002", "10.0.0.2"));
    phone(&mut fleet, "old", 1, 1, on("000A8A000001", "10.0.0.1"));
    let shared = |fleet: &mut Fleet| -> Vec<String> {
        fleet.take_work();
        let found = fleet.findings().flat_map(|(_, key, found)| found.iter().map(move |one| (key, one)));
        let shared = found.filter(|(_, one)| one.code() == "LineNameShared");
        shared.map(|(key, one)| format!("{}: {one}", key.name)).collect()
    };
    let said = shared(&mut fleet);
    assert!(said.len() == 1 && said[0].contains("young: ") && said[0].contains("SipPhone old"), "{said:?}");
    let other = json!({"siteRef": {"name": "hq"}, "mac": "000A8A000001", "model": "7960", "lines": [{"name": "7102"}]});
    phone(&mut fleet, "old", 2, 1, other);
    assert_eq!(shared(&mut fleet), [""; 0]);
}

#[test]
fn what_is_said_twice_is_an_error() {
    for (at_site, at_phone) in [
        (with(json!({"timeZone": "Europe/Berlin", "dstOffset": 2})), json!({})),
        (
            and(
                and(good(), "firmware", json!({"image": "P0S3-07-4-00"})),
                "extraParameters",
                json!({"image_version": "x"}),
            ),
            json!({}),
        ),
        (good(), json!({"label": "a", "extraParameters": {"phone_label": "b"}})),
        (
            good(),
            json!({"extraParameters": {"unheard": "1"}, "secretParameters": {"unheard": {"name": "s", "key": "p"}}}),
        ),
    ] {
        let found = said(at_site, at_phone);
        assert!(found.iter().any(|(code, _)| code == "SetTwice"), "{found:?}");
    }
}

#[test]
fn passwords_do_not_go_into_extra_parameters() {
    for spec in [
        json!({"extraParameters": {"line3_password": "hunter2"}}),
        json!({"extraParameters": {"phone_password": "hunter2"}}),
    ] {
        let found = said(good(), spec);
        assert!(
            found.iter().any(|(code, text)| code == "Invalid"
                && text.contains("secretParameters")
                && !text.contains("hunter2")),
            "{found:?}"
        );
    }
    assert_eq!(said(good(), json!({"extraParameters": {"line3_password": "UNPROVISIONED", "line3_name": ""}})), []);
}

#[test]
fn secret_parameters_are_written_and_keep_the_file_in_a_secret() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, good());
    let mut spec = plain(MAC, "1");
    spec["secretParameters"] =
        json!({"line3_password": {"name": "s", "key": "p"}, "unheard_of": {"name": "s", "key": "p"}});
    phone(&mut fleet, "p", 1, 0, spec);
    fleet.take_work();
    secret(&mut fleet, "correct-horse");
    fleet.take_work();
    let file = text(&fleet, FILE).unwrap();
    assert!(file.contains("line3_password: correct-horse\n") && file.contains("unheard_of: correct-horse\n"), "{file}");
    let slots: Vec<Slot> = Slot::all().filter(|slot| fleet.content(&key("hq"), *slot).0.contains_key(FILE)).collect();
    assert!(slots.iter().all(|slot| slot.secret()) && slots.len() == 1, "{slots:?}");
}

#[test]
fn a_file_that_old_firmware_cannot_load_is_refused() {
    let host = |n: usize| format!("h{n}.{}", ["x".repeat(60), "y".repeat(60)].join("."));
    let mut settings = json!({});
    for n in 1..=6 {
        settings[format!("proxy{n}Address")] = host(n).into();
    }
    let hosts = ["outboundProxy", "proxyBackup", "proxyEmergency", "natAddress", "sntpServer", "httpProxyAddr"];
    for (n, field) in hosts.iter().enumerate() {
        settings[field] = host(n).into();
    }
    for field in ["servicesUrl", "directoryUrl", "logoUrl"] {
        settings[field] = format!("http://{}/", "x".repeat(110)).into();
    }
    settings["messagesUri"] = "m".repeat(127).into();
    for n in 1..=6 {
        settings[format!("callManager{n}Addr")] = host(n).into();
    }
    let on = |image: &str| said(json!({"settings": settings, "firmware": {"image": image}}), json!({}));
    let found = on("P0S3-04-1-00");
    assert!(found.iter().any(|(code, text)| code == "FileTooLarge" && text.contains("at most 4096")), "{found:?}");
    assert!(on("P0S3-8-12-00").iter().all(|(code, _)| code != "FileTooLarge" && code != "CommonFileLarge"));
}

/// Trying every length of every star took for ever, under the lock that every other object waits for.
#[test]
fn a_plan_of_nothing_but_stars_delays_nobody() {
    let rules: Vec<Value> = (0..200).map(|_| json!({"match": "*".repeat(63), "timeout": 5})).collect();
    let once = || {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, plan(rules.clone().into()));
        let began = std::time::Instant::now();
        fleet.take_work();
        began.elapsed()
    };
    // The quickest of some: other tests run meanwhile.
    let quickest = (0..5).map(|_| once()).min().unwrap();
    assert!(quickest < std::time::Duration::from_millis(500), "{quickest:?}");
}
