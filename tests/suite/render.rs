//! `dialtone render`, as people call it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn render(args: &[&str], stdin: &str, out: &Path) -> Output {
    use std::io::Write as _;
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command
        .arg("render")
        .args(args)
        .arg("-o")
        .arg(out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SITE: &str = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {settings: {proxy1Address: 10.0.0.1}}\n---\n";

fn phone(spec: &str) -> String {
    format!("{SITE}apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p}}\nspec: {spec}\n")
}

#[test]
fn the_examples_are_rendered_without_a_word_of_complaint() {
    let out = tempfile::tempdir().unwrap();
    let output = render(&["-f", "examples"], "", out.path());
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("warning"), "{}", said(&output));
    let file = std::fs::read_to_string(out.path().join("default/hq/SIP000A8A123456.cnf")).unwrap();
    assert!(file.contains("line1_name: 8105\n"));
    let common = std::fs::read_to_string(out.path().join("default/hq/SIPDefault.cnf")).unwrap();
    assert!(common.contains("proxy1_address: 172.16.129.248\n"));
    assert_eq!(std::fs::read(out.path().join("default/branch/ringer1.pcm")).unwrap().len(), 480);
    let desk = std::fs::read_to_string(out.path().join("default/branch/SIP000A8A007101.cnf")).unwrap();
    assert!(desk.contains("line1_password: correct-horse\n") && desk.contains("line2_shortname: Central\n"));
    assert!(
        std::fs::read_to_string(out.path().join("default/branch/dialplan.xml"))
            .unwrap()
            .contains("Route=\"Emergency\"")
    );
}

#[test]
fn what_is_wrong_is_said_with_file_object_and_field_and_nothing_is_written() {
    for (spec, expected) in [
        ("{siteRef: {name: hq}, mac: 12, model: \"7960\"}", "SipPhone p: spec.mac"),
        ("{siteRef: {name: hq}, mac: 000A8A12345, model: \"7960\"}", "spec.mac: \"000A8A12345\" is not a MAC address"),
        ("{siteRef: {name: hq}, mac: 000A8A123456, model: \"7970\"}", "spec.model"),
        ("{siteRef: {name: other}, mac: 000A8A123456, model: \"7960\"}", "PhoneSite other does not exist"),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", labell: x}",
            "there is no field spec.labell: did you mean label?",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a, colour: b, dispalyName: c}]}",
            "spec.lines[0].dispalyName: did you mean displayName?",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: 7960}",
            "spec.model: invalid type: integer `7960`, expected string or map: put it in quotes",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", label: twelve chars}",
            "spec.label: has 12 characters; the phone keeps at most 11",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7940\", lines: [{name: a}, {name: b}, {name: c}]}",
            "a 7940 has 2 line appearances",
        ),
        ("{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a b}]}", "must not contain blanks"),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", settings: {telnetlevel: Enabled}}",
            "spec.settings.telnetlevel: there is no such setting; did you mean telnetLevel?",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", settings: {startMediaPort: 16348}}",
            "must be a whole number from 16384 to 32766",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", settings: {callWaiting: \"On\"}, extraParameters: {call_waiting: \"2\"}}",
            "is set in settings.callWaiting too",
        ),
        (
            "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a, passwordSecretRef: {name: s, key: k}}]}",
            "Secret s does not exist",
        ),
    ] {
        let out = tempfile::tempdir().unwrap();
        let output = render(&["-f", "-"], &phone(spec), out.path());
        assert_eq!(output.status.code(), Some(1), "{spec}");
        assert!(said(&output).contains(expected) && said(&output).contains("stdin"), "{spec}\n{}", said(&output));
        assert!(std::fs::read_dir(out.path()).unwrap().next().is_none(), "{spec}");
    }
}

#[test]
fn what_cannot_be_read_is_said_in_words() {
    let site = |with: &str, instead: &str| SITE.replace(with, instead);
    for (text, expected) in [
        ("a: b\n c: [1\n".to_owned(), "error: stdin: not YAML: line 2 column 3"),
        (
            site("PhoneSite", "PhonSite"),
            "stdin: \"PhonSite\" is no kind of dialtone.dev: these are PhoneSite and SipPhone",
        ),
        (site("v1alpha1", "v1"), "PhoneSite of apiVersion \"dialtone.dev/v1\": it must be dialtone.dev/v1alpha1"),
        (site("spec:", "spek:"), "PhoneSite hq: missing field `spec`"),
        (site("{name: hq}", "{}"), "metadata.name is missing"),
        (SITE.repeat(2), "PhoneSite default/hq stands in stdin too"),
        (String::new(), "there is no PhoneSite among the inputs"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n".to_owned(), "there is no PhoneSite among the inputs"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let output = render(&["-f", "-"], &text, out.path());
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(said(&output).contains(expected), "{text}\n{}", said(&output));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = render(&["-f", "-"], SITE, file.path());
    assert!(
        said(&output).contains("cannot write to") && said(&output).contains("Not a directory"),
        "{}",
        said(&output)
    );
    let output = render(&["-f", "nowhere.yaml"], "", file.path());
    assert!(said(&output).contains("cannot read nowhere.yaml: No such file"), "{}", said(&output));
}

#[test]
fn doubts_are_warnings_and_a_second_rendering_leaves_no_stale_file() {
    let out = tempfile::tempdir().unwrap();
    let spec = "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", firmware: {image: POS3-07-4-00}, lines: [{name: a}], extraParameters: {telnet_level: \"1\"}}";
    let output = render(&["-f", "-"], &phone(spec), out.path());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("did you mean P0S3-07-4-00?"), "{}", said(&output));
    assert!(said(&output).contains("settings.telnetLevel: \"Enabled\" says the same"), "{}", said(&output));
    let folder = out.path().join("default/hq");
    assert!(folder.join("SIP000A8A123456.cnf").exists());
    let output = render(&["-f", "-"], &phone(&spec.replace("123456", "123457")), out.path());
    assert!(output.status.success());
    assert!(!folder.join("SIP000A8A123456.cnf").exists() && folder.join("SIP000A8A123457.cnf").exists());
}

#[test]
fn text_outside_ascii_is_written_as_the_phone_reads_it() {
    let out = tempfile::tempdir().unwrap();
    let spec = "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", label: Büro, lines: [{name: a}]}";
    assert!(render(&["-f", "-"], &phone(spec), out.path()).status.success());
    let file = std::fs::read(out.path().join("default/hq/SIP000A8A123456.cnf")).unwrap();
    assert!(file.windows(5).any(|bytes| bytes == b"B\xfcro\""));
}

#[test]
fn a_dialled_number_is_followed_through_the_dial_plan() {
    let dial = |number: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
        let output = command.args(["render", "-f", "examples", "--dial", number]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let emergency = dial("112");
    assert!(
        emergency.contains("rule      templates[0], 112\n  sent      at once, with key 3\n  number    112\n"),
        "{emergency}"
    );
    assert!(emergency.contains("to        192.0.2.11:5060, the emergency proxy"), "{emergency}");
    let outside = dial("0301234567890");
    assert!(
        outside.contains("number    0301234567890;user=phone")
            && outside.contains("tone      Bellcore-Outside after 1 key"),
        "{outside}"
    );
    let inside = dial("7101");
    assert!(inside.contains("2 s after the last key") && inside.contains("to        sip.example.com:5060"), "{inside}");
    assert!(inside.contains("default/hq: 7101\n  rule      none: the site has no dial plan"), "{inside}");
}

#[test]
fn ten_thousand_phones_may_stand_in_one_file() {
    let out = tempfile::tempdir().unwrap();
    let many: String = (0..10_000)
        .map(|n| {
            let spec = format!(
                "{{siteRef: {{name: hq}}, mac: \"000A8A{n:06X}\", model: \"7960\", lines: [{{name: \"{n}\"}}]}}"
            );
            format!("---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p{n}}}\nspec: {spec}\n")
        })
        .collect();
    let output = render(&["-f", "-"], &format!("{SITE}{many}"), out.path());
    assert!(output.status.success(), "{}", said(&output));
    assert!(out.path().join("default/hq/SIP000A8A00270F.cnf").exists());
}

#[test]
fn what_would_leave_the_folder_or_be_two_files_at_once_is_refused() {
    let map = |key: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{{key:?}: evil}}\n---\n")
            + "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {files: {configMaps: [{name: m}]}}\n"
    };
    let site = |spec: &str| {
        format!("apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec: {{{spec}}}\n")
    };
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("evil");
    for (manifests, expected) in [
        (map(outside.to_str().unwrap()), "is no key"),
        (map("../../../evil"), "is no key"),
        (map(".."), "is no key"),
        (
            site("settings: {dialTemplate: syncinfo}, dialPlan: {templates: [{match: \"1\"}]}"),
            "another file of its own",
        ),
        (
            site("settings: {dialTemplate: xmldefault.CNF}, dialPlan: {templates: [{match: \"1\"}]}"),
            "another file of its own",
        ),
        (site("ringList: [{name: \"\", file: a.raw}]"), "spec.ringList[0].name: is empty"),
        (site("ringList: [{name: A, file: \"\"}]"), "spec.ringList[0].file: is empty"),
    ] {
        let output = render(&["-f", "-"], &manifests, &folder.path().join("a/b/c"));
        assert_eq!(output.status.code(), Some(1), "{manifests}");
        assert!(said(&output).contains(expected), "{}", said(&output));
        assert!(!outside.exists(), "{manifests}");
    }
}

#[test]
fn a_suspended_site_is_rendered_with_a_word_on_what_that_means() {
    let out = tempfile::tempdir().unwrap();
    let manifests = phone("{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a}]}")
        .replace("spec: {settings", "spec: {suspend: true, settings");
    let output = render(&["-f", "-"], &manifests, out.path());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("spec.suspend: is true"), "{}", said(&output));
    assert!(out.path().join("default/hq/SIP000A8A123456.cnf").exists());
}

#[test]
fn a_dial_plan_from_a_config_map_is_asked_too() {
    let plan =
        "<DIALTEMPLATE><TEMPLATE MATCH=\\\"0\\\" Timeout=\\\"0\\\" Route=\\\"gw.example.com\\\"/></DIALTEMPLATE>";
    let manifests = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{plan.xml: \"{plan}\"}}\n---\n"
    ) + "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {settings: {dialTemplate: plan}, files: {configMaps: [{name: m}]}}\n";
    let out = tempfile::tempdir().unwrap();
    let output = render(&["-f", "-", "--dial", "0"], &manifests, out.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("rule      plan.xml:1, 0") && said.contains("to        gw.example.com"), "{said}");
}

#[test]
fn a_secret_that_holds_credentials_for_something_else_is_refused() {
    let manifests = "apiVersion: v1\nkind: Secret\nmetadata: {name: sa}\ntype: kubernetes.io/service-account-token\nstringData: {token: eyJhbGciOi}\n---\n".to_owned()
        + &phone("{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a, passwordSecretRef: {name: sa, key: token}}]}");
    let out = tempfile::tempdir().unwrap();
    let output = render(&["-f", "-"], &manifests, out.path());
    assert_eq!(output.status.code(), Some(1));
    let expected = "spec.lines[0].passwordSecretRef: Secret sa holds credentials for something else, by its type";
    assert!(said(&output).contains(expected) && said(&output).contains("[SecretNotAllowed]"), "{}", said(&output));
    assert!(!said(&output).contains("eyJ") && std::fs::read_dir(out.path()).unwrap().next().is_none());
}

#[test]
fn a_number_is_promised_nothing_by_a_plan_that_no_phone_loads() {
    let manifests = |template: &str, unset: &str, file: &str, plan: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  {file}: |\n    {}\n---\napiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec: {{{template}unsetParameters: {unset}, files: {{configMaps: [{{name: m}}]}}}}\n",
            plan.replace('\n', "\n    ")
        )
    };
    let named = |template: &str| format!("extraParameters: {{dial_template: \"{template}\"}}, ");
    let plan = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"7...\" Timeout=\"0\"/>\n</DIALTEMPLATE>";
    let large = format!("{plan}\n<!-- {} -->", "x".repeat(9000));
    for (template, unset, file, plan, expected) in [
        ("", "Reset", "dialplan.xml", plan, "rule      dialplan.xml:2, 7...\n  sent      at once"),
        ("", "Keep", "dialplan.xml", plan, "plan      dialplan.xml, if phones remember it"),
        (&named("./dialplan"), "Reset", "dialplan.xml", plan, "rule      dialplan.xml:2, 7..."),
        (&named("voip/plans/desk"), "Reset", "desk.xml", plan, "rule      desk.xml:2, 7..."),
        (
            &named("voip/plans/desk"),
            "Reset",
            "dialplan.xml",
            plan,
            "none: phones ask for voip/plans/desk.xml, and the site has no such file",
        ),
        (&named(""), "Reset", "dialplan.xml", plan, "none: dial_template is empty"),
        ("", "Reset", "other.xml", plan, "none: the site has no dial plan"),
        (
            "",
            "Reset",
            "dialplan.xml",
            &large,
            "bytes, and phones read at most 8192: they load no rule of it\n  sent      10 s after the last key",
        ),
        (
            "",
            "Reset",
            "dialplan.xml",
            "<DIALTEMPLATE></DIALTEMPLATE>",
            "none: the dial plan has no rule that phones know",
        ),
    ] {
        let out = tempfile::tempdir().unwrap();
        let output = render(&["-f", "-", "--dial", "7123"], &manifests(template, unset, file, plan), out.path());
        assert!(output.status.success(), "{}", said(&output));
        let dialled = String::from_utf8(output.stdout).unwrap();
        assert!(dialled.contains(expected), "{expected}: {dialled}");
    }
}

#[test]
fn what_is_doubtful_in_a_config_map_is_a_warning_with_its_line() {
    let manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  dialplan.xml: |\n    <DIALTEMPLATE>\n    <TEMPLATE MATCH=\"911\"/>\n    <TEMPLATE MATCH=“0”/>\n    </DIALTEMPLATE>\n  SEP000A8A123456.cnf.xml: \"<device>\"\n---\napiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {files: {configMaps: [{name: m}]}}\n";
    let out = tempfile::tempdir().unwrap();
    let output = render(&["-f", "-"], manifests, out.path());
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for expected in [
        "warning: stdin: PhoneSite default/hq: spec.files.configMaps[0]/dialplan.xml:3: phones pass it over: the value of \"MATCH\" has typographic quotes",
        "warning: stdin: PhoneSite default/hq: spec.files.configMaps[0]/SEP000A8A123456.cnf.xml:1: the element \"device\" has no end",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn what_a_phone_calls_by_itself_is_shown_when_nothing_or_anything_is_dialled() {
    let dial = |off_hook: &str, number: &str| {
        let site = format!(
            "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec:\n  settings: {{proxy1Address: 10.0.0.1}}\n  dialPlan: {{offHook: {off_hook}, templates: [{{match: \"7...\", timeout: 0}}]}}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("site.yaml"), site).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
        let output = command.args(["render", "-f"]).arg(folder.path()).args(["--dial", number]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let hotline = "{number: \"7100\", timeout: 0}";
    let lifted = dial(hotline, "");
    assert!(
        lifted.contains("offHook, a hotline")
            && lifted.contains("as soon as the handset is lifted")
            && lifted.contains("10.0.0.1:5060"),
        "{lifted}"
    );
    let dialled = dial(hotline, "112");
    assert!(dialled.contains("number    7100\n") && dialled.contains("too late  112"), "{dialled}");
    let warm = "{number: \"0\", timeout: 8, user: Phone, route: gw}";
    let lifted = dial(warm, "");
    assert!(
        ["offHook, a warm line", "8 s after the handset is lifted", "number    0;user=phone", "to        gw"]
            .iter()
            .all(|part| lifted.contains(part)),
        "{lifted}"
    );
    let dialled = dial(warm, "7101");
    assert!(
        ["templates[0], 7...", "number    7101\n", "otherwise 0, 8 s after"].iter().all(|part| dialled.contains(part)),
        "{dialled}"
    );
}

/// What is said of a site, a phone of it and its Secret, of which one cannot be read.
fn said_of(documents: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    let output = render(&["-f", "-"], &documents.join("\n---\n"), out.path());
    assert_eq!(output.status.code(), Some(1));
    said(&output)
}

#[test]
fn of_an_object_that_cannot_be_read_nobody_says_that_it_does_not_exist() {
    let site = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {settings: {proxy1Address: 10.0.0.1, proxyRegister: true}}";
    let phone = "apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {name: p}\nspec: {siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a, passwordSecretRef: {name: s, key: k}}]}";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: horse}";
    for (good, bad) in [
        ("spec: {settings", "spec: {setings"),
        ("spec: {settings", "spek: {settings"),
        ("spec: {settings", "spec: {suspend: 3, settings"),
        ("spec: {settings", "spec: {firmware: [], settings"),
        ("spec: {settings", "spec: {ringList: 7, settings"),
        ("v1alpha1", "v2"),
    ] {
        let all = said_of(&[&site.replace(good, bad), phone, secret]);
        assert!(!all.contains("does not exist") && !all.contains("[NoProxy]"), "{bad}: {all}");
        assert!(
            all.contains("PhoneSite hq cannot be read: stdin: ") && all.contains(": correct that first [SiteInvalid]"),
            "{bad}: {all}"
        );
        assert_eq!(all.matches("error: stdin").count(), 2, "{bad}: {all}");
    }
    for (good, bad) in
        [("k: horse", "k: 7"), ("stringData: {", "data: {k: \"%\", "), ("{k: horse}", "[k]"), ("k: horse", "k/k: x")]
    {
        let all = said_of(&[site, phone, &secret.replace(good, bad)]);
        assert_eq!(all.matches("error: stdin").count(), 1, "{bad}: {all}");
        assert!(!all.contains("warning") && !all.contains("Secret s does not exist"), "{bad}: {all}");
    }
    let ring = site.replace("spec: {", "spec: {ringList: [{name: A, file: a.pcm}], files: {configMaps: [{name: m}]}, ");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\nbinaryData: {a.pcm: \"%\"}";
    let all = said_of(&[&ring, map]);
    assert!(!all.contains("[RingMissing]") && !all.contains("does not exist"), "{all}");
}

#[test]
fn of_a_site_that_may_be_in_a_file_that_cannot_be_read_nobody_says_that_it_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let phone = "apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {name: p}\nspec: {siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a}]}";
    std::fs::write(folder.path().join("phone.yaml"), phone).unwrap();
    for broken in ["kind: [", "a: b\n c: d", "\u{1}"] {
        std::fs::write(folder.path().join("site.yaml"), broken).unwrap();
        let out = tempfile::tempdir().unwrap();
        let all = said(&render(&["-f", folder.path().to_str().unwrap()], "", out.path()));
        assert!(all.contains("PhoneSite hq cannot be read: it may be in ") && !all.contains("does not exist"), "{all}");
    }
    // Of a kind that is nearly that of a site.
    for kind in ["PhoneSit", "Phonesite", "PhoneSites"] {
        let site = format!("apiVersion: dialtone.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: hq}}\nspec: {{}}");
        let all = said_of(&[&site, phone]);
        assert!(all.contains("PhoneSite hq cannot be read: stdin: ") && !all.contains("does not exist"), "{all}");
    }
}

#[test]
fn a_site_with_one_wrong_field_draws_one_error_of_its_own_and_one_of_each_phone() {
    let site = SITE.replace("proxy1Address: 10.0.0.1", "proxy1Address: 10.0.0.1, logoUrl: \"ftp://x/logo.bmp\"");
    let text = phone("{siteRef: {name: hq}, mac: 000A8A123456, model: \"7940\", lines: [{key: 2, name: \"7702\"}]}");
    let all = said_of(&[&text.replace(SITE, &site)]);
    assert_eq!(all.lines().count(), 3, "{all}");
    assert!(all.contains("PhoneSite hq cannot be served") && !all.contains("warning"), "{all}");
}

#[test]
fn of_two_documents_of_one_object_it_is_said_which_holds_and_nothing_that_follows() {
    let empty = SITE.replace("proxy1Address: 10.0.0.1", "");
    let own = "{siteRef: {name: hq}, mac: 000A8A123456, model: \"7960\", lines: [{name: a}]}";
    for text in [phone(own) + "---\n" + &empty, empty.clone() + &phone(own)] {
        let all = said_of(&[&text]);
        assert!(
            all.contains("PhoneSite default/hq stands in stdin too: this one holds, because it was read last"),
            "{all}"
        );
        assert!(!all.contains("[NoProxy]") && all.matches("error: stdin").count() == 1, "{all}");
    }
    let twice = phone(own) + "---\n" + &phone(own).replace(SITE, "").replace("000A8A123456", "000A8A123457");
    let all = said_of(&[&twice]);
    assert!(all.contains("SipPhone default/p stands in stdin too: this one holds"), "{all}");
    // Doubts about other objects are said as ever.
    let other = "\n---\napiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: lab}\nspec: {settings: {sntpMode: Unicast}}\n";
    assert!(said_of(&[&(twice + other)]).contains("[NoTimeServer]"));
}

#[test]
fn a_password_in_a_url_is_shown_nowhere() {
    let out = tempfile::tempdir().unwrap();
    let site = SITE
        .replace("proxy1Address: 10.0.0.1", "proxy1Address: 10.0.0.1, servicesUrl: \"http://admin:hunter2@10.0.0.9/\"");
    let output = render(&["-f", "-"], &site, out.path());
    assert!(output.status.success() && said(&output).contains("[LoginInUrl]"), "{}", said(&output));
    assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    for (good, bad) in [
        ("servicesUrl: \"http:", "servicesUrl: \"https:"),
        ("servicesUrl:", "servicesUrll:"),
        ("{settings: {", "{suspend: \"http://admin:hunter2@10.0.0.9/\", settings: {"),
        ("kind: PhoneSite", "kind: \"http://admin:hunter2@10.0.0.9/\""),
    ] {
        let output = render(&["-f", "-"], &site.replace(good, bad), out.path());
        assert!(!output.status.success() && !said(&output).contains("hunter2"), "{}", said(&output));
    }
}
