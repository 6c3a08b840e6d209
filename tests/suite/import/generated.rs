//! Trees that nobody wrote: any mixture of names, values and ways to write them.

use proptest::prelude::*;

use super::*;

/// A parameter's name: known ones, unknown ones, in any case.
fn name() -> impl Strategy<Value = String> {
    let known: Vec<String> = dialtone::phone::parameters().iter().map(|parameter| parameter.name.clone()).collect();
    prop_oneof![
        6 => proptest::sample::select(known),
        1 => "[a-zA-Z_][a-zA-Z0-9_-]{0,12}",
        1 => Just("Proxy_backup".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec!["0", "1", "2", "3", "5060", "UNPROVISIONED", "", "April", "Sun", "g711ulaw", "10.0.0.1", "sip.example.com", "yes", "null", "~", "0x10", "1e3", "-1", "P0S3-8-12-00", "EST", "dialplan", "http://10.0.0.1/x"]).prop_map(str::to_owned),
        2 => "[ !#-~]{0,40}",
        1 => "[ !#-~\u{80}-\u{ff}\t]{0,20}",
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let parameter = (name(), value(), 0u8..5).prop_map(|(name, value, style)| {
        let text = match style {
            0 if !value.contains(';') && value.trim() == value => format!("{name}: {value}"),
            1 => format!("{name}:\"{value}\""),
            2 => format!("\t{name} : \"{value}\" ; comment"),
            3 => format!("{name}: \"{value}\";"),
            _ => format!("{name}: \"{value}\""),
        };
        dialtone_latin1(&text)
    });
    prop_oneof![
        8 => parameter,
        1 => proptest::sample::select(vec!["# comment", ";", "", "1", "a=b", "broken line", "x: \"open"]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn dialtone_latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(line(), 0..25), proptest::sample::select(vec!["\n", "\r\n"]))
        .prop_map(|(lines, end)| lines.join(end.as_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_renders_to_the_same_parameters(common in proptest::option::of(file()), phones in proptest::collection::vec(file(), 1..4), hoist in any::<bool>()) {
        let root = tempfile::tempdir().unwrap();
        let mut files: Vec<(String, Vec<u8>)> = phones.into_iter().enumerate().map(|(n, file)| (format!("SIP000A8A12345{n}.cnf"), file)).collect();
        files.extend(common.map(|file| ("SIPDefault.cnf".to_owned(), file)));
        write(root.path(), &files);
        round_trip(root.path(), if hoist { &["--hoist"] } else { &[] });
    }
}
