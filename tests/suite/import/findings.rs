//! What those who migrate hear of what phones get.

use super::*;

fn said(common: &str, phones: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIPDefault.cnf", common)]);
    write(root.path(), phones);
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq", "--check", "--model", "7960"], "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn what_rendering_would_say_is_said_at_once_and_of_many_phones_once() {
    let phone = |n: u8| format!("line1_name: 71{n}\nline1_password: words-{n}\nline1_authname: 71{n}\n");
    let common = "proxy1_address: sip.example.net\ntime_zone: CET\ndst_auto_adjust: 1\nnat_enable: 0\n";
    let behind = phone(3) + "nat_enable: 1\nnat_address: 192.0.2.7\n";
    let all = said(
        common,
        &[("SIP000A8A123401.cnf", &phone(1)), ("SIP000A8A123402.cnf", &phone(2)), ("SIP000A8A123403.cnf", &behind)],
    );
    for part in [
        "warning: PhoneSite hq: spec.settings.timeZone: is CET and dst_start_month and dst_stop_month are not both set",
        "a new phone is told of no rules",
        "warning: SipPhone phone-000a8a123401, phone-000a8a123402, phone-000a8a123403: spec.lines[0].passwordSecretRef: is for a line that registers",
        "nobody sets proxy_register, which is off by default",
        "warning: SipPhone phone-000a8a123403: spec.settings.natEnable: is on",
        "is sip.example.net, by the site's settings.proxy1Address",
        "hq: 3 phones, 3 warnings",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    assert!(!all.contains("words-"), "{all}");
}

#[test]
fn what_is_well_draws_nothing() {
    let common = "proxy1_address: 10.0.0.1\nproxy_register: 1\ntime_zone: CET\ndst_start_month: 3\ndst_stop_month: 10\nmessages_uri: \"sip:8@h;user=phone\"\n";
    let all =
        said(common, &[("SIP000A8A123401.cnf", "line1_name: 71\nline1_password: \"a;b\" ; ours\nline3_name: 73\n")]);
    assert!(all.contains("hq: 1 phone, 0 warnings"), "{all}");
}

#[test]
fn a_password_that_ends_at_a_semicolon_is_told_and_not_shown() {
    let all = said(
        "proxy1_address: 10.0.0.1\nproxy_register: 1\n",
        &[("SIP000A8A123401.cnf", "line1_name: 71\nline1_password: horse;battery\nphone_password: staple ; ours\n")],
    );
    assert!(
        all.contains("SIP000A8A123401.cnf:2: what stands behind ';' is a comment for phones, so that line1_password"),
        "{all}"
    );
    assert!(!all.contains("horse") && !all.contains("battery") && all.contains("hq: 1 phone, 1 warning"), "{all}");
}

/// What is said of a file's line is not said again of the manifest that it becomes.
#[test]
fn each_thing_is_said_once() {
    let common = "proxy1_address: \"YOUR_SERVER_IP\"\nlogo_url: \"http://YOUR_SERVER_IP/logo.bmp\"\ntimer_register: 1800\ndial_template: \"voip/plans/desk\"\nproxy_register: 1\n";
    let plan =
        "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"9NXXXXXX\"/>\n<TEMPLATE MATCH=\"*\" Timeout=\"0\"/>\n</DIALTEMPLATE>\n";
    let all = said(
        common,
        &[
            ("voip/plans/desk.xml", plan),
            ("SIP000A8A123456.cnf", "line2_name: \"7702\"\nline2_authname: \"CHANGEME_LINE2_AUTHNAME\"\n"),
        ],
    );
    for (part, times) in [
        ("YOUR_SERVER_IP\"", 1),
        ("YOUR_SERVER_IP/logo.bmp", 1),
        ("CHANGEME_LINE2_AUTHNAME", 1),
        ("timer_register_expires", 1),
        ("[DialPlanForeign]", 1),
        ("[DialStarAtOnce]", 1),
        ("[NoEmergencyRule]", 1),
    ] {
        assert_eq!(all.matches(part).count(), times, "{part}\n{all}");
    }
}
