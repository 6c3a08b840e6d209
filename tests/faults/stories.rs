//! What people do to a site, step by step, and what there is at the end if nothing disturbs it.

use super::support::{apply, get, kube, wait_for};

/// A phone of a site; `more` is put into its first line.
pub fn phone(name: &str, site: &str, mac: &str, label: &str, line: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {name}}}\nspec:\n  siteRef: {{name: {site}}}\n  \
         mac: \"{mac}\"\n  model: \"7960\"\n  label: {label}\n  lines: [{{name: \"{line}\"{more}}}]\n"
    )
}

fn site(name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: {name}}}\nspec:\n  \
         settings: {{proxy1Address: 172.16.129.248}}\n{more}"
    )
}

fn secret(password: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: lines}}\nstringData: {{one: {password}}}\n")
}

const PASSWORD: &str = ", passwordSecretRef: {name: lines, key: one}";

/// A site and three phones, one of which has this label and one a password.
pub fn apply_site(namespace: &str, label: &str) {
    let all = [
        site("hq", ""),
        secret("correct-horse"),
        phone("one", "hq", "000A8A123456", label, "8105", ""),
        phone("two", "hq", "000A8A123457", "Two", "8106", ""),
        phone("three", "hq", "000A8A123458", "Three", "8107", PASSWORD),
    ];
    apply(namespace, &all.concat());
}

/// One step: its name, and what is done in a namespace.
pub type Step = (&'static str, fn(&str));

/// All that people do, from the first apply on.
pub const STEPS: &[Step] = &[
    ("apply", |namespace| apply_site(namespace, "Reception")),
    ("edit", |namespace| apply_site(namespace, "Lobby")),
    ("rotate", |namespace| apply(namespace, &secret("battery-staple"))),
    ("move", |namespace| {
        let moved = phone("two", "branch", "000A8A123457", "Two", "8106", "");
        apply(namespace, &[site("branch", ""), moved].concat());
    }),
    ("another MAC", |namespace| apply(namespace, &phone("one", "hq", "000A8A1234FF", "Lobby", "8105", ""))),
    ("delete", |namespace| {
        kube(&["delete", "sipphone", "three", "-n", namespace]);
    }),
    ("upgrade", |namespace| {
        let image =
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: firmware}\nbinaryData: {P0S3-06-3-00.bin: AAAA}\n";
        let firmware = "  firmware: {image: P0S3-06-3-00, source: {configMaps: [{name: firmware}]}}\n";
        apply(namespace, &[image.to_owned(), site("hq", firmware)].concat());
    }),
    ("resync", |namespace| {
        let more = "  resync: {method: Notify}\n  tftp: {replicas: 2, service: {type: ClusterIP}}\n";
        apply(namespace, &site("branch", more));
    }),
    ("back", |namespace| apply(namespace, &site("hq", ""))),
    // A phone that names a site which is gone keeps its file where it is: at another one, if it never came to have it there. So it
    // goes back first, and one end is right.
    ("return", |namespace| apply(namespace, &phone("two", "hq", "000A8A123457", "Two", "8106", ""))),
    ("remove", |namespace| {
        kube(&["delete", "phonesite", "branch", "-n", namespace]);
        wait_for("what the site had to be gone", 60, || {
            let kinds = "configmaps,secrets,services,serviceaccounts,deployments,networkpolicies,poddisruptionbudgets";
            let left = get(namespace, &[kinds, "-l", "dialtone.dev/site=branch"]);
            left["items"].as_array().is_none_or(Vec::is_empty).then_some(())
        });
    }),
];
