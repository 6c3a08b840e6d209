//! What is said is true of what people wrote, and hides what others should not read.

use super::advice::{and, good, said, with};
use super::*;

fn codes(at_site: Value, at_phone: Value) -> Vec<String> {
    let found = said(at_site, at_phone).into_iter().map(|(code, _)| code);
    found.filter(|code| code != "PasswordTooLong").collect()
}

fn extra(name: &str, value: &str) -> Value {
    json!({"extraParameters": {name: value}})
}

#[test]
fn an_address_of_zeros_is_no_phones() {
    for mac in ["00:00:00:00:00:00", "000000000000", "00-00-00-00-00-00", "0000.0000.0000"] {
        let found = said(good(), json!({"mac": mac}));
        assert!(found.len() == 1 && found[0].1.contains("is all zeros, which no phone has"), "{mac}: {found:?}");
    }
    for mac in ["000000000001", "00:00:0c:07:ac:00"] {
        assert_eq!(said(good(), json!({"mac": mac})), [], "{mac}");
    }
}

#[test]
fn of_a_site_without_a_name_one_thing_is_said() {
    let found = said(good(), json!({"siteRef": {"name": ""}}));
    assert!(found.len() == 1 && found[0].1.starts_with("spec.siteRef.name: is empty"), "{found:?}");
    let found = said(good(), json!({"siteRef": {"name": "HQ"}}));
    assert!(found.len() == 1 && found[0].1.contains("is no name of an object"), "{found:?}");
}

#[test]
fn an_empty_match_is_refused_and_nothing_follows_from_it() {
    for rule in [json!({"match": ""}), json!({"match": "", "timeout": 0, "rewrite": "7100"})] {
        let found = said(and(good(), "dialPlan", json!({"templates": [rule]})), json!({}));
        assert!(found.iter().all(|(code, _)| code == "Invalid" || code == "SiteInvalid"), "{found:#?}");
        let text = found.iter().find(|(code, _)| code == "Invalid").unwrap().1.clone();
        assert!(
            text.contains("spec.dialPlan.templates[0].match: is empty") && text.contains("dialPlan.offHook"),
            "{text}"
        );
    }
    for rules in [
        json!([{"match": "9<1"}]),
        json!([{"match": "911", "route": "Emer gency"}]),
        json!([{"match": "911", "timeout": -1}, {"match": "911"}]),
    ] {
        let found =
            codes(and(with(json!({"proxyEmergency": "10.0.0.2"})), "dialPlan", json!({"templates": rules})), json!({}));
        let follows = ["NoEmergencyRule", "EmergencyProxyUnused", "EmergencyProxyUnset"];
        assert!(!found.iter().any(|code| follows.contains(&code.as_str())), "{rules}: {found:?}");
    }
}

#[test]
fn a_plan_that_nobody_can_dial_with_wants_no_emergency_rule_and_a_warm_line_does() {
    let off_hook = |timeout: u32| and(good(), "dialPlan", json!({"offHook": {"number": "7100", "timeout": timeout}}));
    assert_eq!(codes(off_hook(0), json!({})), ["DialHotline"]);
    assert_eq!(codes(off_hook(5), json!({})), ["NoEmergencyRule"]);
}

#[test]
fn what_is_called_by_itself_is_a_number() {
    let of = |number: &str| {
        codes(
            and(
                good(),
                "dialPlan",
                json!({"offHook": {"number": number, "timeout": 5}, "templates": [{"match": "112", "timeout": 0}]}),
            ),
            json!({}),
        )
    };
    for bad in ["sip:7100", "SIP:7100@10.0.0.1", "tel:7100", "7100@pbx", "%s", "71..", "7.00", "9%1", "71 00"] {
        assert_eq!(of(bad), ["UnusualValue"], "{bad}");
    }
    for placeholder in ["%NUMBER%", "YOUR_EXTENSION", "VOICEMAIL_NUMBER"] {
        assert_eq!(of(placeholder), ["Placeholder"], "{placeholder}");
    }
    for good in ["7100", "*97", "+441632960000", "front-desk", "#31#7100", "0"] {
        assert_eq!(of(good), [""; 0], "{good}");
    }
    let rewrite = |rewrite: &str| {
        codes(
            and(good(), "dialPlan", json!({"templates": [{"match": "112", "timeout": 0, "rewrite": rewrite}]})),
            json!({}),
        )
    };
    assert_eq!(rewrite("sip:112@pbx"), ["UnusualValue"]);
    assert_eq!(rewrite("9%s"), [""; 0]);
}

#[test]
fn a_time_server_of_zeros_is_called_that() {
    let found = said(with(json!({"sntpMode": "Unicast", "sntpServer": "0.0.0.0"})), json!({}));
    assert!(
        found[0].1.contains("is Unicast and settings.sntpServer is 0.0.0.0, the address of no server"),
        "{found:?}"
    );
    let at_phone = json!({"settings": {"sntpMode": "Unicast"}});
    let found = said(with(json!({"sntpServer": "0.0.0.0"})), at_phone);
    assert!(found[0].1.contains("the site's settings.sntpServer is 0.0.0.0"), "{found:?}");
    let found = said(with(json!({"sntpMode": "Unicast"})), json!({}));
    assert!(found[0].1.contains("sntpServer is not set"), "{found:?}");
}

#[test]
fn of_a_zone_that_is_refused_no_rule_of_daylight_saving_follows() {
    for zone in [json!("Europe/Nowhere"), json!("CETT"), json!(1)] {
        let found = codes(with(json!({"timeZone": zone})), json!({"settings": {"timeZone": "CET"}}));
        assert!(!found.iter().any(|code| code.starts_with("Daylight")), "{zone}: {found:?}");
        let found = codes(with(json!({"timeZone": zone})), extra("time_zone", "CET"));
        assert!(!found.iter().any(|code| code.starts_with("Daylight")), "{zone}: {found:?}");
    }
    let slip = codes(with(json!({"timezone": "Europe/Berlin"})), json!({"settings": {"timeZone": "CET"}}));
    assert!(!slip.iter().any(|code| code.starts_with("Daylight")), "{slip:?}");
    // What is set beside it is set once.
    let spec = and(with(json!({"timeZone": "Europe/Nowhere"})), "extraParameters", json!({"dst_auto_adjust": "0"}));
    assert!(!codes(spec, json!({})).contains(&"SetTwice".to_owned()));
    assert!(codes(with(json!({"timeZone": "CET"})), json!({})).contains(&"DaylightSavingUnset".to_owned()));
}

#[test]
fn lines_of_one_name_in_extra_parameters_are_not_advised_to_move() {
    let of = |lines: Value, extra: Value| said(good(), json!({"lines": lines, "extraParameters": extra}));
    let found = of(json!([{"name": "7101"}]), json!({"line3_name": "7101"}));
    assert!(found.len() == 1 && found[0].0 == "LineNameShared", "{found:?}");
    assert!(
        found[0].1.contains("spec.extraParameters.line3_name: is \"7101\", as is lines[0].name of this phone"),
        "{found:?}"
    );
    let found = of(json!([]), json!({"line1_name": "7101", "line2_name": "7101"}));
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["UntypedParameter", "LineNameShared"], "{found:?}");
    assert!(found[1].1.contains("line2_name: is \"7101\", as is line1_name"), "{found:?}");
    let upper = of(json!([{"name": "7101"}]), json!({"LINE2_NAME": "7101"}));
    assert_eq!(upper[0].0, "LineNameShared");
    for (lines, extra) in [
        (json!([{"name": "7101"}]), json!({"line3_name": "7103"})),
        (json!([{"name": "7101"}]), json!({"line3_displayname": "7101"})),
        (json!([{"name": "7101"}]), json!({"line3_name": ""})),
    ] {
        let found = of(lines, extra.clone());
        assert!(!found.iter().any(|(code, _)| code == "LineNameShared"), "{extra}: {found:?}");
    }
}

#[test]
fn lines_in_extra_parameters_are_compared_between_phones() {
    let two = |first: Value, second: Value| {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, good());
        for (name, mac, own) in [("a", "000A8A000001", first), ("b", "000A8A000002", second)] {
            let mut spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960"});
            spec.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            phone(&mut fleet, name, 1, 0, spec);
        }
        fleet.take_work();
        let found =
            fleet.findings().flat_map(|(_, key, found)| found.iter().map(move |one| (key.name.to_string(), one)));
        let shared = found.filter(|(_, one)| one.code() == "LineNameShared" || one.code() == "DuplicateLine");
        shared.map(|(name, one)| format!("{name} {one}")).collect::<Vec<_>>()
    };
    let typed = || json!({"lines": [{"name": "7101"}]});
    for (first, second, field) in [
        (typed(), extra("line1_name", "7101"), "spec.extraParameters.line1_name"),
        (extra("line4_name", "7101"), typed(), "spec.lines[0].name"),
        (extra("line1_name", "7101"), extra("Line2_Name", "7101"), "spec.extraParameters.line2_name"),
    ] {
        let found = two(first, second);
        let expected = format!("b {field}: is \"7101\", as is a line of SipPhone a");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
        assert!(!found[0].contains("another proxy"), "{found:?}");
    }
    assert_eq!(two(extra("line1_name", "7101"), extra("line1_name", "7102")), [""; 0]);
    assert_eq!(two(extra("line1_name", ""), extra("line1_name", "")), [""; 0]);
    // Of two lists one has the right to it, and it is said why.
    let found = two(typed(), typed());
    assert!(found.len() == 1 && found[0].contains("which keeps it because its name comes first"), "{found:?}");
}

#[test]
fn keys_that_a_phone_does_not_have_are_seen_wherever_they_stand() {
    let on = |model: &str, field: &str, name: &str, value: Value| {
        let found = said(good(), json!({"model": model, field: {name: value}}));
        let found = found.into_iter().filter(|(code, _)| code == "NoSuchKey");
        found.map(|(_, text)| text).collect::<Vec<_>>()
    };
    let secret = || json!({"name": "s", "key": "p"});
    for (model, field, name, value, part) in [
        ("7940", "secretParameters", "line3_password", secret(), "is for key 3 of a 7940"),
        ("7940", "secretParameters", "LINE6_Password", secret(), "is for key 6 of a 7940"),
        ("7940", "secretParameters", "proxy3_address", secret(), "is for key 3 of a 7940"),
        ("7940", "extraParameters", "proxy3_address", "10.0.0.3".into(), "is for key 3 of a 7940"),
        ("7940", "extraParameters", "proxy4_port", "5070".into(), "is for key 4 of a 7940"),
        ("7940", "extraParameters", "line3_authname", "x".into(), "is for key 3 of a 7940"),
        ("7960", "secretParameters", "line7_password", secret(), "is for key 7 of a 7960"),
        ("7960", "extraParameters", "line7_name", "x".into(), "is for key 7 of a 7960"),
        ("7960", "extraParameters", "line0_name", "x".into(), "is for key 0 of a 7960"),
        ("7960", "extraParameters", "proxy8_address", "10.0.0.3".into(), "is for key 8 of a 7960"),
    ] {
        let found = on(model, field, name, value);
        assert!(found.len() == 1 && found[0].contains(part), "{model} {name}: {found:?}");
    }
    for (model, field, name, value) in [
        ("7960", "secretParameters", "line3_password", secret()),
        ("7940", "secretParameters", "line2_password", secret()),
        ("7940", "extraParameters", "proxy3_address", "".into()),
        ("7940", "extraParameters", "line3_authname", "UNPROVISIONED".into()),
        ("7940", "extraParameters", "line7_frobnicate", "x".into()),
        ("7940", "extraParameters", "linear_x", "x".into()),
    ] {
        assert_eq!(on(model, field, name, value), [""; 0], "{model} {name}");
    }
    let found = said(and(good(), "extraParameters", json!({"line7_name": "x"})), json!({}));
    assert!(found.iter().any(|(code, text)| code == "NoSuchKey" && text.contains("phones have 6")), "{found:?}");
}

#[test]
fn a_secret_that_nobody_filled_in_is_said_without_its_value() {
    let of = |value: &str| {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, and(good(), "settings", json!({"proxy1Address": "10.0.0.1", "proxyRegister": true})));
        phone(&mut fleet, "p", 1, 0, with_password(MAC, "1"));
        fleet.take_work();
        secret(&mut fleet, value);
        fleet.take_work();
        let found = fleet.findings().flat_map(|(_, _, found)| found);
        found.map(ToString::to_string).collect::<Vec<_>>()
    };
    for left in [
        "CHANGEME_PASSWORD",
        "changeme",
        "YOUR_PASSWORD",
        "<password>",
        "{{ secret1 }}",
        "INSERT_PASSWORD_HERE",
        "TODO",
    ] {
        let found = of(left);
        assert!(
            found.len() == 1 && found[0].contains("[Placeholder]") && !found[0].contains(left),
            "{left}: {found:?}"
        );
        assert!(
            found[0].starts_with("spec.lines[0].passwordSecretRef: names the value in key \"p\" of Secret s"),
            "{found:?}"
        );
    }
    for fine in ["correct-horse", "p4ssw0rd", "xxxxxxxx", "password", "$ecret", "<x>"] {
        assert_eq!(of(fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_password_in_a_url_is_advised_against_and_not_shown() {
    for (at_site, at_phone) in [
        (with(json!({"servicesUrl": "http://admin:hunter2@10.0.0.9/menu"})), json!({})),
        (with(json!({"logoUrl": "http://admin:hunter2@10.0.0.9/logo.bmp"})), json!({})),
        (good(), json!({"settings": {"directoryUrl": "http://hunter2@10.0.0.9/"}})),
        (good(), json!({"extraParameters": {"my_url": "ftp://admin:hunter2@10.0.0.9/"}})),
        (and(good(), "extraParameters", json!({"services_url": "http://a:hunter2@10.0.0.9/"})), json!({})),
    ] {
        let found = said(at_site.clone(), at_phone);
        assert!(
            found.iter().any(|(code, text)| code == "LoginInUrl" && text.contains("***@10.0.0.9")),
            "{at_site}: {found:?}"
        );
        assert!(found.iter().all(|(_, text)| !text.contains("hunter2")), "{found:?}");
    }
    // Nor is it shown where something else is wrong.
    for at_site in [
        with(json!({"servicesUrl": "https://admin:hunter2@10.0.0.9/menu"})),
        with(json!({"logoUrl": "ftp://admin:hunter2@10.0.0.9/menu"})),
        with(json!({"servicesUrl": "http://admin:hunter2@YOUR_SERVER/menu"})),
        with(json!({"proxy1Address": "http://admin:hunter2@10.0.0.9"})),
        and(good(), "extraParameters", json!({"proxy2_address": "sip://admin:hunter2@pbx"})),
        and(
            good(),
            "firmware",
            json!({"source": {"urls": [{"url": "https://admin:hunter2@x/y.bin", "sha256": "zz"}]}}),
        ),
    ] {
        let found = said(at_site.clone(), json!({}));
        assert!(!found.is_empty() && found.iter().all(|(_, text)| !text.contains("hunter2")), "{at_site}: {found:?}");
    }
    for url in ["http://10.0.0.9/a@b", "http://10.0.0.9:8080/?user=a@b", "http://10.0.0.9/"] {
        assert_eq!(said(with(json!({"servicesUrl": url})), json!({})), [], "{url}");
    }
    // In a Secret it is where it belongs.
    let secret = json!({"services_url": {"name": "s", "key": "p"}});
    assert!(!codes(and(good(), "secretParameters", secret), json!({})).contains(&"LoginInUrl".to_owned()));
}

#[test]
fn slips_and_placeholders_of_the_field_are_seen_at_render() {
    for (name, value, meant) in [
        ("proxy_adress", "10.0.0.1", "proxy1_address"),
        ("logo_ur1", "http://10.0.0.9/l.bmp", "logo_url"),
        ("voip_port", "5060", "voip_control_port"),
        ("authname", "7101", "line1_authname"),
        ("stop_media_port", "32766", "end_media_port"),
    ] {
        let found = said(good(), extra(name, value));
        let text = format!("did you mean {meant}?");
        assert!(
            found.iter().any(|(code, said)| code == "MisspelledParameter" && said.contains(&text)),
            "{name}: {found:?}"
        );
    }
    for (name, value) in [
        ("messages_uri", "VOICEMAIL_NUMBER"),
        ("messages_uri", "<voicemail>"),
        ("sntp_server", "[time server]"),
        ("outbound_proxy", "&lt;proxy&gt;"),
        ("nat_address", "IP_OF_PBX"),
        ("line2_displayname", "INSERT NAME HERE"),
    ] {
        let found = codes(good(), extra(name, value));
        assert!(found.contains(&"Placeholder".to_owned()), "{name}: {value}: {found:?}");
    }
    for (field, value) in [("proxy1Address", "TODO"), ("proxy1Address", "sip.xxx.com"), ("proxy2Address", "IP_OF_PBX")]
    {
        let found = codes(with(json!({ field: value })), json!({}));
        assert_eq!(found, ["Placeholder"], "{value}");
    }
    assert_eq!(codes(with(json!({"proxy1Address": "yoursip.example.net"})), json!({})), [""; 0]);
}
