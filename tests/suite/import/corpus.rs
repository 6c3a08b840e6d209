//! TFTP roots by hand, one for each habit seen in the field. More than 400 lines: one corpus, each tree a test of its own.

use super::*;

const COMMON: &[u8] =
    b"# SIP Default Configuration File\n\nimage_version: P0S3-8-12-00\nproxy1_address: \"10.0.0.1\" ; the PBX\n\
    proxy_register: 1\ndst_start_month: April\ndst_stop_month: Oct\ndst_start_time: 02\ntelnet_level: 2\nsync: 1\n";
const PHONE: &[u8] = b"line1_name: 7101\nline1_displayname: \"Front desk\"\nline1_authname: \"7101\"\nline1_password: \"correct-horse\"\nphone_label: \"Reception  \"\n";

/// Imports a tree; what was said and the manifests.
fn import(files: Files<'_>) -> (String, String) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let output = round_trip(root.path(), &[]);
    for more in [&["--tidy"] as &[&str], &["--hoist"], &["--firmware"]] {
        let args = [&["import", root.path().to_str().unwrap(), "--site", "hq", "--check"], more].concat();
        let again = dialtone(&args, "");
        assert!(again.status.success(), "{more:?}: {}", text(&again.stderr));
    }
    (text(&output.stderr), text(&output.stdout))
}

/// Imports a phone's file beside an ordinary common one.
fn phone(file: &[u8]) -> (String, String) {
    import(&[("SIPDefault.cnf", COMMON), ("SIP000A8A123456.cnf", file)])
}

#[test]
fn an_ordinary_tree() {
    let (said, manifests) = phone(PHONE);
    for expected in [
        "kind: PhoneSite",
        "unsetParameters: Keep",
        "proxy1Address: \"10.0.0.1\"",
        "telnetLevel: Privileged",
        "dst_start_month: April",
        "mac: 000A8A123456",
        "displayName: Front desk",
        "kind: Secret",
        "line1_password: correct-horse",
        "image_version: P0S3-8-12-00",
    ] {
        assert!(manifests.contains(expected), "{expected}\n{manifests}");
    }
    assert!(
        said.contains(
            "SIPDefault.cnf:6: dst_start_month is \"April\"; settings.dstStartMonth: April would say the same"
        ),
        "{said}"
    );
    assert!(said.contains("taken for a 7960"), "{said}");
    let (before, after) = manifests.split_once("kind: SipPhone").unwrap();
    assert!(before.contains("correct-horse") && !after.contains("correct-horse"), "passwords are in Secrets only");
}

#[test]
fn windows_line_ends() {
    let (said, _) = phone(b"line1_name: 7101\r\nphone_label: Desk\r\n\r\n\x1a");
    assert!(!said.contains("not used"), "{said}");
}

#[test]
fn old_macintosh_line_ends() {
    assert!(phone(b"line1_name: 7101\rphone_label: Desk\r").1.contains("label: Desk"));
}

#[test]
fn tabs_and_blanks_around_everything() {
    assert!(phone(b"\tline1_name\t:\t7101\t\n   phone_label   :   \"Desk\"   \n").1.contains("label: Desk"));
}

#[test]
fn comments_of_both_kinds() {
    let (said, manifests) =
        phone(b"# one\n; two\n\t# three\nline1_name: 7101 ; four\nline1_displayname: \"a # b; c\"; five\n");
    assert!(manifests.contains("a # b; c") && !said.contains("not used"), "{said}{manifests}");
}

#[test]
fn a_semicolon_after_every_line() {
    assert!(phone(b"line1_name: \"7101\";\nline1_displayname: \"Front\";\n").1.contains("displayName: Front"));
}

#[test]
fn no_final_newline_and_a_blank_first_line() {
    assert!(phone(b"\nline1_name: 7101\nphone_label: \"Desk\"").1.contains("label: Desk"));
}

#[test]
fn unknown_names_are_kept() {
    let (said, manifests) = phone(b"line1_name: 7101\nrdda_ptft_nyd:\ndscpForAudio: 184\ngarp_enable: 0\n");
    assert!(manifests.contains("dscpForAudio: \"184\""), "{manifests}");
    assert!(said.contains("SIP000A8A123456.cnf:3: dscpForAudio is unknown"), "{said}");
}

#[test]
fn equals_signs_and_other_broken_lines_are_told() {
    let (said, _) = phone(
        b"line1_name: 7101\nproxy1_port=5060\n1\nreg.1.displayName=\"x\"\nphone_label: \"open\n\x00\x01\x02: x\n",
    );
    for line in [
        "2: not used: has '='",
        "3: not used: has no ':'",
        "4: not used",
        "5: not used: has no closing quote",
        "6: not used",
    ] {
        assert!(said.contains(&format!("SIP000A8A123456.cnf:{line}")), "{line}\n{said}");
    }
}

#[test]
fn the_later_of_two_lines_holds_and_no_password_is_shown() {
    let (said, manifests) =
        phone(b"line1_name: 1\nline1_password: first-one\nline1_name: 2\nline1_password: second-one\n");
    assert!(manifests.contains("second-one") && !manifests.contains("first-one"));
    assert!(said.contains("SIP000A8A123456.cnf:1: not used: line1_name is set again in line 3"), "{said}");
    assert!(!said.contains("first-one") && !said.contains("second-one"), "{said}");
}

#[test]
fn a_byte_order_mark() {
    let (said, manifests) = phone(b"\xef\xbb\xbfline1_name: 7101\n");
    assert!(manifests.contains("7101") && said.contains("byte-order mark"), "{said}");
}

#[test]
fn text_in_iso_8859_1_and_in_utf_8() {
    let (_, manifests) = phone(b"line1_name: 7101\nphone_label: \"B\xfcro\"\n");
    assert!(manifests.contains("label: Büro"), "{manifests}");
    let (said, _) = phone("line1_name: 7101\nphone_label: \"Büro Ö\"\n".as_bytes());
    assert!(said.contains("written in UTF-8"), "{said}");
}

#[test]
fn names_of_files_in_the_wrong_case() {
    let (said, manifests) = import(&[
        ("sipdefault.cnf", COMMON),
        ("sip000a8a123456.CNF", PHONE),
        ("ringlist.dat", b"A\ta.raw\n"),
        ("a.RAW", &[0xff; 240]),
    ]);
    assert!(manifests.contains("mac: 000A8A123456") && manifests.contains("a.raw"), "{manifests}");
    assert!(
        said.contains("phones ask for SIPDefault.cnf") && said.contains("phones ask for SIP000A8A123456.cnf"),
        "{said}"
    );
}

#[test]
fn two_files_for_one_phone() {
    let (said, manifests) =
        import(&[("SIP000A8A123456.cnf", b"line1_name: right\n"), ("sip000a8a123456.cnf", b"line1_name: wrong\n")]);
    assert!(manifests.contains("right") && !manifests.contains("wrong"), "{manifests}");
    assert!(said.contains("not used: phones get SIP000A8A123456.cnf"), "{said}");
}

#[test]
fn several_sites_leftovers() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", COMMON),
        ("SIP000A8A123456.cnf", PHONE),
        ("SIP000A8A123456.cnf.bak", b"line1_name: old\n"),
        ("SIPDefault.cnf~", b"x: 1\n"),
        ("old/SIP000A8A999999.cnf", b"line1_name: other\n"),
        ("SIPConfigGeneric.cnf", b"line1_name: \"\"\n"),
        ("SEP000A8A123456.cnf.xml", b"<device/>"),
        ("notes.txt", b"hello"),
    ]);
    assert_eq!(manifests.matches("kind: SipPhone").count(), 1);
    for file in
        ["SIP000A8A123456.cnf.bak", "SIPDefault.cnf~", "old/SIP000A8A999999.cnf", "SIPConfigGeneric.cnf", "notes.txt"]
    {
        assert!(is_said(&said, file, "not used"), "{file}\n{said}");
    }
}

#[test]
fn placeholders_of_templates() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", b"proxy1_address: \"{$server_host}\"\nsntp_server: __NTP__\ntimer_t1: $t1\n"),
        ("SIP000A8A123456.cnf", b"line1_name: {{line}}\n"),
        ("SIP{$mac}.cnf", b"line1_name: x\n"),
    ]);
    assert!(manifests.contains("{$server_host}") && manifests.contains("{{line}}"), "{manifests}");
    assert!(said.contains("SIP{$mac}.cnf: not used") && said.contains("timer_t1 is \"$t1\""), "{said}");
}

#[test]
fn no_common_file() {
    let (said, manifests) = import(&[("SIP000A8A123456.cnf", PHONE)]);
    assert!(manifests.contains("kind: PhoneSite") && said.contains("SIPDefault.cnf: is not there"), "{said}");
}

#[test]
fn a_common_file_alone() {
    assert!(import(&[("SIPDefault.cnf", COMMON)]).1.contains("proxy1Address"));
}

#[test]
fn an_empty_phone_file_and_one_that_is_no_text() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (said, manifests) = import(&[("SIP000A8A123456.cnf", b""), ("SIP000A8A123457.cnf", &bytes)]);
    assert_eq!(manifests.matches("kind: SipPhone").count(), 2);
    assert!(is_said(&said, "SIP000A8A123456.cnf", "sets nothing"), "{said}");
}

#[test]
fn values_that_typed_fields_refuse() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", b"start_media_port: 16348\nend_media_port: 32768\ncall_waiting: 3\ndtmf_avt_payload: 100\nlogo_url: logo.bmp\npreferred_codec: g729\ntimer_t1: 0500\nsync: 12345678901234567890123456789012345\n"),
        ("SIP000A8A123456.cnf", b"phone_label: \"Thirteen char\"\nline1_name: 7101\nline1_displayname: \"More than thirty-one characters, far more\"\nproxy1_port: 99999\ndtmf_avt_payload: 300\n"),
    ]);
    for kept in [
        "start_media_port: \"16348\"",
        "end_media_port: \"32768\"",
        "call_waiting: \"3\"",
        "logo_url: logo.bmp",
        "preferred_codec: g729",
        "timer_t1: \"0500\"",
        "phone_label: Thirteen char",
        "proxy1_port: \"99999\"",
    ] {
        assert!(manifests.contains(kept), "{kept}\n{manifests}");
    }
    assert!(said.contains("call_waiting is 3, which phones obey only in their own file"), "{said}");
}

#[test]
fn media_ports_in_the_wrong_order() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", b"start_media_port: 20000\nend_media_port: 18000\n"),
        ("SIP000A8A123456.cnf", PHONE),
    ]);
    assert!(
        manifests.contains("start_media_port: \"20000\"") && said.contains("is not below end_media_port"),
        "{said}"
    );
}

#[test]
fn spare_lines_and_gaps() {
    let (_, manifests) = phone(
        b"line1_name: 7101\nline2_name: UNPROVISIONED\nline2_displayname: \"\"\nline2_password: UNPROVISIONED\n\
          line3_name: 7103\nline3_password: third-secret\nline4_name:\nline4_shortname:\nline6_name: \"\"\n",
    );
    assert!(manifests.contains("model: '7960'") || manifests.contains("model: \"7960\""), "{manifests}");
    assert!(manifests.contains("- key: 3\n    name: \"7103\"\n    passwordSecretRef:"), "{manifests}");
    assert!(
        !manifests.contains("secretParameters:") && manifests.contains("line3_password: third-secret"),
        "{manifests}"
    );
}

#[test]
fn names_of_lines_that_nothing_typed_takes() {
    let (_, manifests) = phone(b"line1_name: front desk\nline1_password: has-a-blank\nline2_name: 7102@10.0.0.1\n");
    assert!(manifests.contains("line1_name: front desk") && manifests.contains("secretParameters:"), "{manifests}");
}

#[test]
fn long_passwords_are_kept_and_stay_secret() {
    let (said, manifests) = phone(b"line1_name: 7101\nline1_password: 0123456789abcdef0123456789abcdef\nphone_password: \"p@ss;word#1\"\nsome_secret: x9\n");
    assert!(manifests.contains("phonePasswordSecretRef") && manifests.contains("p@ss;word#1"), "{manifests}");
    let (_, phone) = manifests.split_once("kind: SipPhone").unwrap();
    assert!(!phone.contains("0123456789abcdef") && !phone.contains("p@ss") && !phone.contains("x9"), "{phone}");
    assert!(!said.contains("0123456789abcdef"), "{said}");
}

#[test]
fn passwords_in_the_common_file() {
    let (_, manifests) = import(&[
        ("SIPDefault.cnf", b"line1_password: shared-secret\nline1_displayname: Line1\nphone_password: cisco\n"),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
    ]);
    let (_, site) = manifests.split_once("kind: PhoneSite").unwrap();
    assert!(site.contains("line1_displayname: Line1") && !site.contains("shared-secret"), "{site}");
}

#[test]
fn one_line_on_two_phones() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", COMMON),
        ("SIP000A8A123456.cnf", PHONE),
        ("SIP000A8A123457.cnf", PHONE),
        ("SIP000A8A123458.cnf", b"line1_name: 7101\nproxy1_address: 10.0.0.2\n"),
    ]);
    assert!(said.contains("SIP000A8A123457.cnf: SIP000A8A123456.cnf has a line 7101 on the same proxy too"), "{said}");
    assert_eq!(manifests.matches("lines:").count(), 2, "{manifests}");
}

#[test]
fn a_folder_for_the_phones_files() {
    let (_, manifests) = {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("SIPDefault.cnf", &b"tftp_cfg_dir: ./phones/\n"[..]),
                ("phones/SIP000A8A123456.cnf", b"line1_name: 7101\n"),
            ],
        );
        let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq", "--check"], "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stderr), text(&output.stdout))
    };
    assert!(manifests.contains("tftp_cfg_dir: ./phones/") && manifests.contains("000A8A123456"), "{manifests}");
}

#[test]
fn models_are_told_by_lines_loaders_and_comments() {
    let (said, manifests) = import(&[
        ("SIP000A8A123401.cnf", b"line1_name: 1\nline4_name: 4\n"),
        ("SIP000A8A123402.cnf", b"line1_name: 2\n"),
        (
            "SEP000A8A123402.cnf.xml",
            b"<device><loadInformation model=\"IP Phone 7940\">P0S3-8-12-00</loadInformation></device>",
        ),
        ("SIP000A8A123403.cnf", b"# 7940 of the kitchen\nline1_name: 3\n"),
        ("SIP000A8A123404.cnf", b"line1_name: 7940\n"),
    ]);
    assert_eq!(manifests.matches("7940").count(), 3, "{manifests}");
    assert!(
        said.contains("SIP000A8A123404.cnf: nothing tells a 7940 from a 7960") && !said.contains("123402.cnf,"),
        "{said}"
    );
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIP000A8A123404.cnf", "line1_name: 1\n")]);
    let output = round_trip(root.path(), &["--model", "7940"]);
    assert!(text(&output.stdout).contains("7940") && !text(&output.stderr).contains("nothing tells"));
}

#[test]
fn dial_plan_rings_and_bootstrap() {
    let (said, manifests) = import(&[
        ("SIPDefault.cnf", b"dial_template: dialplan\n"),
        ("SIP000A8A123456.cnf", PHONE),
        ("dialplan.xml", b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"911\" TIMEOUT=\"0\" Route=\"Emergency\"/>\n<TEMPLATE MATCH=\"9,1..........\" Timeout=\"0\" User=\"Phone\" Tone=\"Cisco-Zip\"/>\n<TEMPLATE MATCH=\"x\" Foo=\"2\"/>\n</DIALTEMPLATE>\n"),
        ("RINGLIST.DAT", b"Bells\tbells.raw\r\nGone\tgone.raw\r\n"),
        ("bells.raw", &[0x7f; 4800]),
        ("OS79XX.TXT", b"P003-8-12-00 \r\n"),
        ("P0S3-8-12-00.loads", b"x"),
    ]);
    for expected in [
        "dialPlan:",
        "route: Emergency",
        "tones:",
        "ringList:",
        "bells.raw",
        "bootstrap: P003-8-12-00",
        "dialTemplate: dialplan",
    ] {
        assert!(manifests.contains(expected), "{expected}\n{manifests}");
    }
    for expected in [
        "dialplan.xml:4: phones pass it over",
        "gone.raw: RINGLIST.DAT names it",
        "OS79XX.TXT: has blanks around the name",
        "with --firmware only",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn what_no_typed_field_can_say_is_served_as_it_is() {
    let long = format!("<DIALTEMPLATE><TEMPLATE MATCH=\"{}\"/></DIALTEMPLATE>", "1".repeat(64));
    let root = tempfile::tempdir().unwrap();
    let files: Files<'_> = &[
        ("SIPDefault.cnf", b"dial_template: plan\n"),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\ndial_template: own\n"),
        ("plan.xml", long.as_bytes()),
        ("own.xml", b"<DIALTEMPLATE><TEMPLATE MATCH=\"1\"/></DIALTEMPLATE>"),
        ("RINGLIST.DAT", b"A name that is longer than thirty-one characters\tr.raw\n"),
        ("r.raw", &[0xff; 240]),
    ];
    write(root.path(), files);
    let manifests = text(&round_trip(root.path(), &[]).stdout);
    let out = tempfile::tempdir().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", out.path().to_str().unwrap()], &manifests);
    assert!(rendered.status.success(), "{}", text(&rendered.stderr));
    for (name, bytes) in files.iter().skip(2) {
        assert_eq!(&std::fs::read(out.path().join("default/hq").join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn firmware_is_taken_along_when_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let loads = b"....P0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\n";
    let files: Files<'_> = &[
        ("SIPDefault.cnf", COMMON),
        ("SIP000A8A123456.cnf", PHONE),
        ("P0S3-8-12-00.loads", loads),
        ("P0S3-8-12-00.sb2", &[2; 756_524]),
        ("P003-8-12-00.sbn", &[3; 130_956]),
        ("P003-8-12-00.bin", &[4; 130_552]),
    ];
    write(root.path(), files);
    let output = round_trip(root.path(), &["--firmware"]);
    let manifests = text(&output.stdout);
    assert!(
        manifests.contains("image: P0S3-8-12-00") && !manifests.contains("image_version"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(manifests.matches("kind: ConfigMap").count(), 2, "1 MiB is the most that one holds");
}

#[test]
fn what_all_share_is_hoisted_only_when_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let own = |n: u32, more: &str| {
        (
            format!("SIP000A8A1234{n:02}.cnf"),
            format!(
                "line1_name: 71{n:02}\nproxy1_address: 10.0.0.9\nproxy1_port: 5070\npreferred_codec: g711alaw\ncall_waiting: 3\nodd_one: 1\nline2_name: UNPROVISIONED\n{more}"
            ),
        )
    };
    let files = [
        own(1, "enable_vad: 1\n"),
        own(2, "enable_vad: 0\n"),
        own(3, ""),
        ("SIPDefault.cnf".to_owned(), "proxy1_address: 10.0.0.1\npreferred_codec: g729\n".to_owned()),
    ];
    write(root.path(), &files);
    let plain = text(&round_trip(root.path(), &[]).stdout);
    assert_eq!(plain.matches("g711alaw").count(), 3);
    let hoisted = text(&round_trip(root.path(), &["--hoist"]).stdout);
    assert_eq!(hoisted.matches("g711alaw").count(), 1, "{hoisted}");
    assert_eq!(hoisted.matches("10.0.0.9").count(), 1, "{hoisted}");
    assert_eq!(hoisted.matches("odd_one").count(), 1, "{hoisted}");
    assert_eq!(hoisted.matches("AlwaysOn").count(), 3, "phones obey it in their own file only");
    assert!(!hoisted.contains("10.0.0.1\n"), "{hoisted}");
}

#[test]
fn tidy_writes_what_phones_read_as_the_same() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIPDefault.cnf", COMMON), ("SIP000A8A123456.cnf", PHONE)]);
    let args = ["import", root.path().to_str().unwrap(), "--site", "hq", "--namespace", "phones", "--tidy", "--check"];
    let output = dialtone(&args, "");
    let manifests = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(manifests.contains("dstStopMonth: October") && manifests.contains("namespace: phones"), "{manifests}");
}

#[test]
fn nothing_to_import_is_an_error_that_says_where_to_look() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("tftp/SIPDefault.cnf", COMMON), ("readme.txt", b"x")]);
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean its folder tftp?"), "{}", text(&output.stderr));
    let output = dialtone(&["import", "/nonexistent/folder", "--site", "hq"], "");
    assert_eq!(output.status.code(), Some(1));
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "H Q"], "");
    assert!(text(&output.stderr).contains("a site's name has lower-case letters"));
}
