//! Slips in names, left-overs of templates, and in which order what is said of a tree comes.

use super::*;

/// Imports a common file and a phone's; what was said, line by line.
fn said(common: &str, own: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIPDefault.cnf", common), ("SIP000A8A123456.cnf", own)]);
    let output = round_trip(root.path(), &["--model", "7960"]);
    text(&output.stderr).lines().map(str::to_owned).collect()
}

#[test]
fn slips_and_left_overs_are_told_with_their_lines() {
    let said = said(
        "proxy1_address: \"10.0.0.1\"\ntimer_register: 1800\nnat_recieved_processing: 1\nlogo_url: \"http://YOUR_SERVER_IP/logo.bmp\"\n\
         proxy2_address: \"xxx.xxx.xxx.xxx\"\ntransfer_on_hangup: 1\nntp_server: 10.0.0.2\ndirectory_url: \"http://<ip>/d.xml\"\n\
         services_url: \"http://${PBX}/s\"\nsntp_server: \"%NTP%\"\noutbound_proxy: \"{{ proxy }}\"\nnat_address: \"WAN_ADDRESS\"\n",
        "line1_name: 7101\nline1_authname: \"CHANGEME_LINE1_AUTHNAME\"\nline1_password: \"CHANGEME_LINE1_PASSWORD\"\n\
         line1_shortnam: x\nphone_promt: SIP\nphone_label: \"@@LABEL@@\"\nline2_name: \"$EXT\"\n",
    );
    for (place, what) in [
        ("SIPDefault.cnf:2: timer_register", "did its author mean timer_register_expires?"),
        ("SIPDefault.cnf:3: nat_recieved_processing", "did its author mean nat_received_processing?"),
        ("SIPDefault.cnf:4: logo_url", "looks like a placeholder"),
        ("SIPDefault.cnf:5: proxy2_address", "looks like a placeholder"),
        ("SIPDefault.cnf:6: transfer_on_hangup", "did its author mean transfer_onhook_enabled?"),
        ("SIPDefault.cnf:7: ntp_server", "did its author mean sntp_server?"),
        ("SIPDefault.cnf:8: directory_url", "looks like a placeholder"),
        ("SIPDefault.cnf:9: services_url", "looks like a placeholder"),
        ("SIPDefault.cnf:10: sntp_server", "looks like a placeholder"),
        ("SIPDefault.cnf:11: outbound_proxy", "looks like a placeholder"),
        ("SIPDefault.cnf:12: nat_address", "looks like a placeholder"),
        ("SIP000A8A123456.cnf:2: line1_authname is \"CHANGEME_LINE1_AUTHNAME\"", "looks like a placeholder"),
        ("SIP000A8A123456.cnf:3: line1_password looks", "looks like a placeholder"),
        ("SIP000A8A123456.cnf:4: line1_shortnam", "did its author mean line1_shortname?"),
        ("SIP000A8A123456.cnf:5: phone_promt", "did its author mean phone_prompt?"),
        ("SIP000A8A123456.cnf:6: phone_label", "looks like a placeholder"),
        ("SIP000A8A123456.cnf:7: line2_name", "looks like a placeholder"),
    ] {
        let is_it = |line: &&String| line.starts_with(&format!("warning: {place}")) && line.contains(what);
        assert_eq!(said.iter().filter(is_it).count(), 1, "{place}: {what}\n{said:#?}");
    }
    assert!(!said.iter().any(|line| line.contains("LINE1_PASSWORD")), "{said:#?}");
}

#[test]
fn good_values_and_names_of_other_makers_are_not_doubted() {
    let said = said(
        "proxy1_address: \"sip.example.net\"\nlogo_url: \"http://10.0.0.1/100%25.bmp\"\nmessages_uri: \"*97\"\ngarp_enable: 0\nsntp_server: 0.0.0.0\n",
        "line1_name: 7101\nline1_displayname: \"Your Pizza\"\nphone_label: \"XX-Lab\"\nline1_password: \"<x>%A%$ecret__x__\"\nline1_shortname: \"100%\"\n\
         line2_name: 7102\nline2_password: \"xxxxxxxx\"\nline2_displayname: \"$mart <3\"\n",
    );
    assert!(!said.iter().any(|line| line.contains("placeholder") || line.contains("author")), "{said:#?}");
}

#[test]
fn what_matters_is_said_first_and_spelling_in_one_line() {
    let root = tempfile::tempdir().unwrap();
    let spelled = "dst_start_month: April\ndst_stop_month: Oct\ndst_start_time: 02\ndst_stop_day_of_week: Sun\n";
    let files: Files<'_> = &[
        ("SIPDefault.cnf", spelled.as_bytes()),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\ntimer_t1: 0500\ngarp_enable: 0\n"),
        ("a-note.txt", b"hello"),
        ("SIP000A8A123457.cnf", b"line1_name: 7102\nline1_authname: CHANGEME\nphone_label\n"),
    ];
    write(root.path(), files);
    let said = text(&round_trip(root.path(), &["--model", "7960"]).stderr);
    let lines: Vec<&str> = said.lines().collect();
    let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {said}"));
    assert!(at("CHANGEME").max(at("3: not used: has no ':'")) < at("garp_enable").min(at("a-note.txt")), "{said}");
    let spelling = at("would say the same");
    assert!(
        spelling > at("a-note.txt") && lines[spelling].contains("; and 4 more values are of that kind; --tidy"),
        "{said}"
    );
    assert_eq!(said.matches("would say the same").count(), 1, "{said}");
    let count = lines.iter().filter(|line| line.starts_with("warning: ")).count();
    assert!(said.contains(&format!("hq: 2 phones, {count} warnings")), "{said}");
}

/// Imports a dial plan; what was said, and the manifests.
fn with_plan(plan: &str) -> (String, String) {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("SIPDefault.cnf", "dial_template: dialplan\n"),
            ("SIP000A8A123456.cnf", "line1_name: 1\n"),
            ("dialplan.xml", plan),
        ],
    );
    let output = round_trip(root.path(), &["--model", "7960"]);
    (text(&output.stderr), text(&output.stdout))
}

#[test]
fn a_hotline_and_a_warm_line_are_typed_where_a_manifest_can_say_them() {
    let plan = |rules: &str| with_plan(&format!("<DIALTEMPLATE>\n{rules}\n</DIALTEMPLATE>\n"));
    let (_, hotline) = plan("<TEMPLATE MATCH=\"\" Timeout=\"0\" Rewrite=\"7100\"/>");
    assert!(
        hotline.contains("offHook:") && hotline.contains("number: \"7100\"") && hotline.contains("timeout: 0"),
        "{hotline}"
    );
    assert!(!hotline.contains("templates:") && !hotline.contains("kind: ConfigMap"), "{hotline}");
    let (_, warm) = plan(
        "<TEMPLATE MATCH=\"\" Timeout=\"8\" Rewrite=\"0\" User=\"Phone\" Route=\"Emergency\"/>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\"/>",
    );
    assert!(
        ["offHook:", "timeout: 8", "user: Phone", "route: Emergency", "templates:"]
            .iter()
            .all(|part| warm.contains(part)),
        "{warm}"
    );
    for other in [
        "<TEMPLATE MATCH=\"\" Rewrite=\"7100\"/>",
        "<TEMPLATE MATCH=\"\" Timeout=\"0\" Rewrite=\"7100\" Line=\"2\"/>",
        "<TEMPLATE MATCH=\"\" Timeout=\"0\" Rewrite=\"7100\"/>\n<TEMPLATE MATCH=\"\" Timeout=\"5\" Rewrite=\"7200\"/>",
        "<TEMPLATE MATCH=\"112\" Timeout=\"0\"/>\n<TEMPLATE MATCH=\"\" Timeout=\"5\" Rewrite=\"7200\"/>",
    ] {
        let (said, manifests) = plan(other);
        assert!(!manifests.contains("offHook") && manifests.contains("kind: ConfigMap"), "{other}\n{manifests}");
        assert!(said.contains("served as it is"), "{said}");
    }
    let (said, _) = plan("<TEMPLATE MATCH=\"\" Timeout=\"0\"/>");
    assert!(said.contains("calls nobody when the handset is lifted"), "{said}");
}

#[test]
fn the_word_unprovisioned_as_a_name_is_told_of() {
    let said = said(
        "proxy1_address: 10.0.0.1\n",
        "line1_name: 7101\nline2_name: UNPROVISIONED\nline2_authname: UNPROVISIONED\nline3_name: \"\"\n",
    );
    let told = said.iter().filter(|line| line.contains("only an empty name means no line")).count();
    assert!(
        told == 1
            && said.iter().any(|line| line.starts_with("warning: SIP000A8A123456.cnf:2: line2_name is UNPROVISIONED")),
        "{said:#?}"
    );
}

#[test]
fn a_slip_in_the_name_of_a_password_does_not_show_it() {
    for name in ["line1_pasword", "line1_passwort", "phone_pasword"] {
        let root = tempfile::tempdir().unwrap();
        let own = format!("line1_name: 71\n{name}: hunter2\n");
        write(root.path(), &[("SIPDefault.cnf", "proxy1_address: 10.0.0.1\n"), ("SIP000A8A123456.cnf", &own)]);
        let output = round_trip(root.path(), &[]);
        let (said, manifests) = (text(&output.stderr), text(&output.stdout));
        assert!(said.contains("did its author mean") && !said.contains("hunter2"), "{said}");
        let secret = manifests.split("---").find(|document| document.contains("kind: Secret")).unwrap();
        assert!(secret.contains("hunter2") && manifests.matches("hunter2").count() == 1, "{manifests}");
    }
}
