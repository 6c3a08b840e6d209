//! What follows from an object that cannot be used is judged by what it says itself, or not said.

use super::advice::{and, good, said, with};
use super::*;

/// The codes of what is said of the phone, without that its site cannot be served.
fn of_phone(at_site: Value, at_phone: Value) -> Vec<String> {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, at_site);
    let mut spec = plain(MAC, "1");
    spec.as_object_mut().unwrap().extend(at_phone.as_object().unwrap().clone());
    phone(&mut fleet, "p", 1, 0, spec);
    fleet.take_work();
    secret(&mut fleet, "correct-horse");
    fleet.set_secret(&key("gone"), None);
    fleet.take_work();
    let mut found = fleet.findings();
    let (_, _, found) = found.find(|(kind, ..)| *kind == "SipPhone").unwrap();
    found.iter().map(|one| one.code().to_owned()).filter(|code| code != "SiteInvalid").collect()
}

/// A site of this text, and wrong in another field.
fn broken(spec: Value) -> Value {
    let mut spec = spec;
    spec["settings"]["logoUrl"] = "ftp://x/logo.bmp".into();
    spec
}

#[test]
fn a_site_with_one_wrong_field_is_judged_by_the_others() {
    assert_eq!(of_phone(broken(good()), json!({})), [""; 0], "it has a proxy");
    assert_eq!(of_phone(broken(json!({"settings": {}})), json!({})), ["NoProxy"], "by its own text it has none");
    let found = said(broken(good()), json!({}));
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes.len(), 2, "{found:#?}");
    assert!(codes.contains(&"Invalid") && codes.contains(&"SiteInvalid"), "{found:#?}");
    let behind = json!({"settings": {"natEnable": true}});
    assert_eq!(of_phone(broken(with(json!({"proxy1Address": "sip.example.net"}))), behind), ["NatWithName"]);
    let unicast = json!({"settings": {"sntpMode": "Unicast"}});
    assert_eq!(of_phone(broken(with(json!({"sntpServer": "10.0.0.3"}))), unicast.clone()), [""; 0]);
    assert_eq!(of_phone(broken(good()), unicast), ["NoTimeServer"]);
    let open = json!({"settings": {"telnetLevel": "Privileged"}});
    let safe = with(json!({"phonePasswordSecretRef": {"name": "s", "key": "p"}}));
    assert_eq!(of_phone(broken(safe), open), [""; 0]);
    let authname = json!({"lines": [{"name": "1", "authName": "1"}]});
    assert_eq!(of_phone(broken(with(json!({"proxyRegister": true}))), authname), [""; 0]);
}

#[test]
fn of_what_a_site_says_wrongly_nothing_follows() {
    for settings in [
        json!({"proxy1Address": "not a host"}),
        json!({"proxy1Address": 5}),
        json!({"proxy1Adress": "10.0.0.1"}),
        json!({"proxyAddress1": "10.0.0.1"}),
    ] {
        assert_eq!(of_phone(json!({ "settings": settings }), json!({})), [""; 0], "{settings}");
    }
    let authname = json!({"lines": [{"name": "1", "authName": "1"}]});
    for register in [json!("yes"), json!(1), json!("true")] {
        assert_eq!(of_phone(with(json!({"proxyRegister": register})), authname.clone()), [""; 0], "{register}");
    }
    let unicast = json!({"settings": {"sntpMode": "Unicast"}});
    assert_eq!(of_phone(with(json!({"sntpServer": "no host"})), unicast), [""; 0]);
    let open = json!({"settings": {"telnetLevel": "Privileged"}});
    for (name, key) in [("gone", "p"), ("s", "other")] {
        let site = with(json!({"phonePasswordSecretRef": {"name": name, "key": key}}));
        assert_eq!(of_phone(site, open.clone()), [""; 0], "{name}: the password is to be another one");
    }
    assert_eq!(of_phone(with(json!({"phonePasswordSecretRef": "secret"})), open), [""; 0]);
}

#[test]
fn nor_of_what_the_phone_itself_says_wrongly() {
    for (at_phone, expected) in [
        (json!({"lines": [{"name": "1", "proxy": {"address": "no host"}}]}), vec!["Invalid"]),
        (json!({"settings": {"proxy1Address": "10.0.0.1"}}), vec!["Invalid"]),
        (json!({"extraParameters": {"proxy1_address": "a\"b"}}), vec!["Invalid"]),
        (
            json!({"settings": {"telnetLevel": "Privileged", "phonePasswordSecretRef": {"name": "gone", "key": "p"}}, "lines": [{"name": "1", "proxy": {"address": "10.0.0.1"}}]}),
            vec!["SecretNotFound"],
        ),
        (
            json!({"settings": {"sntpMode": "Unicast", "sntpServer": "no host"}, "lines": [{"name": "1", "proxy": {"address": "10.0.0.1"}}]}),
            vec!["Invalid"],
        ),
    ] {
        assert_eq!(of_phone(json!({}), at_phone.clone()), expected, "{at_phone}");
    }
    assert_eq!(of_phone(good(), json!({"lines": [{"key": 5, "name": "1"}]})), ["Invalid"], "it has a line");
}

#[test]
fn nor_does_anything_of_a_site_follow_from_its_own_wrong_fields() {
    let emergency = json!({"templates": [{"match": "911", "timeout": 0, "route": "Emergency"}]});
    let key_of = |name: &str, key: &str| json!({"name": name, "key": key});
    let door = |secret: Value| with(json!({"telnetLevel": "Enabled", "phonePasswordSecretRef": secret}));
    let plan = and(with(json!({"proxyEmergency": "10.0.0.2", "dialTemplate": "a b"})), "dialPlan", emergency.clone());
    for (spec, field) in [
        (and(with(json!({"proxyEmergency": "no host"})), "dialPlan", emergency), "proxyEmergency"),
        (with(json!({"sntpMode": "Unicast", "sntpServer": "no host"})), "sntpServer"),
        (with(json!({"timeZone": "CET", "dstStartMonth": "Mai", "dstStopMonth": "October"})), "dstStartMonth"),
        (with(json!({"timeZone": "CET", "dstAutoAdjust": "no"})), "dstAutoAdjust"),
        (with(json!({"natEnable": true, "proxy1Address": "sip example net"})), "proxy1Address"),
        (door(key_of("gone", "p")), "phonePasswordSecretRef"),
        (door(key_of("s", "q")), "phonePasswordSecretRef"),
        (door("horse".into()), "phonePasswordSecretRef"),
        (with(json!({"outboundProxy": "no host"})), "outboundProxy"),
        (and(plan, "unsetParameters", "Keep".into()), "dialTemplate"),
    ] {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, spec);
        fleet.take_work();
        secret(&mut fleet, "correct-horse");
        fleet.set_secret(&key("gone"), None);
        fleet.take_work();
        let said: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(field), "{field}: {said:#?}");
    }
}

#[test]
fn nothing_is_said_while_a_secret_is_not_read() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, with(json!({"phonePasswordSecretRef": {"name": "s", "key": "p"}})));
    let mut spec = plain(MAC, "1");
    spec["settings"] = json!({"telnetLevel": "Privileged"});
    phone(&mut fleet, "p", 1, 0, spec);
    fleet.take_work();
    let said: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_site_that_cannot_be_read_exists() {
    let mut fleet = Fleet::offline();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    assert_eq!(
        {
            fleet.take_work();
            reasons(&fleet, "p")
        },
        ["SiteNotFound"]
    );
    fleet.hold_site(meta("hq", 2, 0), "it is of another version");
    assert_eq!(
        {
            fleet.take_work();
            reasons(&fleet, "p")
        },
        ["SiteInvalid"]
    );
    let said: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
    assert!(said[0].contains("PhoneSite hq cannot be read: it is of another version: correct that first"), "{said:?}");
    fleet.delete_site(&key("hq"));
    assert_eq!(
        {
            fleet.take_work();
            reasons(&fleet, "p")
        },
        ["SiteNotFound"]
    );
    fleet.hold_site(meta("hq", 2, 0), "it is of another version");
    site(&mut fleet, 1, good());
    fleet.take_work();
    assert!(reasons(&fleet, "p").is_empty());
    fleet.hold_site(meta("hq", 2, 0), "it is of another version");
    fleet.take_work();
    assert!(reasons(&fleet, "p").is_empty(), "what was read of it holds");
    assert!(fleet.tree(&key("hq")).contains_key(FILE));
    let said: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
    assert_eq!(said, ["spec: it is of another version [Invalid]"], "and the site says so");
    site(&mut fleet, 1, good());
    fleet.take_work();
    assert_eq!(fleet.findings().flat_map(|(_, _, found)| found).count(), 0, "it is what it was");
}

#[test]
fn rings_of_a_source_that_nobody_could_look_into_are_not_missed() {
    let spec = |files: Value| {
        let spec = and(good(), "ringList", json!([{"name": "Ring", "file": "ring.pcm"}]));
        and(spec, "files", json!({ "configMaps": files }))
    };
    let codes = |spec: Value| said(spec, json!({})).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(spec(json!([{"name": "gone"}]))), ["SourceMissing"]);
    assert!(codes(spec(json!([{"name": "files"}]))).contains(&"RingMissing".to_owned()));
    assert!(
        codes(and(good(), "ringList", json!([{"name": "Ring", "file": "ring.pcm"}])))
            .contains(&"RingMissing".to_owned())
    );
    let both = codes(spec(json!([{"name": "files"}, {"name": "gone"}])));
    assert!(!both.contains(&"RingMissing".to_owned()) && both.contains(&"SourceMissing".to_owned()), "{both:?}");
    let url = json!({"source": {"urls": [{"url": "https://files.example.com/ring.pcm", "sha256": "a".repeat(64)}]}});
    let spec = and(and(good(), "ringList", json!([{"name": "Ring", "file": "ring.pcm"}])), "firmware", url);
    assert_eq!(codes(spec), [""; 0]);
}

#[test]
fn an_image_whose_name_tells_nothing_is_not_taken_for_an_old_one() {
    let of = |image: Value| {
        let spec = and(good(), "firmware", json!({"image": image, "bootstrap": "P003-8-12-00"}));
        said(spec, json!({})).into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(of("P0S3 8 12".into()), ["Invalid", "SiteInvalid"]);
    assert_eq!(of("newest".into()), ["ImageName"]);
    assert!(of("P0S3-06-3-00".into()).contains(&"TwoStepUpgrade".to_owned()));
    // As in Cisco's own packages.
    for bootstrap in ["P003-8-12-00", "P003-08-4-00"] {
        let found = said(and(good(), "firmware", json!({"bootstrap": bootstrap})), json!({}));
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn after_a_restart_a_refused_site_is_no_default_site() {
    let mut before = Fleet::new();
    let keep = |spec: Value| and(spec, "unsetParameters", "Keep".into());
    site(&mut before, 1, keep(good()));
    phone(&mut before, "p", 1, 0, plain(MAC, "1"));
    let slots = write_all(&mut before);
    let file = text(&before, FILE).unwrap();
    assert!(!file.contains("line1_contact"), "{file}");
    let mut after = restarted(&before, &slots, |fleet| {
        site(fleet, 2, keep(broken(good())));
        phone(fleet, "p", 1, 0, plain(MAC, "1"));
    });
    after.take_work();
    assert_eq!(text(&after, FILE).unwrap(), file, "it is still Keep");
}
