//! Manifests that somebody made to keep `dialtone render` busy, or to fill its memory: each is refused, soon, and in few words.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SITE: &str = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: ";
/// Far more than any of them takes, on a busy machine too, and far less than they took.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest answer.
const MOST_SAID: usize = 2_000_000;

/// What `render` says of a manifest that it must not take.
fn refused(name: &str, manifest: &str) -> String {
    let out = tempfile::tempdir().unwrap();
    let errors = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.args(["render", "-f", "-", "-o"]).arg(out.path());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors.reopen().unwrap());
    let mut child = command.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(manifest.as_bytes());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{name}: render does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = std::fs::read_to_string(errors.path()).unwrap();
    let shown: String = said.chars().take(400).collect();
    assert_eq!(status.code(), Some(1), "{name}: {shown}");
    assert!(said.len() <= MOST_SAID, "{name}: {} bytes: {shown}", said.len());
    said
}

fn site(spec: &str) -> String {
    format!("{SITE}{spec}\n")
}

fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn lists_and_maps_without_an_end_are_not_gone_through() {
    let networks = many(20_000, |i| format!("10.{}.{}.{}/32", i >> 16, i >> 8 & 255, i & 255));
    let said = refused("networks", &site(&format!("{{phoneNetworks: [{networks}]}}")));
    assert!(said.contains("spec.phoneNetworks: has 20000 items; at most 32 are allowed"), "{said}");
    let rules = many(20_000, |_| "{match: '1'}".to_owned());
    let said = refused("rules", &site(&format!("{{dialPlan: {{templates: [{rules}]}}}}")));
    assert!(said.contains("spec.dialPlan.templates: make a file of 440031 bytes"), "{said}");
    let extra = many(20_000, |i| format!("\"a b{i}\": \"1\""));
    refused("extra", &site(&format!("{{extraParameters: {{{extra}}}}}")));
}

#[test]
fn names_that_there_are_not_are_compared_with_those_that_there_are_only_so_often() {
    let fields = many(20_000, |i| format!("fiels{i}: 1"));
    let said = refused("fields", &site(&format!("{{{fields}}}")));
    assert!(said.contains("there is no field spec.fiels0") && said.contains("19992 more"), "{said}");
    let settings = many(30_000, |i| format!("proxy{i}Addres: 1"));
    refused("settings", &site(&format!("{{settings: {{{settings}}}}}")));
    let long = "a".repeat(1_200_000);
    refused("a long setting", &site(&format!("{{settings: {{? {long}\n: 1}}}}")));
    refused("a long field", &site(&format!("{{? {long}\n: 1}}")));
    refused("a long kind", &format!("apiVersion: dialtone.dev/v1alpha1\nkind: {long}\n"));
    refused("a long value", &site(&format!("{{suspend: {long}}}")));
}

#[test]
fn a_pattern_may_have_all_characters_that_there_are() {
    let all: String = ('\u{3000}'..'\u{a000}').chain('\u{10000}'..'\u{50000}').collect();
    let said = refused("pattern", &site(&format!("{{dialPlan: {{templates: [{{match: \"{all}\"}}]}}}}")));
    assert!(said.contains("spec.dialPlan.templates[0].match"), "{said}");
}

#[test]
fn what_the_api_server_is_too_small_for_is_refused_as_a_whole() {
    let mut spec = String::from("{extraParameters: {");
    for i in 0..1_500 {
        let _ = write!(spec, "\"p{i}\": \"{}\", ", "x".repeat(1_000));
    }
    let said = refused("size", &site(&(spec + "}}")));
    assert!(said.contains("PhoneSite hq: has more than 1500000 bytes"), "{said}");
}

#[test]
fn aliases_padding_and_nesting_do_not_make_much_of_little() {
    let text = "x".repeat(1_000_000);
    refused("one text often", &format!("a: &a \"{text}\"\nb: [{}]\n", many(90, |_| "*a".to_owned())));
    let mut laugh = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (before, now) in ('a'..'h').zip('b'..='h') {
        let _ = writeln!(laugh, "{now}: &{now} [{}]", many(9, |_| format!("*{before}")));
    }
    // What stands in comments buys nothing.
    let comments = format!("#{}\n", "y".repeat(1000)).repeat(5_000);
    refused("laughs", &(laugh + &comments));
    let nested = format!("{}{}", "{kind: List, items: [".repeat(200), "]}".repeat(200));
    refused("nested", &nested);
}

#[test]
fn every_document_may_be_wrong_and_not_every_one_is_named() {
    let wrong = "---\napiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: A}\n".repeat(20_000);
    let said = refused("documents", &wrong);
    assert!(said.lines().count() <= 5_010 && said.contains("there are more errors"), "{}", said.lines().count());
}

#[test]
fn a_config_map_may_hold_a_hundred_thousand_names_and_a_loads_file_as_many_parts() {
    let parts = many(20_000, |i| format!("P{i:05}.sb2"));
    let files: String = (0..20_000).map(|i| format!("  x{i:05}: \"\"\n")).collect();
    let map = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fw}}\ndata:\n  P0S3-8-12-00.loads: \"{parts}\"\n{files}"
    );
    let spec = "{firmware: {image: P0S3-8-12-00, source: {configMaps: [{name: fw}]}}}";
    let said = refused("files", &(site(spec) + &map));
    assert!(said.contains("ConfigMap fw holds more than 512 files: divide them among several"), "{said}");
}
