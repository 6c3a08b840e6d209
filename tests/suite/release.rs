//! One version everywhere, so that a release is of one piece.

use serde_json::Value;

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn chart_manifests_and_changelog_have_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = yaml("charts/dialtone/Chart.yaml");
    assert_eq!((chart["version"].as_str(), chart["appVersion"].as_str()), (Some(version), Some(version)));
    assert_eq!(yaml("kustomize/kustomization.yaml")["images"][0]["newTag"], version);
    let changelog = std::fs::read_to_string("CHANGELOG.md").unwrap();
    assert!(changelog.contains(&format!("\n## [{version}]")), "CHANGELOG.md says nothing of {version}");
}
