//! What helm can do with a release: give it another name, and go back to an earlier state of it.

use dialtone::phone::Model::Cp7960;

use super::stage::*;
use super::support::{apply, get, wait_for};

const OWN: &str = "SIP000A8A123456.cnf";

/// The operator's Deployment of a release leads, and the others are gone.
fn leads(release: &str) {
    wait_for(&format!("release {release} to lead alone"), 60, || {
        let all = get("dialtone", &["deployments"]);
        let all = all["items"].as_array().cloned().unwrap_or_default();
        (all.len() == 1 && all[0]["metadata"]["name"] == release && all[0]["status"]["readyReplicas"] == 1)
            .then_some(())
    });
}

/// An edit reaches the phone.
fn serves(label: &str) {
    apply(SPACE, &one(label));
    wait_for(&format!("{label} to be served"), 60, || {
        let outcome = boot_phone(service(), "000A8A123456", Cp7960);
        String::from_utf8_lossy(&file(&outcome, OWN)?).contains(label).then_some(())
    });
}

/// As the chart's README says it: the new one takes the definitions over and stands by until the old one is gone.
fn rename(from: &str, to: &str) {
    // It is not ready until it leads.
    let flags: Vec<&str> = install_flags().into_iter().filter(|flag| *flag != "--wait").collect();
    helm(&[&["install", to, "charts/dialtone", "--take-ownership", "--force-conflicts"], flags.as_slice()].concat());
    assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    helm(&["uninstall", from, "--wait", "--timeout", "2m"]);
    leads(to);
}

pub fn a_release_gets_another_name() {
    step("a release gets another name: phones and sites stay, and their files are served meanwhile");
    let uid = || get(SPACE, &["phonesite", "hq"])["metadata"]["uid"].clone();
    let before = uid();
    rename("dialtone", "phones");
    assert_eq!(uid(), before, "the definitions stay, and all that is of them");
    serves("Renamed");

    step("the renamed release is upgraded, and goes back to the state before");
    helm(&[&["upgrade", "phones", "charts/dialtone", "--set", "logFormat=json"], install_flags().as_slice()].concat());
    helm(&["rollback", "phones", "1", "--wait", "--timeout", "3m"]);
    let args =
        get("dialtone", &["deployment", "phones"])["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains("--log-format=text"), "{args}");
    serves("Back");

    rename("phones", "dialtone");
    assert_eq!(uid(), before);
    serves("Reception");
}
