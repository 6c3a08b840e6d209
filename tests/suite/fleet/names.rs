//! Names that were meant otherwise and values that nobody filled in, wherever an object may hold them.

use super::*;

/// What is said of a site and a phone: the code, and all of the text.
fn said(at_site: Value, at_phone: Value) -> Vec<(String, String)> {
    let mut fleet = Fleet::offline();
    let mut common = json!({"settings": {"proxy1Address": "10.0.0.1"}});
    let mut own = json!({"siteRef": {"name": "hq"}, "mac": MAC, "model": "7960", "lines": [{"name": "7101"}]});
    for (spec, more) in [(&mut common, at_site), (&mut own, at_phone)] {
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
    }
    site(&mut fleet, 1, common);
    phone(&mut fleet, "p", 1, 0, own);
    fleet.take_work();
    secret(&mut fleet, "CHANGEME_LINE1_PASSWORD");
    fleet.take_work();
    let found = fleet.findings().flat_map(|(_, _, found)| found);
    found.map(|one| (one.code().to_owned(), one.to_string())).collect()
}

fn codes(at_site: Value, at_phone: Value) -> Vec<String> {
    said(at_site, at_phone).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn a_slip_in_a_free_parameter_is_told_of_on_a_site_and_on_a_phone() {
    for (slip, meant) in [
        ("timer_register", "timer_register_expires"),
        ("nat_recieved_processing", "nat_received_processing"),
        ("timer_registry_delta", "timer_register_delta"),
        ("register_expires", "timer_register_expires"),
        ("phone_promt", "phone_prompt"),
        ("lines2_name", "line2_name"),
        ("line2_auth_name", "line2_authname"),
        ("line2_proxy_address", "proxy2_address"),
        ("prefered_codec", "preferred_codec"),
        ("dtmf_out_of_band", "dtmf_outofband"),
        ("timeZone", "time_zone"),
        ("Backup_Proxy", "proxy_backup"),
        ("logo_uri", "logo_url"),
    ] {
        let extra = || json!({"extraParameters": {slip: "1"}});
        for found in [said(extra(), json!({})), said(json!({}), extra())] {
            let is_it = |(code, text): &(String, String)| {
                code == "MisspelledParameter"
                    && text.contains(&format!("spec.extraParameters.{slip}: "))
                    && text.contains(&format!("(did you mean {meant}?)"))
            };
            assert_eq!(found.iter().filter(|one| is_it(one)).count(), 1, "{slip}: {found:?}");
        }
    }
    let secret = json!({"secretParameters": {"line2_pasword": {"name": "s", "key": "p"}}});
    let found = said(json!({}), secret);
    assert!(found[0].1.contains("did you mean line2_password?"), "{found:?}");
    assert!(found.len() == 2 && found[1].0 == "Placeholder" && !found[1].1.contains("CHANGEME"), "{found:?}");
    // What is refused in settings names the same.
    let settings = |field: &str| said(json!({"settings": {field: 1800}}), json!({}));
    for (field, meant) in [
        ("registerExpires", "timerRegisterExpires"),
        ("timerRegister", "timerRegisterExpires"),
        ("ntpServer", "sntpServer"),
        ("dialPlan", "dialTemplate"),
    ] {
        let found = settings(field);
        assert!(found.iter().any(|(_, text)| text.contains(&format!("did you mean {meant}?"))), "{field}: {found:?}");
    }
}

#[test]
fn a_good_name_that_dialtone_does_not_know_draws_nothing() {
    for name in [
        "garp_enable",
        "dscpForAudio",
        "x_mine",
        "vlan_id",
        "cdp_enable",
        "unheard_of",
        "idle_url",
        "xml_card_dir",
        "call_pickup",
    ] {
        assert_eq!(
            codes(json!({"extraParameters": {name: "1"}}), json!({"extraParameters": {name: "1"}})),
            [""; 0],
            "{name}"
        );
    }
}

#[test]
fn what_nobody_filled_in_is_told_of_wherever_it_stands() {
    let at_site = |settings: Value| said(json!({"settings": settings}), json!({}));
    let at_phone = |spec: Value| said(json!({}), spec);
    for (found, field) in [
        (at_site(json!({"proxy1Address": "YOUR_SERVER_IP"})), "spec.settings.proxy1Address"),
        (
            at_site(json!({"proxy1Address": "10.0.0.1", "proxy2Address": "xxx.xxx.xxx.xxx"})),
            "spec.settings.proxy2Address",
        ),
        (
            at_site(json!({"proxy1Address": "10.0.0.1", "logoUrl": "http://YOUR_SERVER_IP/logo.bmp"})),
            "spec.settings.logoUrl",
        ),
        (
            at_site(json!({"proxy1Address": "10.0.0.1", "servicesUrl": "http://yourserver/x"})),
            "spec.settings.servicesUrl",
        ),
        (at_site(json!({"proxy1Address": "10.0.0.1", "natAddress": "WAN_ADDRESS"})), "spec.settings.natAddress"),
        (at_site(json!({"proxy1Address": "10.0.0.1", "sntpServer": "192.168.x.x"})), "spec.settings.sntpServer"),
        (
            at_site(json!({"proxy1Address": "10.0.0.1", "directoryUrl": "http://TrixboxIpaddress/d"})),
            "spec.settings.directoryUrl",
        ),
        (
            at_phone(json!({"lines": [{"name": "7101", "authName": "CHANGEME_LINE1_AUTHNAME"}]})),
            "spec.lines[0].authName",
        ),
        (at_phone(json!({"lines": [{"name": "YOUR_EXTENSION"}]})), "spec.lines[0].name"),
        (at_phone(json!({"lines": [{"name": "7101", "displayName": "Your Name"}]})), "spec.lines[0].displayName"),
        (at_phone(json!({"lines": [{"name": "7101", "displayName": "$DisplayName"}]})), "spec.lines[0].displayName"),
        (
            at_phone(json!({"lines": [{"name": "7101", "proxy": {"address": "pbx.yourdomain.com"}}]})),
            "spec.lines[0].proxy.address",
        ),
        (
            said(
                json!({"firmware": {"source": {"urls": [{"url": "https://YOUR_SERVER/P0S3-8-12-00.bin", "sha256": "0".repeat(64)}]}}}),
                json!({}),
            ),
            "spec.firmware.source.urls[0].url",
        ),
        (at_phone(json!({"label": "{{label}}"})), "spec.label"),
        (at_phone(json!({"label": "CHANGEME"})), "spec.label"),
        (at_phone(json!({"extraParameters": {"unheard_of": "@@VALUE@@"}})), "spec.extraParameters.unheard_of"),
        (
            said(
                json!({"dialPlan": {"templates": [{"match": "911", "timeout": 0}, {"match": "9*", "route": "YOUR_GATEWAY"}]}}),
                json!({}),
            ),
            "spec.dialPlan.templates[1].route",
        ),
    ] {
        let is_it = |(code, text): &(String, String)| code == "Placeholder" && text.starts_with(field);
        assert!(found.iter().any(is_it), "{field}: {found:?}");
    }
}

#[test]
fn good_values_are_no_placeholders_and_of_a_secret_it_is_said_that_nobody_filled_it_in() {
    let phone = json!({
        "label": "XX-Lab", "lines": [
            {"name": "7101", "displayName": "Your Pizza", "shortName": "100%", "authName": "us$r"},
            {"name": "7102", "displayName": "<Desk>", "shortName": "$mart", "passwordSecretRef": {"name": "s", "key": "p"}},
            {"name": "7103", "displayName": "50% off 20%", "shortName": "[Lab]"},
        ],
        "extraParameters": {"unheard_of": "a {b} c"},
        "secretParameters": {"phone_password": {"name": "s", "key": "p"}},
    });
    let plan = json!({"dialPlan": {"templates": [
        {"match": "911", "timeout": 0}, {"match": "9,1..........", "rewrite": "1%1%2", "timeout": 3}, {"match": "\\*7...", "rewrite": "%s", "route": "pbx.example.net"},
    ]}});
    let found = codes(plan, phone);
    assert_eq!(found, ["Placeholder", "Placeholder", "NotRegistered"], "it has two passwords and does not register");
}
