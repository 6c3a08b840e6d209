//! Causes in two objects: what one object would be told, a site and its phone are told together.

use super::advice::{and, good, said, with};
use super::*;

/// What is said of a site and a phone of one line, in `ns`; the Secret `s` has a password of 32 characters.
fn codes(at_site: Value, at_phone: Value) -> Vec<String> {
    let found = said(at_site, at_phone).into_iter().map(|(code, _)| code);
    found.filter(|code| code != "PasswordTooLong").collect()
}

fn text_of(code: &str, at_site: Value, at_phone: Value) -> String {
    let found = said(at_site, at_phone);
    let mut texts = found.iter().filter(|(one, _)| one == code).map(|(_, text)| text.clone());
    let text = texts.next().unwrap_or_else(|| panic!("{code}: {found:#?}"));
    assert_eq!(texts.next(), None, "once");
    text
}

fn settings(settings: Value) -> Value {
    json!({ "settings": settings })
}

#[test]
fn a_name_at_the_site_and_address_translation_at_the_phone() {
    let site = || with(json!({"proxy1Address": "sip.example.net"}));
    let behind = || settings(json!({"natEnable": true, "natAddress": "194.223.1.1"}));
    let text = text_of("NatWithName", site(), behind());
    assert!(text.starts_with("spec.settings.natEnable: is on"), "{text}");
    assert!(text.contains("key 1 is sip.example.net, by the site's settings.proxy1Address"), "{text}");
    let extra = || json!({"extraParameters": {"nat_enable": "1"}});
    assert!(text_of("NatWithName", site(), extra()).starts_with("spec.extraParameters.nat_enable: is on"));
    // The other way round, and on another key.
    let lines = json!({"lines": [{"name": "1"}, {"key": 4, "name": "4", "proxy": {"address": "pbx.example.com"}}]});
    let text = text_of("NatWithName", with(json!({"natEnable": true})), lines.clone());
    assert!(text.starts_with("spec.lines[1].proxy.address: is pbx.example.com"), "{text}");
    assert!(text.contains("and the site's settings.natEnable is on"), "{text}");
    // Both halves on the phone, both on the site.
    assert_eq!(codes(good(), and(lines, "settings", json!({"natEnable": true}))), ["NatWithName"]);
    let both = with(json!({"proxy1Address": "sip.example.net", "natEnable": true}));
    assert_eq!(codes(both, json!({})), ["NatWithName"], "the site is told, and not each of its phones again");
    let second = with(json!({"proxy2Address": "sip.example.net", "natEnable": true}));
    assert!(text_of("NatWithName", second, json!({})).contains("proxy2_address is sip.example.net"));
    let on_second = json!({"lines": [{"key": 2, "name": "2"}], "settings": {"natEnable": true}});
    assert_eq!(codes(with(json!({"proxy2Address": "sip.example.net"})), on_second), ["NatWithName"]);
}

#[test]
fn what_is_no_name_behind_address_translation_draws_nothing() {
    let behind = || settings(json!({"natEnable": true}));
    for (at_site, at_phone) in [
        (good(), behind()),
        // The line has a server of its own, and no line takes the site's.
        (
            with(json!({"proxy1Address": "sip.example.net"})),
            and(behind(), "lines", json!([{"name": "1", "proxy": {"address": "10.0.0.9"}}])),
        ),
        (with(json!({"proxy2Address": "sip.example.net"})), behind()),
        (with(json!({"proxy1Address": "sip.example.net"})), settings(json!({"natEnable": false}))),
        (with(json!({"proxy1Address": "sip.example.net", "natEnable": false})), json!({})),
        (and(json!({}), "extraParameters", json!({"proxy1_address": "USECALLMANAGER"})), behind()),
    ] {
        let found = codes(at_site.clone(), at_phone.clone());
        assert!(!found.contains(&"NatWithName".to_owned()), "{at_site} {at_phone}: {found:?}");
    }
}

#[test]
fn credentials_while_nothing_registers() {
    let password = |key: u8| json!([{"key": key, "name": "71", "passwordSecretRef": {"name": "s", "key": "p"}}]);
    let text = text_of("NotRegistered", good(), json!({"lines": password(2)}));
    assert!(text.starts_with("spec.lines[0].passwordSecretRef: "), "{text}");
    assert!(text.contains("on key 2, and nobody sets proxy_register, which is off by default"), "{text}");
    assert!(text.contains("Asterisk"), "{text}");
    let off = with(json!({"proxyRegister": false}));
    let text = text_of("NotRegistered", off, json!({"lines": [{"name": "1", "authName": "u"}]}));
    assert!(text.contains("proxy_register is off, by the site's settings.proxyRegister"), "{text}");
    let own_off = and(settings(json!({"proxyRegister": false})), "lines", password(1));
    let on = || with(json!({"proxyRegister": true}));
    assert!(text_of("NotRegistered", on(), own_off).contains("is off, by settings.proxyRegister"));
    for (at_site, at_phone) in [
        (and(good(), "unsetParameters", "Keep".into()), json!({"lines": password(1)})),
        (and(good(), "extraParameters", json!({"proxy_register": "0"})), json!({"lines": password(1)})),
        (good(), json!({"lines": [], "extraParameters": {"line2_name": "7", "line2_authname": "7"}})),
        (good(), json!({"secretParameters": {"line1_password": {"name": "s", "key": "p"}}})),
        (and(good(), "secretParameters", json!({"line1_password": {"name": "s", "key": "p"}})), json!({})),
        (and(good(), "extraParameters", json!({"line1_authname": "all"})), json!({})),
    ] {
        let found = codes(at_site.clone(), at_phone.clone());
        assert_eq!(found.iter().filter(|code| *code == "NotRegistered").count(), 1, "{at_site} {at_phone}: {found:?}");
    }
    for (at_site, at_phone) in [
        (on(), json!({"lines": password(1)})),
        (good(), and(settings(json!({"proxyRegister": true})), "lines", password(1))),
        (and(good(), "extraParameters", json!({"proxy_register": "1"})), json!({"lines": password(1)})),
        (good(), json!({})),
        (good(), json!({"extraParameters": {"line1_authname": "UNPROVISIONED", "line1_password": "UNPROVISIONED"}})),
        // Credentials of keys that have no line.
        (good(), json!({"extraParameters": {"line2_authname": "x"}})),
        (and(good(), "extraParameters", json!({"line3_authname": "x"})), json!({})),
    ] {
        let found = codes(at_site.clone(), at_phone.clone());
        assert!(!found.contains(&"NotRegistered".to_owned()), "{at_site} {at_phone}: {found:?}");
    }
}

#[test]
fn daylight_saving_also_where_nothing_is_reset() {
    let keep = |spec: Value| and(spec, "unsetParameters", "Keep".into());
    let text = text_of("DaylightSavingUnset", keep(with(json!({"timeZone": "CET"}))), json!({}));
    assert!(
        text.contains("is CET and no dst field is set") && text.contains("a new phone is told of no rules"),
        "{text}"
    );
    let part = with(json!({"timeZone": "CET", "dstAutoAdjust": true}));
    assert!(
        text_of("DaylightSavingUnset", part, json!({})).contains("dst_start_month and dst_stop_month are not both")
    );
    let extra = and(good(), "extraParameters", json!({"time_zone": "EST", "dst_auto_adjust": "1"}));
    assert_eq!(codes(extra, json!({})).iter().filter(|code| *code == "DaylightSavingUnset").count(), 1);
    let own = || settings(json!({"timeZone": "JST"}));
    assert!(codes(good(), own()).contains(&"DaylightSavingUnset".to_owned()), "nobody says when the clock changes");
    assert!(codes(keep(good()), own()).contains(&"DaylightSavingUnset".to_owned()));
    assert!(codes(with(json!({"timeZone": "Europe/Berlin"})), own()).contains(&"DaylightSavingOfSite".to_owned()));
    let months = json!({"dstStartMonth": "March", "dstStopMonth": "October"});
    for (at_site, at_phone) in [
        (keep(with(json!({"timeZone": "Europe/Berlin"}))), json!({})),
        (keep(with(json!({"timeZone": "JST", "dstAutoAdjust": false}))), json!({})),
        (with(json!({"timeZone": "CET", "dstStartMonth": "March", "dstStopMonth": "October"})), json!({})),
        (
            and(
                with(json!({"timeZone": "CET"})),
                "extraParameters",
                json!({"dst_start_month": "March", "dst_stop_month": "Oct"}),
            ),
            json!({}),
        ),
        // The site says that no phone changes its clock, or where the phone is anyway.
        (with(json!({"dstAutoAdjust": false})), own()),
        (with(json!({"timeZone": "Asia/Tokyo"})), settings(json!({"timeZone": "Asia/Tokyo"}))),
        (good(), settings(and(months.clone(), "timeZone", "CET".into()))),
        (good(), settings(months)),
        (keep(good()), json!({})),
    ] {
        let found = codes(at_site.clone(), at_phone.clone());
        let told = found.iter().filter(|code| code.starts_with("DaylightSaving")).count();
        assert_eq!(told, 0, "{at_site} {at_phone}: {found:?}");
    }
}

#[test]
fn doors_clocks_and_ports_of_which_each_object_has_a_half() {
    let key = || json!({"name": "s", "key": "p"});
    // A password that everybody knows, on one phone of a site whose door is open.
    let open = || with(json!({"telnetLevel": "Privileged", "phonePasswordSecretRef": key()}));
    assert_eq!(codes(open(), json!({})), [""; 0]);
    let text =
        text_of("TelnetDefaultPassword", open(), json!({"extraParameters": {"phone_password": "UNPROVISIONED"}}));
    assert!(text.contains("and the site's settings.telnetLevel lets everybody restart the phone"), "{text}");
    assert_eq!(
        codes(with(json!({"phonePasswordSecretRef": key()})), settings(json!({"telnetLevel": "Enabled"}))),
        [""; 0]
    );
    // A time server that is on the other object, or taken away there.
    let unicast = || with(json!({"sntpMode": "Unicast", "sntpServer": "10.0.0.3"}));
    assert_eq!(codes(with(json!({"sntpServer": "10.0.0.3"})), settings(json!({"sntpMode": "Unicast"}))), [""; 0]);
    assert_eq!(
        codes(with(json!({"sntpMode": "Unicast"})), settings(json!({"sntpServer": "10.0.0.3"}))),
        ["NoTimeServer"],
        "the site"
    );
    assert_eq!(codes(good(), settings(json!({"sntpMode": "Unicast"}))), ["NoTimeServer"]);
    let text = text_of("NoTimeServer", unicast(), json!({"extraParameters": {"sntp_server": "0.0.0.0"}}));
    assert!(
        text.contains("spec.extraParameters.sntp_server") && text.contains("the site's settings.sntpMode is Unicast"),
        "{text}"
    );
    // Media ports.
    let text =
        text_of("UnusualValue", with(json!({"startMediaPort": 20000})), settings(json!({"endMediaPort": 18000})));
    assert!(
        text.contains("is 18000, not above the first port, 20000, by the site's settings.startMediaPort"),
        "{text}"
    );
    let text =
        text_of("UnusualValue", with(json!({"endMediaPort": 18000})), settings(json!({"startMediaPort": 18000})));
    assert!(text.contains("is 18000, not below the last port, 18000, by the site's settings.endMediaPort"), "{text}");
    assert_eq!(codes(with(json!({"endMediaPort": 18000})), settings(json!({"startMediaPort": 17000}))), [""; 0]);
}

#[test]
fn a_phone_with_other_firmware_than_its_site() {
    let of = |site: &str, phone: Value| {
        codes(and(with(json!({"servicesUrl": "http://x/"})), "firmware", json!({"image": site})), phone)
    };
    let old = || json!({"firmware": {"image": "P0S3-03-2-00"}});
    assert_eq!(of("P0S3-07-4-00", old()), ["NewerThanFirmware"]);
    assert_eq!(of("P0S3-03-2-00", old()), ["NewerThanFirmware"], "the site is told, and the phone not again");
    assert_eq!(of("P0S3-07-4-00", json!({"firmware": {"image": "P0S3-06-3-00"}})), [""; 0]);
    assert_eq!(of("P0S3-07-4-00", json!({})), [""; 0]);
    // Also where the image stands in extraParameters, as import leaves it.
    let extra = |image: &str| json!({"extraParameters": {"image_version": image}});
    let newer = |at_site: Value, at_phone: Value| {
        codes(at_site, at_phone).iter().filter(|code| *code == "NewerThanFirmware").count()
    };
    let services = || with(json!({"servicesUrl": "http://x/"}));
    assert_eq!(newer(and(services(), "extraParameters", json!({"image_version": "P0S3-03-2-00"})), json!({})), 1);
    assert_eq!(newer(services(), extra("P0S3-03-2-00")), 1);
    assert_eq!(newer(services(), extra("P0S3-8-12-00")), 0);
    let site =
        and(with(json!({"servicesUrl": "http://x/", "callStats": true})), "firmware", json!({"image": "P0S3-07-4-00"}));
    let text = text_of("NewerThanFirmware", site, old());
    assert!(
        text.contains("is P0S3-03-2-00, and the site's settings.callStats is known since firmware 6.0 and 1 more"),
        "{text}"
    );
}

#[test]
fn an_emergency_proxy_and_the_rules_that_use_it() {
    let plan = |rules: Value| and(good(), "dialPlan", json!({"templates": rules}));
    let emergency = || json!([{"match": "911", "timeout": 0, "route": "Emergency"}]);
    let own = || settings(json!({"proxyEmergency": "10.0.0.2"}));
    assert_eq!(codes(plan(emergency()), own()), [""; 0], "no phone is without");
    let at_site =
        and(plan(emergency()), "settings", json!({"proxy1Address": "10.0.0.1", "proxyEmergency": "10.0.0.2"}));
    let outbound = || settings(json!({"outboundProxy": "10.0.0.5", "proxyEmergency": "10.0.0.6"}));
    let text = text_of("OutboundProxy", at_site.clone(), outbound());
    assert!(text.contains("a rule of the dial plan has a route that will not be taken"), "{text}");
    assert_eq!(codes(at_site, outbound()), ["OutboundProxy"], "the plan does route to Emergency");
    assert_eq!(codes(plan(json!([{"match": "911", "timeout": 0}])), own()), ["EmergencyProxyUnused"]);
    // A plan in a ConfigMap may have such a rule; in one that was looked into there is none.
    for (name, is_unused) in [("gone", false), ("unread", false), ("files", true)] {
        let maps = and(with(json!({"proxyEmergency": "10.0.0.2"})), "files", json!({"configMaps": [{"name": name}]}));
        for phone in [json!({}), own()] {
            let found = codes(maps.clone(), phone);
            assert_eq!(found.contains(&"EmergencyProxyUnused".to_owned()), is_unused, "{name}: {found:?}");
        }
    }
}

#[test]
fn a_line_without_a_server_has_that_of_the_first() {
    let two = |first: Value| json!({"lines": [first, {"name": "b"}]});
    let proxied = || json!({"name": "a", "proxy": {"address": "10.0.0.4"}});
    assert_eq!(codes(json!({}), two(proxied())), [""; 0]);
    assert_eq!(codes(json!({}), two(json!({"name": "a"}))), ["NoProxy", "NoProxy"]);
    let second = json!({"settings": {"proxy2Address": "10.0.0.2"}});
    assert_eq!(codes(second.clone(), two(json!({"name": "a"}))), ["NoProxy"]);
    assert_eq!(codes(second, json!({"lines": [{"key": 2, "name": "b"}]})), [""; 0]);
    let extra = |name: &str| json!({"lines": [], "extraParameters": {"line2_name": "b", name: "10.0.0.2"}});
    for name in ["proxy1_address", "proxy2_address"] {
        let found = codes(json!({}), extra(name));
        assert!(!found.contains(&"NoProxy".to_owned()), "{name}: {found:?}");
    }
    assert!(codes(json!({}), extra("proxy3_address")).contains(&"NoProxy".to_owned()));
    // A line that the site names for all.
    let shared = and(good(), "extraParameters", json!({"line2_name": "7999"}));
    assert_eq!(codes(shared, json!({"lines": []})), [""; 0]);
}

#[test]
fn a_change_at_the_site_is_heard_at_its_phones() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, good());
    let mut spec = plain(MAC, "1");
    spec["settings"] = json!({"natEnable": true});
    phone(&mut fleet, "p", 1, 0, spec);
    let told = |fleet: &mut Fleet| {
        fleet.take_work();
        fleet.findings().flat_map(|(_, _, found)| found).filter(|one| one.code() == "NatWithName").count()
    };
    assert_eq!(told(&mut fleet), 0);
    site(&mut fleet, 2, with(json!({"proxy1Address": "sip.example.net"})));
    assert_eq!(told(&mut fleet), 1);
    site(&mut fleet, 3, good());
    assert_eq!(told(&mut fleet), 0);
}
