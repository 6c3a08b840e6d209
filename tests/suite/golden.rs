//! Three sites whose files were compared with the facts by hand, byte for byte. After a change that is meant,
//! `DIALTONE_WRITE_GOLDEN=1 cargo test --test suite golden::` writes them anew: read what git then shows.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn tree(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let text = |path: &Path| std::fs::read(path).unwrap().into_iter().map(char::from).collect();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), text(&entry.path()))).collect()
}

fn check(name: &str, site: &str) {
    let golden = Path::new("tests/golden").join(name);
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    let output = command.args(["render", "-f"]).arg(golden.join("in.yaml")).arg("-o").arg(out.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendered = out.path().join("default").join(site);
    // What comes from ConfigMaps is served as it is.
    let of_dialtone =
        |name: &str| ![".bin", ".sb2", ".sbn", ".loads", ".pcm"].iter().any(|suffix| name.ends_with(suffix));
    let now: BTreeMap<String, String> = tree(&rendered).into_iter().filter(|(name, _)| of_dialtone(name)).collect();
    let said = String::from_utf8(output.stderr).unwrap();
    let said: String =
        said.lines().filter(|line| line.starts_with("warning")).map(|line| format!("{line}\n")).collect();
    let folder = golden.join("out");
    if std::env::var_os("DIALTONE_WRITE_GOLDEN").is_some() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for file in now.keys() {
            std::fs::copy(rendered.join(file), folder.join(file)).unwrap();
        }
        std::fs::write(golden.join("warnings.txt"), &said).unwrap();
    }
    assert_eq!(now, tree(&folder));
    assert_eq!(said, std::fs::read_to_string(golden.join("warnings.txt")).unwrap());
}

#[test]
fn the_application_notes_simplest_example() {
    check("seed", "hq");
}

#[test]
fn a_full_site_on_firmware_7_4() {
    check("release-7.4", "plant");
}

#[test]
fn a_site_on_firmware_8_12() {
    check("release-8.12", "home");
}
