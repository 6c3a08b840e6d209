//! What lies in a TFTP root besides plain configuration: folders, links, loaders' files, things that nobody should read.

use super::*;

fn import(files: Files<'_>) -> (String, String) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let output = round_trip(root.path(), &[]);
    (text(&output.stderr), text(&output.stdout))
}

#[test]
fn no_line_that_cannot_be_used_shows_a_password() {
    let (said, manifests) = import(&[(
        "SIP000A8A123456.cnf",
        "line1_name: 1\nline1_password=hunter2\nline2_password: \"a\" hunter3\nline3_password: \"hünter4\"\n\
         sip_passphrase: hunter5\nadmin_pin: 4711\nauth_key: hunter6\nsnmp_community: hunter7\nspinning: 1\n"
            .as_bytes(),
    )]);
    assert!(!said.contains("hunter") && !said.contains("nter4"), "{said}");
    let (_, phone) = manifests.split_once("kind: SipPhone").unwrap();
    assert!(!phone.contains("hunter") && !phone.contains("4711") && phone.contains("spinning: \"1\""), "{phone}");
    for line in ["2: not used: has '='", "3: what stands after the closing quote"] {
        assert!(said.contains(&format!("SIP000A8A123456.cnf:{line}")), "{line}\n{said}");
    }
}

#[test]
fn what_loaders_ask_for_is_served_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let files: Files<'_> = &[
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("SEP000A8A123456.cnf.xml", b"<device><loadInformation>P0S3-8-12-00</loadInformation></device>"),
        ("SEP000A8A999999.cnf.xml", b""),
        ("CTLSEP000A8A123456.tlv", b" "),
        ("XMLDefault.cnf.xml", b"<Default/>"),
        ("syncinfo.xml", b"<IMAGE VERSION=\"P0S3-8-12-00 SYNC=\"1\"/>"),
    ];
    write(root.path(), files);
    let output = round_trip(root.path(), &[]);
    let (said, manifests) = (text(&output.stderr), text(&output.stdout));
    assert!(said.contains("SEP000A8A999999.cnf.xml: is empty"), "{said}");
    assert!(said.contains("syncinfo.xml: has a quote that is not closed"), "{said}");
    let out = tempfile::tempdir().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", out.path().to_str().unwrap()], &manifests);
    assert!(rendered.status.success(), "{}", text(&rendered.stderr));
    for (name, bytes) in files.iter().skip(1) {
        assert_eq!(&std::fs::read(out.path().join("default/hq").join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn loaders_files_give_way_to_an_image_that_dialtone_manages() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("SIPDefault.cnf", &b"image_version: P0S3-8-12-00\n"[..]),
            ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
            ("SEP000A8A123456.cnf.xml", b"<device/>"),
            ("XMLDefault.cnf.xml", b"<Default/>"),
            ("P0S3-8-12-00.loads", b"P0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\n"),
            ("P0S3-8-12-00.sb2", b"2"),
            ("P003-8-12-00.sbn", b"3"),
            ("P003-8-12-00.bin", b"4"),
        ],
    );
    let output = round_trip(root.path(), &["--firmware"]);
    let out = tempfile::tempdir().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", out.path().to_str().unwrap()], &text(&output.stdout));
    assert!(!text(&rendered.stderr).contains("FileShadowed"), "{}", text(&rendered.stderr));
    let loader = std::fs::read(out.path().join("default/hq/SEP000A8A123456.cnf.xml")).unwrap();
    assert!(text(&loader).contains("P0S3-8-12-00"));
}

#[cfg(unix)]
#[test]
fn folders_and_links_in_the_way_are_told() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIP000A8A123456.cnf", "line1_name: 1\n"), ("SIP000A8A123457.cnf/x", "")]);
    std::fs::create_dir(root.path().join("SIPDefault.cnf")).unwrap();
    std::os::unix::fs::symlink(".", root.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq"], "");
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    for (file, what) in [
        ("SIPDefault.cnf", "not used: is a folder"),
        ("SIP000A8A123457.cnf", "not used: is a folder"),
        ("loop", "not used: is a link"),
        ("dangling", ""),
    ] {
        assert!(is_said(&said, file, what), "{file}\n{said}");
    }
}

#[test]
fn a_dial_plan_or_rings_alone_are_something_to_import() {
    let (_, manifests) = import(&[("dialplan.xml", b"<DIALTEMPLATE><TEMPLATE MATCH=\"911\"/></DIALTEMPLATE>")]);
    assert!(manifests.contains("match: \"911\"") || manifests.contains("match: '911'"), "{manifests}");
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("phones/SIP000A8A123456.cnf", "line1_name: 1\n")]);
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean its folder phones?"), "{}", text(&output.stderr));
}

#[test]
fn config_maps_fit_into_what_kubectl_apply_keeps_of_them() {
    let root = tempfile::tempdir().unwrap();
    let list: String = (0..40).map(|n| format!("Ring {n}\tring{n}.raw\n")).collect();
    let mut files =
        vec![("RINGLIST.DAT".to_owned(), list.into_bytes()), ("SIPDefault.cnf".to_owned(), b"sync: 1\n".to_vec())];
    files.extend((0..40).map(|n| (format!("ring{n}.raw"), vec![0xff; 16_080])));
    write(root.path(), &files);
    let manifests = text(&round_trip(root.path(), &[]).stdout);
    let maps: Vec<&str> = manifests.split("---\n").filter(|one| one.contains("kind: ConfigMap")).collect();
    assert_eq!(maps.len(), 4);
    // The API server refuses annotations of more than 256 KiB, and kubectl keeps the whole object in one.
    assert!(
        maps.iter().all(|map| map.len() < 256 * 1024),
        "{:?}",
        maps.iter().map(|map| map.len()).collect::<Vec<_>>()
    );
}

#[test]
fn a_namespace_that_cannot_be_is_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIP000A8A123456.cnf", "line1_name: 1\n")]);
    for name in ["A B", "-x", "x-", "", "a.b"] {
        let output =
            dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq", &format!("--namespace={name}")], "");
        assert_eq!(output.status.code(), Some(1), "{name:?}");
        assert!(text(&output.stderr).contains("--namespace"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_large_site_is_one_file() {
    let root = tempfile::tempdir().unwrap();
    let phone = |n: usize| (format!("SIP000A8A{n:06X}.cnf"), format!("line1_name: {n}\nline1_password: pw{n}\n"));
    write(root.path(), &(0..1100).map(phone).collect::<Vec<_>>());
    let manifests = text(&round_trip(root.path(), &[]).stdout);
    assert_eq!(manifests.matches("kind: SipPhone").count(), 1100);
}

#[test]
fn a_dial_plan_with_a_word_that_only_later_stacks_know_is_served_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let plan = b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"911\" Line=\"1\"/>\n</DIALTEMPLATE>\n";
    write(root.path(), &[("SIP000A8A123456.cnf", &b"line1_name: 1\n"[..]), ("dialplan.xml", plan)]);
    let output = round_trip(root.path(), &[]);
    let said = text(&output.stderr);
    assert!(said.contains("dialplan.xml: no dialPlan can say it") && !said.contains("pass it over"), "{said}");
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", folder, "--dial", "911"], &text(&output.stdout));
    assert!(text(&rendered.stdout).contains("dialplan.xml:2, 911"), "{}", text(&rendered.stdout));
    assert_eq!(std::fs::read(out.path().join("default/hq/dialplan.xml")).unwrap(), plan);
}

#[test]
fn no_name_and_no_value_reaches_the_terminal_as_it_is() {
    let (said, manifests) = import(&[
        ("SIP000A8A123456.cnf", "line1_name: 7101\nodd_\u{1b}]0;owned\u{7}: 1\nphone_label: a\u{1b}[31m\n".as_bytes()),
        ("\u{1b}]0;owned\u{7}\nerror: all is lost.bin", b"x"),
    ]);
    let is_plain = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
    assert!(is_plain(&said) && said.contains("\\u001b]0;owned\\u0007\\u000aerror: all is lost.bin"), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("error:")), "{said:?}");
    assert!(is_plain(&manifests), "{manifests:?}");
}

#[test]
fn what_no_phone_would_read_is_left_out_and_mistakes_on_many_lines_are_counted() {
    let huge = "a:b\n".repeat(1 << 20);
    let odd = format!("{}line1_name: 1\n", "nonsense\n".repeat(20_000));
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIP000A8A123456.cnf", &odd), ("SIP000A8A123457.cnf", &huge), ("RINGLIST.DAT", &huge)]);
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq", "--check"], "");
    let (said, manifests) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{said}");
    assert_eq!(manifests.matches("kind: SipPhone").count(), 1);
    for file in ["SIP000A8A123457.cnf", "RINGLIST.DAT"] {
        assert!(is_said(&said, file, "not used: it has more than 256 KiB"), "{file}");
    }
    assert!(said.contains("and 19900 more of its lines have mistakes") && said.len() < 50_000, "{} bytes", said.len());
}

#[test]
fn names_that_no_phone_knows_are_said_with_the_one_that_was_likely_meant() {
    let root = tempfile::tempdir().unwrap();
    let common = "timer_registry_delta: 5\nnat_recieved_processing: 0\nreg.1.displayName: \"Bob\"\nxyz_of_another: x\n";
    write(root.path(), &[("SIPDefault.cnf", common), ("SIP000A8A123456.cnf", "line1_name: 1\n")]);
    let output = dialtone(&["import", root.path().to_str().unwrap(), "--site", "hq"], "");
    let (said, manifests) = (text(&output.stderr), text(&output.stdout));
    assert!(said.contains("timer_registry_delta is unknown to dialtone and kept as it is in extraParameters; did its author mean timer_register_delta?"), "{said}");
    assert!(said.contains("did its author mean nat_received_processing?"), "{said}");
    assert!(said.contains("xyz_of_another is unknown to dialtone and kept as it is in extraParameters\n"), "{said}");
    assert!(said.contains("SIPDefault.cnf:3: not used") && said.contains("one of another maker's phones"), "{said}");
    assert!(manifests.contains("timer_registry_delta") && !manifests.contains("displayName"), "{manifests}");
}
