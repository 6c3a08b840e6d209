//! What was served stays until the manifests are right, whatever they say meanwhile.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

const SITE: &str = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec:\n  settings: {proxy1Address: 10.0.0.1}\n  files: {configMaps: [{name: rings}]}\n";
const PHONE: &str = "apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {name: desk}\nspec:\n  siteRef: {name: hq}\n  mac: 000A8A123456\n  model: \"7960\"\n  lines: [{name: \"7101\"}]\n";
const RINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rings}\ndata: {a.raw: abc}\n";

/// A folder with a site, a phone and a ring, and what serves it.
struct Served {
    folder: tempfile::TempDir,
    shell: Shell,
    files: Arc<FileStore>,
}

impl Served {
    fn new() -> Served {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("site.yaml", SITE), ("phone.yaml", PHONE), ("rings.yaml", RINGS)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let files = Arc::new(FileStore::default());
        let log = Arc::new(TransferLog::new(files.clone()));
        let wanted = Wanted { site: None, loopback: true };
        let shell = Shell::start(inputs(folder.path()).unwrap(), wanted, files.clone(), log).unwrap();
        Served { folder, shell, files }
    }

    fn write(&mut self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self.reload();
    }

    fn reload(&mut self) {
        self.shell.reload(inputs(self.folder.path()));
        // Whatever comes in later publishes what the fleet says by then.
        self.shell.publish();
    }

    fn files(&self) -> BTreeMap<String, Bytes> {
        self.files.snapshot().files().map(|file| (file.name.to_string(), file.bytes.clone())).collect()
    }

    fn text(&self, file: &str) -> String {
        self.files().get(file).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    /// Why a phone is not ready, as the table says it.
    fn is_ready(&self, phone: &str) -> bool {
        let status = self.shell.fleet.report(&Key::new("default", phone), Timestamp::now()).unwrap().after;
        status.conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
    }

    fn said(&self) -> String {
        let reported = self.shell.reported.iter().map(|(_, line)| line.as_str());
        reported.chain(self.shell.refusal.iter().map(|refusal| refusal.why.as_str())).collect::<Vec<_>>().join("\n")
    }
}

fn inputs(folder: &Path) -> anyhow::Result<Inputs> {
    Ok(Inputs { manifests: Manifests::read(&[folder.to_owned()], &Manner::default())?, firmware: None })
}

const OTHER: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

const FILE: &str = "SIP000A8A123456.cnf";

#[test]
fn whatever_becomes_of_one_manifest_all_that_was_served_stays_until_it_is_right() {
    let phone = |from: &str, to: &str| ("phone.yaml", PHONE.replace(from, to));
    let site = |from: &str, to: &str| ("site.yaml", SITE.replace(from, to));
    let rings = |from: &str, to: &str| ("rings.yaml", RINGS.replace(from, to));
    for ((name, text), says) in [
        // What decides where a phone's file is.
        (phone("000A8A123456", "no mac"), "\"no mac\" is not a MAC address"),
        (phone("000A8A123456", "\"\""), "spec.mac"),
        (phone("000A8A123456", "01:00:5e:01:02:03"), "group address"),
        (phone("000A8A123456", "8"), "put it in quotes"),
        (phone("000A8A123456", "no"), "put it in quotes"),
        (phone("000A8A123456", "1e5"), "put it in quotes"),
        (phone("  mac: 000A8A123456\n", ""), "mac"),
        (phone("siteRef: {name: hq}", "siteRef: {name: hk}"), "PhoneSite hk does not exist"),
        (phone("siteRef: {name: hq}", "siteRef: {name: \"no name\"}"), "siteRef"),
        (phone("siteRef: {name: hq}", "siteRef: {}"), "siteRef"),
        (phone("siteRef:", "siteref:"), "missing field `siteRef`"),
        (phone("\"7960\"", "\"7961\""), "7961"),
        (phone("\"7960\"", "7960"), "7960"),
        (phone("{name: desk}", "{name: Desk}"), "\"Desk\" is no name"),
        (phone("{name: desk}", "{name: desk, namespace: No_Such}"), "\"No_Such\" is no name"),
        (phone("{name: desk}", "{}"), "metadata.name is missing"),
        // What decides whether there is a phone at all.
        (phone("kind: SipPhone", "kind: SipPhon"), "\"SipPhon\" is no kind"),
        (phone("kind: SipPhone\n", ""), "is no kind of dialtone.dev"),
        (phone("dialtone.dev/v1alpha1", "dialtone.dev/v1"), "it must be dialtone.dev/v1alpha1"),
        (
            phone("dialtone.dev/v1alpha1\nkind: SipPhone", "dialtone.de/v1alpha1\nkind: Sipphon"),
            "did its author mean SipPhone of",
        ),
        (
            phone("apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone", "apiversion: d\nKind: S"),
            "without kind and apiVersion",
        ),
        (phone("dialtone.dev/v1alpha1\nkind: SipPhone", "apps/v1\nkind: Deployment"), "kind \"Deployment\""),
        // A file that says nothing may be half of an edit.
        (("phone.yaml", String::new()), "says nothing any more, and SipPhone default/desk stood there"),
        (("phone.yaml", "\n\n".to_owned()), "says nothing any more"),
        (("phone.yaml", commented(PHONE)), "in a comment"),
        (("phone.yaml", format!("---\n{}", commented(PHONE))), "in a comment"),
        (("phone.yaml", "# The desk has no phone any more.\n".to_owned()), "delete the file if that is to go"),
        (("phone.yaml", "---\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "---\n---\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "null\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "--- ~ # soon\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "%YAML 1.2\n---\n...\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "{}\n".to_owned()), "without kind and apiVersion"),
        (("phone.yaml", "[]\n".to_owned()), "a document that is no object"),
        (("phone.yaml", "apiVersion: v1\nkind: List\nitems: []\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "apiVersion: v1\nkind: List\nitems: [null]\n".to_owned()), "says nothing any more"),
        (("phone.yaml", "apiVersion: v1\nkind: List\nitems:\n".to_owned()), "kind \"List\""),
        (("phone.yaml", format!("{OTHER}---\n")), "a document that says nothing: correct it"),
        (("phone.yaml", format!("{OTHER}---\n# was here\n")), "a document that says nothing"),
        (("phone.yaml", format!("{OTHER}---\nnull\n")), "a document that says nothing"),
        (("phone.yaml", format!("{OTHER}---\n{}", commented(PHONE))), "in a comment"),
        (("phone.yaml", format!("{}{OTHER}", commented(PHONE))), "in a comment"),
        (("phone.yaml", format!("{OTHER}{}", commented(&format!("---\n{PHONE}")))), "in a comment"),
        (("phone.yaml", format!("{OTHER}---\nnull\n---\n{}", OTHER.replace("web", "x"))), "that says nothing"),
        (("phone.yaml", "apiVersion: v1\nkind: List\nitems: [null, {kind: Odd}]\n".to_owned()), "that says nothing"),
        (("site.yaml", commented(SITE)), "PhoneSite default/hq stood there, and now it stands in a comment"),
        (("site.yaml", "---\n".to_owned()), "says nothing any more, and PhoneSite"),
        (("rings.yaml", commented(RINGS)), "ConfigMap default/rings stood there, and now it stands in a comment"),
        // What takes the place of what is served has to be right.
        (
            phone(
                "desk}\nspec:\n  siteRef: {name: hq}\n  mac: 000A8A123456",
                "a2}\nspec:\n  siteRef: {name: hq}\n  mac: no mac",
            ),
            "SipPhone default/a2: spec.mac: \"no mac\" is not a MAC",
        ),
        (
            phone(
                "desk}\nspec:\n  siteRef: {name: hq}\n  mac: 000A8A123456",
                "a2}\nspec:\n  siteRef: {name: hq}\n  mac: no",
            ),
            "SipPhone a2: spec.mac",
        ),
        (
            phone("desk}\nspec:\n  siteRef: {name: hq}", "a2}\nspec:\n  siteRef: {name: hk}"),
            "PhoneSite hk does not exist",
        ),
        (phone("{name: desk}", "{name: desk, namespace: other}"), "does not exist in namespace other"),
        (
            phone("desk}\nspec:", "a2}\nspec:\n  label: \"a label that is far too long\""),
            "SipPhone default/a2: spec.label",
        ),
        (
            ("phone.yaml", PHONE.replace("desk", "a2").replace("7101", "two words")),
            "goes on being served until it is right",
        ),
        (("more.yaml", PHONE.replace("desk", "a2").replace("7101", "two words")), "must not contain blanks"),
        (("phone.yaml", "<html>404</html>".to_owned()), "a document that is no object"),
        (("phone.yaml", "kind: [".to_owned()), "not YAML"),
        (("phone.yaml", format!("<<<<<<< ours\n{PHONE}=======\n")), "phone.yaml"),
        (
            ("phone.yaml", format!("apiVersion: v1\nkind: Lst\nitems:\n- {}", PHONE.trim_end().replace('\n', "\n  "))),
            "kind \"Lst\"",
        ),
        (("phone.yaml", format!("{PHONE}---\n{PHONE}")), "stands in"),
        // The site, and what it names.
        (site("kind: PhoneSite", "kind: PhoneSit"), "\"PhoneSit\" is no kind"),
        (
            site("{name: hq}", "{name: hk}"),
            "PhoneSite default/hq is no longer among the manifests, and 1 SipPhones name it",
        ),
        (site("{name: hq}", "{name: hq, namespace: other}"), "is no longer among the manifests"),
        (site("{name: hq}", "{name: 9q}"), "the name of a site"),
        (site("10.0.0.1", "10.0.0.1/24"), "proxy1Address"),
        (("site.yaml", String::new()), "says nothing any more, and PhoneSite"),
        (("site.yaml", format!("{SITE}---\n{}", SITE.replace("{name: hq}", "{name: second}"))), "several PhoneSites"),
        (rings("kind: ConfigMap", "kind: ConfigMp"), "kind \"ConfigMp\""),
        (
            rings("{name: rings}", "{name: rngs}"),
            "ConfigMap default/rings is no longer among the manifests, and its files go on",
        ),
        (rings("a.raw", "a/raw"), "is no key"),
        (rings("data: {", "data: {["), "rings.yaml"),
    ] {
        let mut served = Served::new();
        let before = served.files();
        assert!(before.contains_key(FILE) && before.contains_key("a.raw") && before.contains_key("SIPDefault.cnf"));
        let right = std::fs::read_to_string(served.folder.path().join(name)).unwrap_or_default();
        if name == "more.yaml" {
            std::fs::remove_file(served.folder.path().join("phone.yaml")).unwrap();
        }
        served.write(name, &text);
        for (file, bytes) in &before {
            assert_eq!(served.files().get(file), Some(bytes), "{file} after {name} became\n{text}");
        }
        assert!(served.said().contains(says), "{says}: {}", served.said());
        assert!(name == "rings.yaml" || name == "site.yaml" || !served.is_ready("desk"), "{text}");
        if name == "more.yaml" {
            continue;
        }
        // What is right again is served as it is, and what it says is no longer said.
        served.write(name, &right.replace("7101", "7102").replace("10.0.0.1", "10.0.0.2"));
        assert!(!served.said().contains(says), "{says}: {}", served.said());
        let changed = served.text(FILE).contains("7102") || served.text("SIPDefault.cnf").contains("10.0.0.2");
        assert!(changed || name == "rings.yaml", "{name}");
    }
}

#[test]
fn what_is_gone_is_gone() {
    let mut served = Served::new();
    std::fs::remove_file(served.folder.path().join("phone.yaml")).unwrap();
    served.reload();
    assert!(!served.files().contains_key(FILE) && served.files().contains_key("SIPDefault.cnf"));

    let mut served = Served::new();
    let before = format!("# Phones.\n---\n{PHONE}---\n{OTHER}---\n");
    served.write("phone.yaml", &before);
    served.write("phone.yaml", &before.replace(PHONE, "").replace("---\n---\n", "---\n"));
    assert!(!served.files().contains_key(FILE), "taken out, with its mark: {}", served.said());

    let mut served = Served::new();
    let door = PHONE.replace("desk", "door").replace("123456", "123457").replace("7101", "7103");
    let list = |phones: &[&str]| {
        let items: String =
            phones.iter().map(|phone| format!("- {}\n", phone.trim_end().replace('\n', "\n  "))).collect();
        format!("apiVersion: v1\nkind: List\nitems:\n{items}")
    };
    served.write("phone.yaml", &list(&[PHONE, &door]));
    served.write("phone.yaml", &list(&[&door]));
    assert!(!served.files().contains_key(FILE) && served.files().contains_key("SIP000A8A123457.cnf"));

    // Names that others have in comments, and words about what went.
    let mut served = Served::new();
    served.write("phone.yaml", &format!("{PHONE}---\n{door}"));
    served.write("phone.yaml", &format!("# The SipPhone desk went home.\n{door}"));
    assert!(!served.files().contains_key(FILE), "{}", served.said());

    let mut served = Served::new();
    served.write("site.yaml", &SITE.replace("  files: {configMaps: [{name: rings}]}\n", ""));
    std::fs::remove_file(served.folder.path().join("rings.yaml")).unwrap();
    served.reload();
    assert!(!served.files().contains_key("a.raw"), "nobody names it");
}

#[test]
fn an_object_of_another_kind_and_name_may_take_the_place_of_a_phone() {
    let mut served = Served::new();
    served.write("phone.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    assert!(!served.files().contains_key(FILE), "{}", served.said());
    let mut served = Served::new();
    served.write("phone.yaml", &format!("kind: Odd\n---\n{PHONE}"));
    served.write("phone.yaml", "kind: Odd\n");
    assert!(!served.files().contains_key(FILE), "that one stood there before");
    let mut served = Served::new();
    served.write("phone.yaml", "kind: Odd\n---\nkind: Odd\n");
    assert!(served.files().contains_key(FILE));
}

#[test]
fn a_site_and_its_phones_may_have_another_name_together_and_a_file_another_name_too() {
    let mut served = Served::new();
    std::fs::write(served.folder.path().join("site.yaml"), SITE.replace("{name: hq}", "{name: home}")).unwrap();
    served.write("phone.yaml", &PHONE.replace("siteRef: {name: hq}", "siteRef: {name: home}").replace("7101", "7102"));
    assert!(served.text(FILE).contains("7102"), "{}", served.said());
    std::fs::rename(served.folder.path().join("phone.yaml"), served.folder.path().join("desk.yml")).unwrap();
    served.reload();
    assert!(served.files().contains_key(FILE));
    // Objects of other kinds may come, stand beside, and take the place of one that goes.
    served.write("compose.yaml", "services: {web: {image: nginx}}\n");
    served.write(
        "desk.yml",
        &format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\n---\n{PHONE}")
            .replace("name: hq", "name: home"),
    );
    assert!(served.text(FILE).contains("7101"), "{}", served.said());
}

#[test]
fn a_phone_may_have_another_name_and_one_that_is_new_and_wrong_takes_no_place() {
    let mut served = Served::new();
    served.write("phone.yaml", &PHONE.replace("desk", "a2").replace("7101", "7102"));
    assert!(served.text(FILE).contains("7102") && served.shell.refusal.is_none(), "{}", served.said());
    // Another address altogether, in the same file: the desk is gone.
    served.write("phone.yaml", &PHONE.replace("desk", "door").replace("123456", "123457"));
    assert!(!served.files().contains_key(FILE) && served.files().contains_key("SIP000A8A123457.cnf"));
    // A phone that is new and wrong, in a file of its own, holds no other back.
    let mut served = Served::new();
    std::fs::remove_file(served.folder.path().join("phone.yaml")).unwrap();
    served.write("new.yaml", &PHONE.replace("desk", "new").replace("000A8A123456", "no mac"));
    assert!(!served.files().contains_key(FILE) && served.said().contains("no mac"), "{}", served.said());
}

#[test]
fn a_site_and_its_phones_that_have_another_name_and_are_wrong_leave_what_was_served() {
    for (site, phone, says) in [
        ("proxy1Address: a b", "", "PhoneSite default/home: spec.settings.proxy1Address"),
        ("", "lines: [{name: \"two words\"}]", "SipPhone default/desk: spec.lines[0].name"),
    ] {
        let mut served = Served::new();
        let before = served.files();
        let wrong =
            |text: &str, from: &str, to: &str| if to.is_empty() { text.to_owned() } else { text.replace(from, to) };
        let (home, desk) = (SITE.replace("{name: hq}", "{name: home}"), PHONE.replace("{name: hq}", "{name: home}"));
        let write = |name: &str, text: &str| std::fs::write(served.folder.path().join(name), text).unwrap();
        write("site.yaml", &wrong(&home, "proxy1Address: 10.0.0.1", site));
        write("phone.yaml", &wrong(&desk, "lines: [{name: \"7101\"}]", phone));
        served.reload();
        assert_eq!(served.files(), before, "{says}");
        assert!(served.said().contains(says) && !served.is_ready("desk"), "{says}: {}", served.said());
        std::fs::write(served.folder.path().join("site.yaml"), home).unwrap();
        served.write("phone.yaml", &desk.replace("7101", "7102"));
        assert!(served.text(FILE).contains("7102") && served.is_ready("desk"), "{}", served.said());
    }
}

#[test]
fn the_table_says_what_is_wrong_with_a_phone_whose_last_good_file_is_served_and_then_that_it_is_right() {
    let mut served = Served::new();
    assert!(served.is_ready("desk"));
    served.write("phone.yaml", &PHONE.replace("000A8A123456", "no"));
    assert!(!served.is_ready("desk") && served.files().contains_key(FILE));
    // Another error elsewhere meanwhile: this one is as it was.
    served.write("phone.yaml", PHONE);
    assert!(served.is_ready("desk"), "exactly what it was before");
    served.write("rings.yaml", &RINGS.replace("a.raw", "a/raw"));
    assert!(served.is_ready("desk"));
    served.write("phone.yaml", "");
    assert!(!served.is_ready("desk"));
    served.write("phone.yaml", PHONE);
    served.write("rings.yaml", RINGS);
    assert!(served.is_ready("desk") && served.shell.refusal.is_none(), "{}", served.said());
}

#[test]
fn the_address_of_another_phone_is_claimed_by_the_rules_and_a_swap_ends_well() {
    let mut served = Served::new();
    let other = PHONE.replace("desk", "door").replace("123456", "123457").replace("7101", "7103");
    served.write("door.yaml", &other);
    assert!(served.text("SIP000A8A123457.cnf").contains("7103"));
    // By name: all are of one age here.
    served.write("door.yaml", &other.replace("123457", "123456"));
    assert!(served.text(FILE).contains("7101") && served.text("SIP000A8A123457.cnf").contains("7103"));
    assert!(served.said().contains("is the address of SipPhone desk"), "{}", served.said());
    served.write("phone.yaml", &PHONE.replace("123456", "123457"));
    assert!(served.text(FILE).contains("7103") && served.text("SIP000A8A123457.cnf").contains("7101"));
}
