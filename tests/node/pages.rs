//! The commands of docs/operations.md, as they stand there.

use std::path::Path;
use std::process::Command;

use super::stage::*;
use super::support::{get, kube, wait_for};

const OWN: &str = "SIP000A8A123458.cnf";

/// The commands below a heading of the page, in order.
fn commands<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("docs/operations.md has no section {heading}"));
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let blocks: Vec<&str> = blocks.collect();
    assert!(!blocks.is_empty(), "{heading} has no commands");
    blocks
}

fn run_block(folder: &Path, block: &str) {
    let bash = Command::new("bash").args(["-euo", "pipefail", "-c", block]).current_dir(folder).output().unwrap();
    assert!(bash.status.success(), "{block}\n{}", String::from_utf8_lossy(&bash.stderr));
}

fn own_file() -> Option<Vec<u8>> {
    file(&boot_phone(service(), "000A8A123458", dialtone::phone::Model::Cp7960), OWN)
}

pub fn the_commands_of_the_pages_do_what_the_pages_say() {
    let page = std::fs::read_to_string("docs/operations.md").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(std::fs::canonicalize("charts").unwrap(), folder.path().join("charts")).unwrap();
    let before = own_file().expect("the phone with a password boots");

    step("upgrade");
    commands(&page, "Upgrade").iter().for_each(|block| run_block(folder.path(), block));

    step("backup, everything lost, restore");
    commands(&page, "Back up").iter().for_each(|block| run_block(folder.path(), block));
    kube(&["delete", "namespace", SPACE, "--timeout=3m"]);
    commands(&page, "Restore").iter().for_each(|block| run_block(folder.path(), block));
    let (after, _) = wait_for("the phone to boot from what was restored", 60, own_file);
    assert!(after == before, "the same objects make the same files");

    step("uninstall: phones are served, until everything goes");
    let blocks = commands(&page, "Uninstall");
    let [first, rest @ ..] = blocks.as_slice() else { panic!("no commands") };
    run_block(folder.path(), first);
    assert!(get("dialtone", &["deployments"])["items"].as_array().is_none_or(Vec::is_empty));
    assert!(own_file() == Some(before), "without an operator");
    rest.iter().for_each(|block| run_block(folder.path(), block));
    wait_for("nothing to be left", 60, || nothing_is_left().then_some(()));
}
