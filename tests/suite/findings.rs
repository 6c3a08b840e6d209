//! Findings for programs: `render --findings` and `diff -o sarif`, `-o github`.

use std::path::Path;
use std::process::{Command, Output};

use dialtone::base::digest::Digest;
use serde_json::Value;

fn dialtone(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialtone")).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const SITE: &str = "\
apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata:
  name: hq
spec:
  settings:
    proxy1Address: 10.0.0.1
";

fn phone(mac: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata:\n  name: p\nspec:\n  siteRef: {{name: hq}}\n  mac: {mac}\n  \
         model: \"7960\"\n  lines:\n  - name: \"7101\"\n{more}"
    )
}

/// The folder in which `make conformance` wants each answer.
const WRITE: &str = "DIALTONE_WRITE_SARIF";

fn results(output: &Output) -> Vec<(String, String, String, u64)> {
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    if let Some(folder) = std::env::var_os(WRITE) {
        let name = format!("{}.sarif", Digest::of(&output.stdout).to_string().replace(':', "-"));
        std::fs::write(Path::new(&folder).join(name), &output.stdout).unwrap();
    }
    let result = |one: &Value| {
        let place = &one["locations"][0]["physicalLocation"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let line = place["region"]["startLine"].as_u64().unwrap_or_default();
        (text(&one["level"]), text(&one["ruleId"]), text(&place["artifactLocation"]["uri"]), line)
    };
    sarif["runs"][0]["results"].as_array().unwrap().iter().map(result).collect()
}

fn row(level: &str, code: &str, file: &str, line: u64) -> (String, String, String, u64) {
    (level.to_owned(), code.to_owned(), file.to_owned(), line)
}

#[test]
fn what_render_finds_has_its_file_and_its_line_and_the_exit_status_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: String| std::fs::write(folder.path().join("phones.yaml"), text).unwrap();
    write(format!("{SITE}{}", phone("000A8A12345", "")));
    let wrong = dialtone(&["render", "-f", "phones.yaml", "--findings", "sarif"], folder.path());
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong.stderr));
    assert_eq!(results(&wrong), [row("error", "Invalid", "phones.yaml", 15)]);
    let github = dialtone(&["render", "-f", "phones.yaml", "--findings", "github"], folder.path());
    let said = text(&github.stdout);
    assert!(
        said.starts_with("::error file=phones.yaml,line=15,title=Invalid::SipPhone default/p: spec.mac: "),
        "{said}"
    );
    assert!(text(&github.stderr).contains("spec.mac"), "people read it, too");

    write(format!(
        "{SITE}{}",
        phone("000A8A123456", "  extraParameters:\n    sync: \"2\"\n    unheard_of_by_anybody: x\n")
    ));
    let doubtful = dialtone(&["render", "-f", "phones.yaml", "--findings", "sarif"], folder.path());
    assert_eq!(doubtful.status.code(), Some(0), "{}", text(&doubtful.stderr));
    assert!(
        results(&doubtful)
            .iter()
            .all(|(level, _, file, line)| level == "warning" && file == "phones.yaml" && *line > 8)
    );

    write(format!("{SITE}{}", phone("000A8A123456", "")));
    let fine = dialtone(&["render", "-f", "phones.yaml", "--findings", "sarif"], folder.path());
    assert_eq!((fine.status.code(), results(&fine)), (Some(0), Vec::new()));
    let silent = dialtone(&["render", "-f", "phones.yaml", "--findings", "github"], folder.path());
    assert_eq!(text(&silent.stdout), "", "no false alarm");

    write(format!("{SITE}{}", phone("12", "")));
    let other = dialtone(&["render", "-f", "phones.yaml", "--findings", "sarif"], folder.path());
    assert_eq!(results(&other), [row("error", "Manifest", "phones.yaml", 15)], "what cannot be decoded, too");
    write(format!("{SITE}---\na: [\n"));
    let unreadable = dialtone(&["render", "-f", "phones.yaml", "--findings", "sarif"], folder.path());
    assert_eq!(unreadable.status.code(), Some(1));
    assert!(
        results(&unreadable)
            .iter()
            .any(|(level, code, file, _)| level == "error" && code == "Manifest" && file == "phones.yaml")
    );
}

#[test]
fn what_diff_finds_stands_at_the_phone_and_the_exit_status_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("old.yaml", format!("{SITE}{}", phone("000A8A123456", "")));
    write("new.yaml", format!("{SITE}{}", phone("000A8A123456", "  label: Desk\n")));
    let sarif = dialtone(&["diff", "old.yaml", "new.yaml", "-o", "sarif"], folder.path());
    assert_eq!(sarif.status.code(), Some(1), "{}", text(&sarif.stderr));
    assert_eq!(results(&sarif), [row("note", "PhoneRestarts", "new.yaml", 12)]);
    let github = dialtone(&["diff", "old.yaml", "new.yaml", "-o", "github"], folder.path());
    let said = text(&github.stdout);
    assert!(
        said.starts_with(
            "::notice file=new.yaml,line=12,title=PhoneRestarts::SipPhone default/p: restarts: phone_label: "
        ),
        "{said}"
    );
    write("gone.yaml", SITE.to_owned());
    let gone = dialtone(&["diff", "old.yaml", "gone.yaml", "-o", "sarif"], folder.path());
    assert_eq!(results(&gone), [row("note", "PhoneRemoved", "gone.yaml", 1)]);
    let same = dialtone(&["diff", "old.yaml", "old.yaml", "-o", "sarif"], folder.path());
    assert_eq!((same.status.code(), results(&same)), (Some(0), Vec::new()));
    write("new.yaml", format!("{SITE}{}", phone("000A8A12345", "")));
    let wrong = dialtone(&["diff", "old.yaml", "new.yaml", "-o", "sarif"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(results(&wrong), [row("error", "Invalid", "new.yaml", 15)]);
}

#[test]
fn the_example_for_gitops_is_rendered_without_a_word_of_complaint() {
    let output = dialtone(&["render", "-f", "gitops/phones", "--findings", "github"], Path::new("."));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
}
