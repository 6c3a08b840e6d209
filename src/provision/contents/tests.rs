//! Files as they lie in roots that people kept by hand, and what there is to say of each.

use super::*;

fn said(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let found = examine(name, bytes.as_ref(), &mut Effort::default());
    found.flaws.iter().map(|flaw| format!("{} {} [{}]", flaw.place(name), flaw.what, flaw.advice.code)).collect()
}

/// A plan with a rule for emergency calls and these.
fn plan(rules: &str) -> String {
    format!("<DIALTEMPLATE>\n<TEMPLATE MATCH=\"911\" Timeout=\"0\"/>\n{rules}\n</DIALTEMPLATE>\n")
}

#[test]
fn what_phones_read_without_trouble_draws_nothing() {
    for (name, bytes) in [
        ("dialplan.xml", plan("<TEMPLATE MATCH=\"9,1..........\" Timeout=\"1\" Tone=\"Bellcore-Outside\"/>")),
        ("dialplan.xml", "<dialtemplate>\r\n<TEMPLATE match=\"112\" TIMEOUT=\"0\" USER=\"Phone\"/>\r\n<!-- all else -->\r\n<TEMPLATE MATCH=\"*\"/>\r\n</dialtemplate>".to_owned()),
        ("desk.xml", plan("<TEMPLATE MATCH=\"\" Timeout=\"4\" Rewrite=\"7101\"/>")),
        ("dialplan.xml", plan("<TEMPLATE MATCH=\"7...\" Timeout=\"0\" Line=\"2\"/>")),
        ("syncinfo.xml", "<IMAGE VERSION=\"*\" SYNC=\"1\"/>".to_owned()),
        ("XMLDefault.cnf.xml", "<Default><loadInformation8>P003-8-12-00</loadInformation8></Default>".to_owned()),
        ("SEP000A8A123456.cnf.xml", "<device><loadInformation></loadInformation><phonePassword>a&#38;b</phonePassword></device>".to_owned()),
        ("RINGLIST.DAT", "Old Bell\tbell.raw\r\nPiano 1\t\t piano1.pcm \r\n\r\n".to_owned()),
        ("OS79XX.TXT", "P003-8-12-00\r\n".to_owned()),
        ("OS79XX.TXT", "P0S30202".to_owned()),
        ("CTLSEP000A8A123456.tlv", " ".to_owned()),
        ("MGC000A8A123456.cnf", "anything".to_owned()),
        ("bell.raw", "\u{7f}".repeat(480)),
        ("bell.PCM", "\u{7f}".repeat(16_080)),
        ("directory.xml", "<CiscoIPPhoneMenu><Title>A & B".to_owned()),
        ("phones.txt", "<DIALTEMPLATE".to_owned()),
        ("readme.bmp.txt", "no picture".to_owned()),
    ] {
        assert_eq!(said(name, &bytes), [""; 0], "{name}: {bytes}");
    }
}

#[test]
fn what_phones_pass_over_or_take_for_something_else_is_told_with_its_line() {
    let large = plan(&"<TEMPLATE MATCH=\"7...\" Timeout=\"0\" User=\"Phone\"/>\n".repeat(300));
    let wide: Vec<u8> = "\u{feff}<DIALTEMPLATE>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"9NXXXXXX\"/>").into(),
            "dialplan.xml:3.match is \"9NXXXXXX\" [DialPlanForeign]",
        ),
        (
            "voip.xml",
            plan("<TEMPLATE MATCH=\"[2-9]...\"/>").into(),
            "voip.xml:3.match is \"[2-9]...\" [DialPlanForeign]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"*\" Timeout=\"0\"/>").into(),
            "dialplan.xml:3.timeout is 0 for \"*\" [DialStarAtOnce]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"911\" Timeout=\"5\"/>").into(),
            "dialplan.xml:3.match is \"911\", and dialling 911 takes the rule in line 2, \"911\" [DialRuleUnreachable]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"8,.\" Tone=\"Ding\"/>").into(),
            "dialplan.xml:3.tones has \"Ding\" [DialTones]",
        ),
        (
            "dialplan.xml",
            b"<DIALTEMPLATE><TEMPLATE MATCH=\"7...\"/></DIALTEMPLATE>".into(),
            "dialplan.xml has no rule for emergency calls [NoEmergencyRule]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\u{201c}0\u{201d}/>").into(),
            "dialplan.xml:3 phones pass it over: the value of \"MATCH\" has typographic quotes; phones know straight ones only [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            plan("<template match=\"0\"/>").into(),
            "dialplan.xml:3 phones pass it over: phones know TEMPLATE in capitals only, not \"template\" [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"0\" Colour=\"red\"/>").into(),
            "dialplan.xml:3 phones pass it over: phones drop a rule with the attribute \"Colour\" [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            plan("<TEMPLATE MATCH=\"0\" Timeout=\"soon\"/>").into(),
            "dialplan.xml:3 phones pass it over: Timeout is \"soon\", no number of seconds [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            b"<html>Not found</html>".into(),
            "dialplan.xml:1 phones pass it over: phones do not know the element \"html\" [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            wide,
            "dialplan.xml:1 phones pass it over: the file is UTF-16, which phones cannot read: save it as plain text [DialRuleIgnored]",
        ),
        (
            "dialplan.xml",
            plan(&format!("<TEMPLATE MATCH=\"{}\"/>", "1".repeat(64))).into(),
            "dialplan.xml:3.match has 64 characters; the phone keeps at most 63: shorten it [UnusualValue]",
        ),
        (
            "dialplan.xml",
            large.into(),
            "dialplan.xml has 15068 bytes; phones read at most 8192: remove rules [FileTooLarge]",
        ),
        (
            "RINGLIST.DAT",
            b"Vibes;vibes.raw\n".into(),
            "RINGLIST.DAT:1 \"Vibes;vibes.raw\" has no tab between a name and a file [RingLineIgnored]",
        ),
        (
            "syncinfo.xml",
            b"<IMAGE VERSION=\"P0S3-8-12-00 SYNC=\"1\"/>".into(),
            "syncinfo.xml has a quote that is not closed, in line 1 [XmlBroken]",
        ),
        (
            "syncinfo.xml",
            "<IMAGE VERSION=\u{201d}*\u{201d} SYNC=\u{201d}1\u{201d}/>".into(),
            "syncinfo.xml:1 the value of \"VERSION\" has typographic quotes; write straight ones [XmlBroken]",
        ),
        (
            "syncinfo.xml",
            format!("<SYNCINFO>{}</SYNCINFO>", "<IMAGE VERSION=\"*\" SYNC=\"1\"/>".repeat(150)).into(),
            "syncinfo.xml has 4371 bytes; phones read at most 4096 [FileTooLarge]",
        ),
        (
            "XMLDefault.cnf.xml",
            b"<Default>\n<loadInformation8 model=\"x\">POS3-8-12-00</loadInformation8></Default>".into(),
            "XMLDefault.cnf.xml:2 is \"POS3-8-12-00\" (did you mean P0S3-8-12-00?) [ImageLetterO]",
        ),
        (
            "XMLDefault.cnf.xml",
            b"<Default><loadInformation7>P0S3-8-12-00.loads</loadInformation7></Default>".into(),
            "XMLDefault.cnf.xml:1 is \"P0S3-8-12-00.loads\" [ImageName]",
        ),
        (
            "XMLDefault.cnf.xml",
            b"<Default>\n<processNodeName>a\n</Default>".into(),
            "XMLDefault.cnf.xml:2 the element \"processNodeName\" has no end [XmlBroken]",
        ),
        ("SEP000A8A123456.cnf.xml", b"".into(), "SEP000A8A123456.cnf.xml is empty [XmlBroken]"),
        (
            "SEP000A8A123456.cnf.xml",
            b"<device><url>http://h/?a=1&b=2</url></device>".into(),
            "SEP000A8A123456.cnf.xml:1 an '&' stands alone: write &amp; [XmlBroken]",
        ),
        ("OS79XX.TXT", b"P0S30202 \r\n".into(), "OS79XX.TXT has blanks around the name P0S30202 [BootFileBlank]"),
        ("OS79XX.TXT", b"POS30202\r\n".into(), "OS79XX.TXT:1 is \"POS30202\" (did you mean P0S30202?) [ImageLetterO]"),
        ("OS79XX.TXT", b"image=P0S30202\r\n".into(), "OS79XX.TXT:1 is \"image=P0S30202\" [ImageName]"),
        ("logo.bmp", b"GIF89a".into(), "logo.bmp is a GIF file [LogoFormat]"),
        ("ring.raw", vec![0; 20_000], "ring.raw has 20000 bytes [RingFormat]"),
        ("ring.pcm", b"RIFF....WAVE".into(), "ring.pcm is a WAV file [RingFormat]"),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(said(name, &bytes), [expected], "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_many_files_may_cost_and_say_has_an_end() {
    let stars = plan(&format!("<TEMPLATE MATCH=\"{}\" Timeout=\"5\"/>\n", "*".repeat(60)).repeat(85));
    let mut effort = Effort::default();
    let began = std::time::Instant::now();
    let of_each: Vec<Vec<Flaw>> =
        (0..100).map(|n| examine(&format!("plan{n}.xml"), stars.as_bytes(), &mut effort).flaws).collect();
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let not_tried = |flaws: &Vec<Flaw>| flaws.iter().any(|flaw| flaw.advice == advice::DIAL_RULES_NOT_EXAMINED);
    assert!(not_tried(&of_each[50]), "what the budget does not suffice for is said: {:?}", of_each[50]);
    assert!(of_each.iter().all(|flaws| flaws.len() <= MAX_OF_FILE));
    assert!(of_each.iter().flatten().count() <= MAX_FLAWS);
}

#[test]
fn a_plan_without_a_rule_and_a_sync_file_without_a_value_are_told_of() {
    for (name, bytes, expected) in [
        ("dialplan.xml", "", "dialplan.xml is empty [DialRuleIgnored]"),
        ("dialplan.xml", " \r\n\0", "dialplan.xml is empty [DialRuleIgnored]"),
        ("DialPlan.XML", "<DIALTEMPLATE/>", "DialPlan.XML has no rule [DialRuleIgnored]"),
        ("desk.xml", "<DIALTEMPLATE>\n<!-- soon -->\n</DIALTEMPLATE>", "desk.xml has no rule [DialRuleIgnored]"),
        ("dialplan.xml", "hello", "dialplan.xml has no rule [DialRuleIgnored]"),
        ("syncinfo.xml", "<SYNCINFO></SYNCINFO>", "syncinfo.xml has no IMAGE with VERSION and SYNC [SyncInfoUseless]"),
        (
            "syncinfo.xml",
            "<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"012345678901234567890123456789012\"/>\n</SYNCINFO>",
            "syncinfo.xml:2 SYNC has 33 characters, and a phone's own has at most 32 [SyncInfoUseless]",
        ),
    ] {
        assert_eq!(said(name, bytes), [expected], "{bytes}");
    }
    // What is broken is said alone.
    assert!(said("syncinfo.xml", "").iter().all(|one| one.contains("XmlBroken")));
    let broken = said("dialplan.xml", "<DIALTEMPLATE>\n<Template MATCH=\"1\"/>\n</DIALTEMPLATE>");
    assert!(broken.len() == 1 && broken[0].contains("in capitals only"), "{broken:?}");
}

#[test]
fn of_what_is_called_by_itself_phones_take_one() {
    let rule =
        |number: &str, timeout: u32| format!("<TEMPLATE MATCH=\"\" Timeout=\"{timeout}\" Rewrite=\"{number}\"/>");
    let two = plan(&format!("{}\n{}", rule("7100", 5), rule("7200", 0)));
    assert_eq!(
        said("dialplan.xml", &two),
        ["dialplan.xml:4.match is empty, as is that of the rule in line 3, which phones take [DialRuleUnreachable]"]
    );
    assert_eq!(said("dialplan.xml", plan(&rule("7100", 5))), [""; 0]);
    // One without a number calls nobody.
    let first = plan(&format!("<TEMPLATE MATCH=\"\"/>\n{}", rule("7200", 5)));
    let found = said("dialplan.xml", &first);
    assert!(found.len() == 1 && found[0].starts_with("dialplan.xml:3.rewrite is missing"), "{found:?}");
    let only = |timeout| said("dialplan.xml", format!("<DIALTEMPLATE>{}</DIALTEMPLATE>", rule("7100", timeout)));
    assert_eq!(only(0), ["dialplan.xml:1.timeout is 0 for \"7100\" [DialHotline]"], "no rule helps there");
    assert_eq!(only(5), ["dialplan.xml has no rule for emergency calls [NoEmergencyRule]"]);
    let odd = said("dialplan.xml", plan(&rule("sip:7100@pbx", 5)));
    assert!(odd.len() == 1 && odd[0].contains(":3.rewrite is \"sip:7100@pbx\""), "{odd:?}");
}

#[test]
fn where_a_file_sends_calls_is_a_host() {
    for (route, expected) in [("10.0.0.9:5060", 1), ("sip:gw", 1), ("a b", 1), ("gw", 0), ("Default", 0), ("", 0)] {
        let found = said("dialplan.xml", plan(&format!("<TEMPLATE MATCH=\"7...\" Route=\"{route}\"/>")));
        let odd = found.iter().filter(|one| one.contains(":3.route") && one.contains("UnusualValue")).count();
        assert_eq!((odd, found.len()), (expected, expected), "{route}: {found:?}");
    }
}

#[test]
fn a_ring_without_a_tab_is_told_of() {
    let found = said("RINGLIST.DAT", "Old Bell\tbell.raw\nBells bells.raw\nbell.raw\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("RINGLIST.DAT:2 \"Bells bells.raw\" has no tab"), "{found:?}");
}

#[test]
fn what_a_phones_own_file_says_of_the_plan_is_known() {
    let own = |bytes: &str| examine("SIP000A8A123456.cnf", bytes.as_bytes(), &mut Effort::default()).content;
    let Content::Phone(phone) = own("dial_template: \"desk\"\nproxy_emergency: 10.0.0.9\n") else { panic!("no phone") };
    assert_eq!((phone.template.as_deref(), phone.emergency), (Some("desk"), true));
    let Content::Phone(phone) = own("dial_template: UNPROVISIONED\nproxy_emergency: \"\"\n") else {
        panic!("no phone")
    };
    assert_eq!((phone.template.as_deref(), phone.emergency), (Some(""), false));
    assert!(matches!(own("line1_name: 1"), Content::Phone(phone) if phone.is_silent()));
}
