//! What parameters and lists name is carried along, wherever it lies; what cannot be is told, and `--check` fails.

use super::*;

const COMMON: &[u8] = b"proxy1_address: 10.0.0.1\n";
const PLAN: &[u8] = b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\"/>\n<TEMPLATE MATCH=\"7...\" Timeout=\"0\"/>\n</DIALTEMPLATE>\n";
const OTHER: &[u8] = b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\"/>\n<TEMPLATE MATCH=\"8..\" Timeout=\"3\"/>\n</DIALTEMPLATE>\n";

struct Done {
    said: String,
    manifests: String,
    ok: bool,
}

/// Imports a tree with `--check`.
fn import(files: &[(&str, &[u8])], more: &[&str]) -> Done {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let output = dialtone(&[&["import", root.path().to_str().unwrap(), "--site", "hq", "--check"], more].concat(), "");
    Done { said: text(&output.stderr), manifests: text(&output.stdout), ok: output.status.success() }
}

/// What a phone gets after an import: the parameters of all, and the bytes of a file that it asks for.
fn rendered(done: &Done, numbers: &[&str]) -> (tempfile::TempDir, String) {
    assert!(done.ok, "{}", done.said);
    let out = tempfile::tempdir().unwrap();
    let mut args = vec!["render", "-f", "-", "-o", out.path().to_str().unwrap()];
    numbers.iter().for_each(|number| args.extend(["--dial", number]));
    let output = dialtone(&args, &done.manifests);
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), done.manifests);
    (out, text(&output.stdout))
}

fn served(out: &tempfile::TempDir, name: &str) -> Option<Vec<u8>> {
    std::fs::read(out.path().join("default/hq").join(name)).ok()
}

/// The dial plan that a phone is told of, as the file that it asks for holds it.
fn plan_of(out: &tempfile::TempDir, mac: &str) -> Option<String> {
    let values = reader::effective(&out.path().join("default/hq"), mac);
    served(out, &format!("{}.xml", values.get("dial_template")?)).map(|bytes| text(&bytes))
}

#[test]
fn a_dial_plan_is_found_wherever_the_parameter_says_that_it_is() {
    for (value, file) in [
        ("voip/plans/desk", "voip/plans/desk.xml"),
        ("./dialplan", "dialplan.xml"),
        ("/dialplan", "dialplan.xml"),
        ("./voip/dialplan", "voip/dialplan.xml"),
        ("plans\\desk", "plans/desk.xml"),
        ("dial plan", "dial plan.xml"),
        ("desk.v2", "desk.v2.xml"),
        ("DIALPLAN", "dialplan.xml"),
        ("voip//desk", "voip/desk.xml"),
        ("dialplan", "dialplan.xml"),
    ] {
        let common = [COMMON, format!("dial_template: \"{value}\"\n").as_bytes()].concat();
        let files = [("SIPDefault.cnf", &common[..]), ("SIP000A8A123456.cnf", b"line1_name: 7101\n"), (file, PLAN)];
        let done = import(&files, &[]);
        assert!(
            !done.said.contains("phones do not look into") && done.manifests.contains("dialPlan:"),
            "{}",
            done.said
        );
        let (out, dialled) = rendered(&done, &["7123"]);
        assert!(
            dialled.contains("templates[1], 7...") && dialled.contains("at once, with key 4"),
            "{value}: {dialled}"
        );
        let plan = plan_of(&out, "000A8A123456").unwrap_or_else(|| panic!("{value}: {}", done.manifests));
        assert!(plan.contains("MATCH=\"7...\""), "{value}: {plan}");
    }
}

#[test]
fn one_phones_own_plan_comes_along_too() {
    let common = [COMMON, b"dial_template: plans/all\n"].concat();
    let files = [
        ("SIPDefault.cnf", &common[..]),
        ("SIP000A8A123401.cnf", b"line1_name: 7101\n"),
        ("SIP000A8A123402.cnf", b"line1_name: 7102\ndial_template: \"plans/own/all\"\n"),
        ("SIP000A8A123403.cnf", b"line1_name: 7103\ndial_template: ./plans/all\n"),
        ("plans/all.xml", PLAN),
        ("plans/own/all.xml", OTHER),
    ];
    let done = import(&files, &[]);
    let (out, dialled) = rendered(&done, &["812"]);
    assert!(plan_of(&out, "000A8A123401").unwrap().contains("7..."), "{}", done.manifests);
    assert_eq!(plan_of(&out, "000A8A123402").unwrap().as_bytes(), OTHER);
    assert!(plan_of(&out, "000A8A123403").unwrap().contains("7..."));
    assert!(dialled.contains("default/hq: 812\n  rule      none fits"), "{dialled}");
    assert!(
        dialled.contains(
            "812 on SIP000A8A123402.cnf, with the dial plan plans-own-all\n  rule      plans-own-all.xml:3, 8.."
        ),
        "{dialled}"
    );
}

#[test]
fn rings_in_folders_come_along_under_names_of_their_own() {
    let list = b"Vibes\trings/vibes.raw\r\nOther Vibes\t./more/vibes.raw\nOld Bell\told bell.pcm\nPlain\tplain.raw\nSub\trings\\deep\\low.raw\n";
    let files: [(&str, &[u8]); 7] = [
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("RINGLIST.DAT", list),
        ("rings/vibes.raw", &[1; 480]),
        ("more/vibes.raw", &[2; 720]),
        ("old bell.pcm", &[3; 240]),
        ("plain.raw", &[4; 960]),
        ("rings/deep/low.raw", &[5; 240]),
    ];
    let done = import(&files, &[]);
    assert!(!done.said.contains("not used") && done.manifests.contains("ringList:"), "{}", done.said);
    let (out, _) = rendered(&done, &[]);
    let list = text(&served(&out, "RINGLIST.DAT").unwrap());
    let sizes: Vec<(String, usize)> = list
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, file)| (name.to_owned(), served(&out, file).unwrap_or_default().len()))
        .collect();
    let expected = [("Vibes", 480), ("Other Vibes", 720), ("Old Bell", 240), ("Plain", 960), ("Sub", 240)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_owned(), size)), "{list}");
}

#[test]
fn a_list_that_no_manifest_can_hold_names_its_files_where_they_are() {
    let list = b"A name that is longer than thirty-one characters\trings/long.raw\nshort\tother/long.raw\n";
    let files: [(&str, &[u8]); 4] = [
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("RINGLIST.DAT", list),
        ("rings/long.raw", &[1; 480]),
        ("other/long.raw", &[2; 240]),
    ];
    let done = import(&files, &[]);
    assert!(done.said.contains("has 48 characters"), "{}", done.said);
    let (out, _) = rendered(&done, &[]);
    let list = text(&served(&out, "RINGLIST.DAT").unwrap());
    assert!(list.contains("characters\tlong.raw") && list.contains("short\tother-long.raw"), "{list}");
    assert_eq!(served(&out, "other-long.raw").unwrap(), [2; 240]);
}

#[test]
fn what_is_named_and_cannot_be_carried_along_is_told_and_fails_the_check() {
    let large = vec![0x7f; 1_100_000];
    let files: [(&str, &[u8]); 3] = [
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("RINGLIST.DAT", b"Long\trings/long.raw\n"),
        ("rings/long.raw", &large),
    ];
    let done = import(&files, &[]);
    assert!(!done.ok && done.said.contains("a ConfigMap cannot hold it"), "{}", done.said);
    assert!(
        done.said.contains("error: RINGLIST.DAT: the ring \"Long\" had rings/long.raw, and has no file"),
        "{}",
        done.said
    );
    // With firmware that dialtone manages, the loaders' files name its image.
    let files: [(&str, &[u8]); 6] = [
        ("SIPDefault.cnf", b"image_version: P0S3-8-12-00\n"),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("XMLDefault.cnf.xml", b"<Default><loadInformation8>P0S3-08-11-00</loadInformation8></Default>"),
        ("P0S3-8-12-00.loads", b"P0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\n"),
        ("P0S3-8-12-00.sb2", b"2"),
        ("P003-8-12-00.sbn", b"3"),
    ];
    let done = import(&files, &["--firmware"]);
    assert!(!done.ok && done.said.contains("error: XMLDefault.cnf.xml: named \"P0S3-08-11-00\""), "{}", done.said);
    assert!(import(&files, &[]).ok);
}

#[test]
fn what_is_missing_before_is_no_difference_and_is_told() {
    for (value, words) in [
        ("gone", "gone.xml"),
        ("old/plan", "old/plan.xml"),
        ("dialplan.xml", "dialplan.xml.xml"),
        ("voip/desk.xml", "voip/desk.xml.xml"),
        ("../plan", "../plan.xml"),
    ] {
        let common = format!("dial_template: \"{value}\"\n");
        let files: [(&str, &[u8]); 2] =
            [("SIPDefault.cnf", common.as_bytes()), ("SIP000A8A123456.cnf", b"line1_name: 7101\n")];
        let done = import(&files, &[]);
        assert!(
            done.ok
                && done.said.contains(&format!(
                    "warning: {words}: dial_template in SIPDefault.cnf names it, and it is not there"
                )),
            "{value}: {}",
            done.said
        );
    }
    let files: [(&str, &[u8]); 2] =
        [("SIP000A8A123456.cnf", b"line1_name: 7101\n"), ("RINGLIST.DAT", b"Gone\trings/gone.raw\nUp\t../up.raw\n")];
    let done = import(&files, &[]);
    assert!(
        done.ok && done.said.contains("rings/gone.raw: RINGLIST.DAT names it, and it is not there"),
        "{}",
        done.said
    );
}

#[test]
fn images_in_the_folder_that_image_version_names_come_along() {
    let files: [(&str, &[u8]); 5] = [
        ("SIPDefault.cnf", b"image_version: \"fw/P0S3-06-3-00\"\n"),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("fw/P0S3-06-3-00.bin", b"image"),
        ("other/P0S3-07-4-00.loads", b"nobody's"),
        ("P0S30202.bin", b"stepping stone"),
    ];
    let done = import(&files, &["--firmware"]);
    let (out, _) = rendered(&done, &[]);
    assert_eq!(served(&out, "P0S3-06-3-00.bin").unwrap(), b"image");
    assert_eq!(served(&out, "P0S30202.bin").unwrap(), b"stepping stone");
    assert!(done.said.contains("other/P0S3-07-4-00.loads: not used"), "{}", done.said);
    let done = import(&files, &[]);
    assert!(
        done.ok && done.said.contains("P0S30202.bin, fw/P0S3-06-3-00.bin: firmware is taken along"),
        "{}",
        done.said
    );
    assert!(done.said.contains("for every phone, firmware apart"), "{}", done.said);
}

#[test]
fn who_says_that_there_is_no_plan_gets_none() {
    for value in ["\"\"", "UNPROVISIONED"] {
        let common = format!("dial_template: {value}\n");
        let files: [(&str, &[u8]); 3] = [
            ("SIPDefault.cnf", common.as_bytes()),
            ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
            ("dialplan.xml", PLAN),
        ];
        let done = import(&files, &[]);
        assert!(done.ok && !done.manifests.contains("dialPlan:"), "{value}: {}\n{}", done.said, done.manifests);
        assert!(done.said.contains("dialplan.xml: not used"), "{}", done.said);
    }
}

#[test]
fn a_plan_that_is_served_as_it_is_comes_with_the_reason() {
    let rule = "<TEMPLATE MATCH=\"7...\" Timeout=\"0\" User=\"Phone\"/>\n";
    let large = format!("<DIALTEMPLATE>\n{}</DIALTEMPLATE>\n", rule.repeat(300));
    let many = format!("<DIALTEMPLATE>\n{}</DIALTEMPLATE>\n", "<TEMPLATE MATCH=\"1\"/>\n".repeat(201));
    let padded = format!("<DIALTEMPLATE>\n<!-- {} -->\n{rule}</DIALTEMPLATE>\n", "x".repeat(9000));
    let with = |rule: &str| format!("<DIALTEMPLATE>\n<TEMPLATE MATCH=\"1\"/>\n{rule}\n</DIALTEMPLATE>\n");
    for (plan, reason) in [
        (large.clone(), "it has 15031 bytes, and phones read at most 8192"),
        (padded, "bytes, and phones read at most 8192"),
        (many, "it has 201 rules, and a dialPlan at most 200"),
        (with("<TEMPLATE MATCH=\"2\" Line=\"1\"/>"), "rule 2 (line 3) is for line \"1\""),
        (with("<TEMPLATE MATCH=\"2\" Timeout=\"9000\"/>"), "rule 2 (line 3) waits 9000 s"),
        (with("<TEMPLATE MATCH=\"2\" User=\"Fax\"/>"), "rule 2 (line 3) has the User \"Fax\""),
        (with("<TEMPLATE MATCH=\"2\" Route=\"a b\"/>"), "rule 2 (line 3) has a Route that"),
        (
            with(&format!("<TEMPLATE MATCH=\"{}\"/>", "2".repeat(70))),
            "rule 2 (line 3) has a MATCH that has 70 characters",
        ),
        (with("<TEMPLATE MATCH=\"2\" Rewrite=\"a&b\"/>"), "rule 2 (line 3) has a Rewrite that has '&'"),
        (
            with("<TEMPLATE MATCH=\"2,,,,\" Tone=\"a\" Tone=\"b\" Tone=\"c\" Tone=\"d\"/>"),
            "rule 2 (line 3) has 4 tones",
        ),
        ("<DIALTEMPLATE></DIALTEMPLATE>".to_owned(), "it has no rule that phones know"),
    ] {
        let files: [(&str, &[u8]); 3] = [
            ("SIPDefault.cnf", b"dial_template: dialplan\n"),
            ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
            ("dialplan.xml", plan.as_bytes()),
        ];
        let done = import(&files, &[]);
        assert!(
            done.said.contains("dialplan.xml: no dialPlan can say it") && done.said.contains(reason),
            "{reason}: {}",
            done.said
        );
        let (out, dialled) = rendered(&done, &["7123"]);
        assert_eq!(served(&out, "dialplan.xml").unwrap(), plan.as_bytes());
        if plan.len() > 8192 {
            assert!(dialled.contains("they load no rule of it") && !dialled.contains("at once"), "{dialled}");
        }
    }
}

#[test]
fn what_is_doubtful_in_files_is_said_as_a_cluster_says_it() {
    let plan =
        b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"9NXXXXXX\"/>\n<TEMPLATE MATCH=\"*\" Timeout=\"0\"/>\n</DIALTEMPLATE>\n";
    let files: [(&str, &[u8]); 6] = [
        ("SIPDefault.cnf", b"dial_template: voip/dialplan\n"),
        ("SIP000A8A123456.cnf", b"line1_name: 7101\n"),
        ("voip/dialplan.xml", plan),
        ("RINGLIST.DAT", b"Wave\twave.raw\nno-tab\n"),
        ("wave.raw", b"RIFF----WAVE"),
        ("logo.bmp", b"\x89PNG"),
    ];
    let done = import(&files, &[]);
    for (place, code) in [
        ("voip/dialplan.xml:2: match is \"9NXXXXXX\": the phone's patterns", "[DialPlanForeign]"),
        ("voip/dialplan.xml:3: timeout is 0 for \"*\"", "[DialStarAtOnce]"),
        ("voip/dialplan.xml: has no rule for emergency calls", "[NoEmergencyRule]"),
        ("RINGLIST.DAT:2: \"no-tab\" has no tab", "[RingLineIgnored]"),
        ("wave.raw: is a WAV file", "[RingFormat]"),
        ("logo.bmp: is a PNG file", "[LogoFormat]"),
    ] {
        let line = done.said.lines().find(|line| line.starts_with(&format!("warning: {place}")));
        assert!(line.is_some_and(|line| line.ends_with(code)), "{place}: {}", done.said);
    }
    assert!(done.said.contains("logo.bmp: not used: phones fetch logos over HTTP"), "{}", done.said);
}

#[test]
fn the_flag_beats_the_file_and_the_file_beats_a_guess() {
    let model = |own: &[u8], loader: &[u8], flags: &[&str]| {
        let files = [("SIP000A8A123456.cnf", own), ("SEP000A8A123456.cnf.xml", loader)];
        let done = import(if loader.is_empty() { &files[..1] } else { &files[..] }, flags);
        assert!(done.ok, "{}", done.said);
        let model = done.manifests.lines().find_map(|line| line.trim().strip_prefix("model: ")).unwrap().to_owned();
        (model.trim_matches(['"', '\'']).to_owned(), done.said)
    };
    let comment = b"# taken over from the 7960 upstairs\nline1_name: 7101\n";
    let six = b"# our 7940\nline1_name: 7101\nline4_name: 7104\n";
    let sep = b"<device><loadInformation model=\"IP Phone 7940\">P0S3-8-12-00</loadInformation></device>";
    for (own, loader, flags, expected, told) in [
        (&comment[..], &b""[..], &["--model", "7940"][..], "7940", ""),
        (
            comment,
            b"",
            &[],
            "7960",
            "SIP000A8A123456.cnf:1: SIP000A8A123456.cnf is taken for a 7960, because this comment",
        ),
        (
            b"line1_name: 7101\n; CP-7940G of reception\n",
            b"",
            &[],
            "7940",
            "SIP000A8A123456.cnf:2: SIP000A8A123456.cnf is taken for a 7940",
        ),
        (six, b"", &[], "7960", ""),
        (
            six,
            b"",
            &["--model", "7940"],
            "7940",
            "SIP000A8A123456.cnf:3: line4_name is for a key that a 7940 does not have",
        ),
        (six, sep, &[], "7960", ""),
        (b"line1_name: 7101\n", sep, &[], "7940", "SEP000A8A123456.cnf.xml:1: SIP000A8A123456.cnf is taken for a 7940"),
        (comment, sep, &[], "7940", "SEP000A8A123456.cnf.xml:1: "),
        (comment, sep, &["--model", "7960"], "7960", ""),
        (comment, b"", &["--model", "7960", "--model", "000A8A123456=7940"], "7940", ""),
        (b"# 7940 or 7960\nline1_name: 7101\n", b"", &[], "7960", "nothing tells a 7940 from a 7960"),
        (b"# extension 17940, room 79401\nline1_name: 7940\n", b"", &[], "7960", "nothing tells a 7940 from a 7960"),
        (b"line1_name: 7101\nline5_name: UNPROVISIONED\n", b"", &["--model", "7940"], "7940", ""),
    ] {
        let (model, said) = model(own, loader, flags);
        assert_eq!(model, expected, "{}: {said}", text(own));
        assert!(said.contains(told), "{told}: {said}");
        if told.is_empty() {
            assert!(!said.contains("taken for") && !said.contains("does not have"), "{said}");
        }
    }
    let output = dialtone(&["import", "/", "--site", "hq", "--model", "7941"], "");
    assert!(text(&output.stderr).contains("neither 7940 nor 7960"));
}

#[test]
fn many_guesses_are_told_in_few_lines() {
    let names: Vec<String> = (10..60).map(|n| format!("SIP000A8A1234{n}.cnf")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"# a 7940\n"[..])).collect();
    let done = import(&files, &[]);
    assert_eq!(done.said.matches("is taken for a 7940").count(), 8, "{}", done.said);
    assert!(done.said.contains("42 more phones are taken for what such hints say"), "{}", done.said);
}
