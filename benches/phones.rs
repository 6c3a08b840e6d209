//! Many phones: manifests of them, and their files.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{Args, target};

/// How many phones there are at most.
pub const MOST: usize = 10_000;

/// The address of a phone as its files' names have it.
pub fn mac(phone: usize) -> String {
    format!("000A8A{phone:06X}")
}

/// A site and so many phones, as somebody would write them.
pub fn manifests(namespace: &str, name: &str, phones: std::ops::Range<usize>) -> String {
    let mut all = site(namespace, name);
    for phone in phones {
        let _ = write!(all, "\n---\n{}", manifest(namespace, name, phone, "Desk"));
    }
    all
}

/// One site.
pub fn site(namespace: &str, name: &str) -> String {
    serde_json::json!({
        "apiVersion": "dialtone.dev/v1alpha1",
        "kind": "PhoneSite",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"settings": {"proxy1Address": "172.16.129.248", "sntpServer": "172.16.129.1"}},
    })
    .to_string()
}

/// One phone.
pub fn manifest(namespace: &str, site: &str, phone: usize, label: &str) -> String {
    let mac = mac(phone);
    let line = 10_000 + phone;
    serde_json::json!({
        "apiVersion": "dialtone.dev/v1alpha1",
        "kind": "SipPhone",
        "metadata": {"name": format!("p{phone:05}"), "namespace": namespace},
        "spec": {
            "siteRef": {"name": site},
            "mac": mac,
            "model": "7960",
            "label": label,
            "lines": [{"name": line.to_string(), "displayName": format!("Desk {phone}")}],
        },
    })
    .to_string()
}

/// Has dialtone render so many phones; the folder.
pub fn render(args: &Args, phones: usize) -> anyhow::Result<PathBuf> {
    let (input, output) = (target("phones.yaml")?, target("rendered")?);
    std::fs::write(&input, manifests("default", "bench", 0..phones))?;
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    let mut command = Command::new(&args.dialtone);
    let status =
        command.arg("render").arg("-f").arg(&input).arg("-o").arg(&output).output().context("dialtone render")?;
    ensure!(status.status.success(), "dialtone render: {}", String::from_utf8_lossy(&status.stderr));
    Ok(output)
}
