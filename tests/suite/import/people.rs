//! What people put into files, and onto the command line: prefixes, passwords in URLs, quotes of word processors, names twice.

use super::*;

const MAC: &str = "000A8A123456";

fn run(files: Files<'_>, more: &[&str]) -> (bool, String, String) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), files);
    let output = dialtone(&[&["import", root.path().to_str().unwrap(), "--site", "hq", "--check"], more].concat(), "");
    (output.status.success(), text(&output.stderr), text(&output.stdout))
}

/// Renders manifests; the files of the site, and what is said.
fn render(manifests: &str) -> (std::collections::BTreeMap<String, String>, String) {
    let out = tempfile::tempdir().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", out.path().to_str().unwrap()], manifests);
    assert!(rendered.status.success(), "{}", text(&rendered.stderr));
    let files = std::fs::read_dir(out.path().join("default/hq")).unwrap().flatten();
    let files = files.map(|file| (file.file_name().into_string().unwrap(), text(&std::fs::read(file.path()).unwrap())));
    (files.collect(), text(&rendered.stderr))
}

#[test]
fn phones_that_ask_with_a_prefix_get_their_files() {
    for (prefix, file, stays) in [
        ("./", "SIP000A8A123456.cnf", true),
        ("./phones/", "phones/SIP000A8A123456.cnf", true),
        ("phones\\", "phones/SIP000A8A123456.cnf", true),
        ("/phones/", "phones/SIP000A8A123456.cnf", true),
        ("Phones/", "phones/sip000a8a123456.cnf", true),
        ("p-", "p-SIP000A8A123456.cnf", false),
        ("p-", "P-SIP000A8A123456.cnf", false),
        ("conf/p-", "conf/p-SIP000A8A123456.cnf", false),
        ("phones", "phonesSIP000A8A123456.cnf", false),
        ("/tftpboot/configs/phones", "phones/SIP000A8A123456.cnf", false),
        ("/tftpboot/phones/", "phones/SIP000A8A123456.cnf", true),
        ("phones/", "SIP000A8A123456.cnf", true),
        ("../phones/", "SIP000A8A123456.cnf", false),
    ] {
        let common = format!("tftp_cfg_dir: {prefix}\nproxy1_address: 10.0.0.1\n");
        let files = [("SIPDefault.cnf", common.as_bytes()), (file, b"line1_name: 7101\n")];
        let (is_well, said, manifests) = run(&files, &[]);
        assert!(is_well && said.contains("hq: 1 phone"), "{prefix}: {said}");
        let (files, _) = render(&manifests);
        assert!(files[&format!("SIP{MAC}.cnf")].contains("line1_name: 7101"), "{prefix}");
        let line = files["SIPDefault.cnf"].lines().find(|line| line.starts_with("tftp_cfg_dir")).unwrap();
        assert_eq!(line != "tftp_cfg_dir: \"\"", stays, "{prefix}: {line}");
        assert_eq!(said.contains("it becomes empty, because"), !stays, "{prefix}: {said}");
    }
}

#[test]
fn a_phones_file_that_no_phone_gets_is_told_and_fails_the_check() {
    let common: &[u8] = b"proxy1_address: 10.0.0.1\n";
    let with: &[u8] = b"tftp_cfg_dir: p-\n";
    for (common, file, other) in [
        (common, "p-SIP000A8A123456.cnf", "SIP000A8A123457.cnf"),
        (common, "phones/SIP000A8A123456.cnf", ""),
        (with, "q-SIP000A8A123456.cnf", "p-SIP000A8A123457.cnf"),
        (with, "phones/SIP000A8A123456.cnf", "p-SIP000A8A123457.cnf"),
    ] {
        let mut files: Vec<(&str, &[u8])> = vec![("SIPDefault.cnf", common), (file, b"line1_name: 7101\n")];
        files.extend((!other.is_empty()).then_some((other, &b"line1_name: 7102\n"[..])));
        let (is_well, said, _) = run(&files, &[]);
        assert!(!is_well, "{file}: {said}");
        assert!(said.contains(&format!("warning: {file}: not used: ")), "{said}");
        assert!(said.contains(&format!("error: {file}: no phone of the manifests gets it")), "{said}");
    }
    // Those of another site, and copies, are no loss.
    for file in
        ["branch/SIP000A8A123456.cnf", "old/SIP000A8A123457.cnf", "old-SIP000A8A123457.cnf", "SIP000000000000.cnf"]
    {
        let (is_well, said, _) = run(
            &[("SIPDefault.cnf", common), ("SIP000A8A123457.cnf", b"line1_name: 1\n"), (file, b"line1_name: 2\n")],
            &[],
        );
        assert!(is_well && said.contains(&format!("warning: {file}: not used: ")), "{file}: {said}");
    }
}

#[test]
fn a_password_in_a_url_goes_into_a_secret_and_is_never_shown() {
    let common = "services_url: \"http://menu:horse@10.0.0.1/services.xml\"\ndirectory_url: http://10.0.0.1/dir.php?user=a&password=horse\n\
        logo_url: ftp://menu:horse@10.0.0.1/logo.bmp\nproxy1_address: http://menu:horse@10.0.0.1/\nmy_url: \"http://menu:ho/rse@10.0.0.1/x\"\n\
        services_url: \"http://menu:horse@10.0.0.1/services.xml\"\nlogo_url=http://menu:horse@10.0.0.1/\n";
    let own = "line1_name: 7101\ndirectory_url: \"http://horse@10.0.0.1/\" trailing http://menu:horse@10.0.0.1\nmessages_uri: \"sip:8000:horse@10.0.0.1\"\n";
    let (is_well, said, manifests) =
        run(&[("SIPDefault.cnf", common.as_bytes()), ("SIP000A8A123456.cnf", own.as_bytes())], &[]);
    assert!(is_well, "{said}");
    assert!(!said.contains("horse") && !said.contains("ho/rse"), "{said}");
    for document in manifests.split("---\n").filter(|document| !document.contains("kind: Secret")) {
        assert!(!document.contains("horse") && !document.contains("ho/rse"), "{document}");
    }
    assert!(said.contains("SIPDefault.cnf:6: services_url holds a password"), "{said}");
    let (files, said) = render(&manifests);
    assert!(files["SIPDefault.cnf"].contains("services_url: \"http://menu:horse@10.0.0.1/services.xml\""));
    assert!(files["SIP000A8A123456.cnf"].contains("messages_uri: \"sip:8000:horse@10.0.0.1\""));
    assert!(!said.contains("horse"), "{said}");
    // What holds none stays where people see it.
    let plain = "services_url: \"http://10.0.0.1:8080/menu.php?name=#DEVICENAME#\"\nmessages_uri: 8000\nlogo_url: http://10.0.0.1/logo.bmp\n";
    let (_, said, manifests) =
        run(&[("SIPDefault.cnf", plain.as_bytes()), ("SIP000A8A123456.cnf", b"line1_name: 1\n")], &[]);
    assert!(!manifests.contains("kind: Secret") && !said.contains("password"), "{said}\n{manifests}");
}

#[test]
fn a_file_with_another_name_says_why() {
    let rule: &[u8] = b"<DIALTEMPLATE><TEMPLATE MATCH=\"911\" Timeout=\"0\"/></DIALTEMPLATE>";
    let long = "a-plan-that-somebody-gave-a-name-that-is-far-too-long-to-be-kept-as-it-is";
    for (template, file, why) in [
        ("./dialplan", "dialplan.xml", "phones find it in the root without \"./\" too"),
        ("/dialplan", "dialplan.xml", "phones find it in the root without \"/\" too"),
        ("dial plan", "dial plan.xml", "a name in a ConfigMap has no blanks"),
        ("d\u{fc}", "d\u{fc}.xml", ""),
        ("plan+1", "plan+1.xml", "and no '+'"),
        ("-plan", "-plan.xml", "begins with a letter or a digit"),
        (long, &format!("{long}.xml"), "at most 64 characters"),
        ("voip/desk", "voip/desk.xml", "a ConfigMap has no folders"),
        ("voip/dial plan", "voip/dial plan.xml", "a ConfigMap has no folders"),
    ] {
        let common = format!("dial_template: \"{template}\"\n");
        let (is_well, said, _) = run(&[("SIPDefault.cnf", common.as_bytes()), (file, rule)], &[]);
        if why.is_empty() {
            continue;
        }
        assert!(is_well && said.contains(why), "{template}: {said}");
        let is_in_folder = file.contains('/');
        assert_eq!(said.contains("no folders"), is_in_folder, "{template}: {said}");
    }
    let (_, said, _) = run(
        &[
            ("RINGLIST.DAT", b"A\tmy ring.raw\nB\trings/b.raw\nC\t./c.raw\n"),
            ("my ring.raw", &[0; 240]),
            ("rings/b.raw", &[0; 240]),
            ("c.raw", &[0; 240]),
        ],
        &[],
    );
    for part in [
        "my ring.raw: is served as my-ring.raw, because a name in a ConfigMap has no blanks",
        "rings/b.raw: is served as b.raw, because a ConfigMap has no folders",
        "./c.raw: is served as c.raw, because phones find it in the root",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_render_would_say_of_lines_proxies_and_labels_import_says_once() {
    let own = "line1_name: \"7101 a\"\nline2_name: \"71@02\"\nproxy2_address: \"a b\"\nproxy1_port: 99999\nphone_label: \"A label that is too long\"\nline2_shortname: \"A short name that is far too long to fit in\"\n";
    let common: &[u8] = b"proxy1_address: \"10.0.0.1/24\"\nproxy3_port: abc\n";
    let (is_well, said, manifests) =
        run(&[("SIPDefault.cnf", common), ("SIP000A8A123456.cnf", own.as_bytes())], &["--model", "7960"]);
    assert!(is_well, "{said}");
    let (_, rendered) = render(&manifests);
    assert!(rendered.matches("[UnusualValue]").count() >= 6, "{rendered}");
    for line in rendered.lines().filter(|line| line.contains("[UnusualValue]")) {
        let (_, parameter) = line.split_once("extraParameters.").unwrap();
        let parameter = parameter.split(':').next().unwrap();
        let times = said
            .lines()
            .filter(|line| line.contains(&format!(" {parameter} ")) || line.contains(&format!(".{parameter}:")))
            .count();
        assert_eq!(times, 1, "{parameter}\n{said}\n{rendered}");
    }
}

#[test]
fn two_lines_of_one_name_in_a_file_are_told_once() {
    for (own, places) in [
        ("line1_name: 7101\nline2_name: 7101\n", "line2_name is \"7101\", as is line1_name"),
        (
            "line1_name: 7101\nline3_name: 7101\nproxy3_address: 10.0.0.1\nproxy1_address: 10.0.0.1\n",
            "line3_name is \"7101\", as is line1_name",
        ),
        (
            "line1_name: 7101\nline2_name: 7101\nproxy1_address: 10.0.0.1\nproxy2_address: 10.0.0.2\n",
            "is \"7101\", as is lines[0] on another proxy",
        ),
    ] {
        let (is_well, said, _) = run(
            &[("SIPDefault.cnf", b"proxy1_address: 10.0.0.9\n"), ("SIP000A8A123456.cnf", own.as_bytes())],
            &["--model", "7960"],
        );
        assert!(is_well && said.contains(places), "{said}");
        assert_eq!(said.matches("[LineNameShared]").count(), 1, "{said}");
        assert!(!said.contains("[UntypedParameter]"), "{said}");
    }
}

#[test]
fn a_model_for_a_phone_that_is_not_there_and_two_that_contradict_each_other_are_errors() {
    let files: Files<'_> = &[("SIP000A8A123456.cnf", b"line1_name: 7101\n")];
    for (models, says) in [
        (
            &["000A8A999999=7940"] as &[&str],
            "--model 000A8A999999=7940: there is no such phone: no file SIP000A8A999999.cnf",
        ),
        (&["7940", "7960"], "--model says 7940 and 7960 of all phones"),
        (&["000A8A123456=7940", "00:0a:8a:12:34:56=7960"], "--model says 7940 and 7960 of 000A8A123456"),
        (&["7940", "000A8A123456=7960", "7940", "7960"], "of all phones"),
    ] {
        let flags: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
        let (is_well, said, manifests) = run(files, &flags);
        assert!(!is_well && said.contains(says) && manifests.is_empty(), "{models:?}: {said}");
    }
    for models in
        [&["7940", "7940"] as &[&str], &["7940", "000A8A123456=7960"], &["000A8A123456=7940", "000a.8a12.3456=7940"]]
    {
        let flags: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
        let (is_well, said, _) = run(files, &flags);
        assert!(is_well, "{models:?}: {said}");
    }
}

#[test]
fn quotes_of_a_word_processor_are_told_once_for_each_value() {
    let own = "line1_name: “7101”\nline1_displayname: \"Caf\u{e9}\"\nproxy1_address: “10.0.0.1”\nline1_password: “horse”\nphone_label: \"Meier’s\"\n";
    let (is_well, said, _) = run(&[("SIP000A8A123456.cnf", own.as_bytes())], &[]);
    assert!(is_well, "{said}");
    for part in [
        "SIP000A8A123456.cnf:1: line1_name has typographic quotes: \"“7101”\"",
        "SIP000A8A123456.cnf:3: proxy1_address has typographic quotes: \"“10.0.0.1”\"",
        "SIP000A8A123456.cnf:4: line1_password has typographic quotes: phones",
        "SIP000A8A123456.cnf:5: phone_label has typographic quotes",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert_eq!(said.matches("line1_name").count(), 1, "{said}");
    assert!(!said.contains("horse"), "{said}");
    let (is_well, said, _) =
        run(&[("SIP000A8A123456.cnf", b"line1_name: \x937101\x94\nproxy1_address: 10.0.0.1\n")], &[]);
    assert!(is_well && said.contains("line1_name has typographic quotes: \"“7101”\""), "{said}");
    assert!(said.contains("1 phone, 1 warning") || said.contains("nothing tells a 7940"), "{said}");
}

#[test]
fn the_same_of_many_phones_is_one_line() {
    let names: Vec<String> = (0..30).map(|n| format!("SIP000A8A1234{n:02}.cnf")).collect();
    let texts: Vec<String> = (0..30).map(|n| format!("line1_name: 71{n:02}\ntimer_register: 1800\nline1_shortname: \"A short name that is far too long for phone {n}\"\n")).collect();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    files.push(("SIPDefault.cnf", b"proxy1_address: 10.0.0.1\n"));
    let (_, said, _) = run(&files, &["--model", "7940"]);
    let line = "warning: SIP000A8A123400.cnf:2, SIP000A8A123401.cnf:2, SIP000A8A123402.cnf:2 and 27 more: timer_register is unknown";
    assert!(said.contains(line), "{said}");
    assert!(said.lines().count() < 12, "{said}");
}

#[test]
fn what_hoisting_takes_the_place_of_is_told() {
    let common: &[u8] = b"proxy1_address: 10.0.0.9\ndtmf_outofband: none\nsomething: a\ntime_zone: EST\nservices_url: http://a:horse@h/\n";
    let own: &[u8] =
        b"proxy1_address: 10.0.0.1\ndtmf_outofband: avt\nsomething: b\ntime_zone: EST\nservices_url: http://h/\n";
    let own = |n: u8| [own, format!("line1_name: 71{n}\n").as_bytes()].concat();
    let files = [("SIPDefault.cnf", common), ("SIP000A8A123401.cnf", &own(1)), ("SIP000A8A123402.cnf", &own(2))];
    let (is_well, said, manifests) = run(&files, &["--hoist"]);
    assert!(is_well, "{said}\n{manifests}");
    for part in [
        "SIPDefault.cnf:1: proxy1_address is \"10.0.0.9\", which no phone uses; --hoist puts in its place what all of them have, \"10.0.0.1\"",
        "SIPDefault.cnf:2: dtmf_outofband is \"none\"",
        "SIPDefault.cnf:3: something is \"a\", which no phone uses",
        "SIPDefault.cnf:5: services_url is \"http://***@h/\", which no phone uses",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("SIPDefault.cnf:4") && !said.contains("horse"), "{said}");
    let (_, said, _) = run(&files, &[]);
    assert!(!said.contains("hoist"), "{said}");
}

/// Values as they stand in files that people have in use.
#[test]
fn files_that_are_well_draw_none_of_this() {
    let common = "image_version: P0S3-8-12-00\n# Folder for the phones' own files.\n#tftp_cfg_dir: /tftpboot/configs\ntftp_cfg_dir: \"./\" ; Example: ./sip_phone/\n\
        proxy1_address: \"pbx.example.net\"\nproxy2_address: \"\"\nproxy_emergency: \"UNPROVISIONED\"\nproxy_register: \"1\"\nmessages_uri: \"*97\" ; voice mail\n\
        sntp_server: \"192.53.103.104\"\t; time server\nsntp_mode: unicast\ntime_zone: CET\ndst_start_month: 3\ndst_stop_month: 10\n\
        services_url: \"http://10.0.0.5:8080/services/menu.xml?phone=#DEVICENAME#\"\ndirectory_url: \"http://10.0.0.5/dir.php?page=1&kind=a@b\"\n\
        logo_url: \"http://10.0.0.5/logos/it's_us.bmp\"\n";
    let own = |n: u8| {
        let text = format!(
            "line1_name: \"71{n}\"\nline1_authname: \"71{n}\"\nline1_password: \"s3cr;t'{n}\"\nline1_displayname: \"Zo\u{eb} M\u{fc}ller\"\nline2_name: \"\"\nphone_label: \"Caf\u{e9} {n}\"\n"
        );
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>()
    };
    let phones = [own(1), own(2)];
    let files: Files<'_> = &[
        ("SIPDefault.cnf", common.as_bytes()),
        ("SIP000A8A123401.cnf", &phones[0]),
        ("SIP000A8A123402.cnf", &phones[1]),
    ];
    for flags in [
        &["--model", "7940"] as &[&str],
        &["--model", "7940", "--hoist"],
        &["--model", "7960", "--model", "000A8A123401=7940", "--tidy"],
    ] {
        let (is_well, said, _) = run(files, flags);
        assert!(is_well && said.contains("hq: 2 phones, 0 warnings"), "{flags:?}: {said}");
    }
}
