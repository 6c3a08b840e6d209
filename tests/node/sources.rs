//! Firmware from a volume, an image and the web at once, each part of one image from another of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use dialtone::phone::Model::Cp7960;

use super::stage::*;
use super::support::{apply, condition, get, kube, wait_for};

const LOADS: &[u8] = b"\x01sig\nP0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\nLA_VERSION=PAS30830\n";

pub fn firmware_comes_from_volumes_images_and_the_web() {
    step("firmware from a volume, an image and the web at once");
    let node_name = std::env::var("DIALTONE_NODE").unwrap();
    let bytes = |size: usize, seed: usize| (0..size).map(|n| ((n * 37 + seed) % 251) as u8).collect::<Vec<u8>>();
    let (loader, application) = (bytes(130_956, 5), bytes(200_000, 6));
    let folder = tempfile::tempdir().unwrap();

    // The volume: a folder of the node, of which a sub-folder is mounted.
    let inside = folder.path().join("7960/8.12");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(inside.join("P003-8-12-00.sbn"), &loader).unwrap();
    run("chmod", &["-R", "a+rX", folder.path().to_str().unwrap()]);
    apply(
        SPACE,
        &format!(
            "apiVersion: v1
kind: PersistentVolume
metadata: {{name: firmware}}
spec: {{capacity: {{storage: 1Gi}}, accessModes: [ReadOnlyMany], storageClassName: '', hostPath: {{path: {}}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: firmware}}
spec: {{accessModes: [ReadOnlyMany], storageClassName: '', volumeName: firmware, resources: {{requests: {{storage: 1Gi}}}}}}
",
            folder.path().display()
        ),
    );

    // The image: nothing but a file.
    let (app, tar) = (folder.path().join("app"), folder.path().join("image.tar"));
    std::fs::write(&app, &application).unwrap();
    let tag = "docker.io/library/firmware:dev";
    let name = "/phones/P0S3-8-12-00.sb2";
    run("hack/node/image.sh", &[app.to_str().unwrap(), tag, tar.to_str().unwrap(), name]);
    run("hack/node/load.sh", &["--name", &node_name, tar.to_str().unwrap()]);

    // The web: this machine, where it has nothing yet.
    let there = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shown = there.clone();
    let page = move || {
        let found = shown.load(Ordering::SeqCst);
        async move { if found { (StatusCode::OK, LOADS) } else { (StatusCode::NOT_FOUND, &b""[..]) } }
    };
    let routes = axum::Router::new().route("/fw/P0S3-8-12-00.loads", axum::routing::get(page));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let sum = dialtone::base::digest::Digest::of(LOADS).to_string().replace("sha256:", "");
    let url = format!("http://{}:{port}/fw/P0S3-8-12-00.loads", own_address());

    apply(
        SPACE,
        &format!(
            "apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata: {{name: mixed}}
spec:
  settings: {{proxy1Address: 172.16.129.248}}
  tftp: {{replicas: 1, service: {{type: ClusterIP}}}}
  firmware:
    image: P0S3-8-12-00
    source:
      persistentVolumeClaim: {{claimName: firmware, subPath: 7960/8.12}}
      image: {{reference: {tag}, path: /phones, pullPolicy: Never}}
      urls: [{{url: \"{url}\", sha256: {sum}}}]
{}",
            phone("mixed", "000A8A140001", "7960", "Mixed", "9901", "").replace("hq", "mixed")
        ),
    );
    let staged = || {
        let site = get(SPACE, &["phonesite", "mixed"]);
        let all = site["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|c| c["type"] == "FirmwareStaged").unwrap_or_default();
        (found["reason"].as_str().unwrap_or_default().to_owned(), found["message"].to_string())
    };
    wait_for("what cannot be fetched to be named", 60, || {
        let (reason, message) = staged();
        (reason == "FetchFailed" && message.contains(&url) && message.contains("the file cannot be had there"))
            .then_some(())
    });
    // A web server that has nothing keeps nobody from a configuration.
    let site = get(SPACE, &["phonesite", "mixed"]);
    assert_eq!(condition(&site, "Served").0, "True");
    there.store(true, Ordering::SeqCst);
    wait_for("all to be staged", 90, || (staged().0 == "Staged").then_some(()));
    let service = get(SPACE, &["service", "dialtone-mixed"]);
    let server = SocketAddr::new(service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap(), 69);
    let (outcome, _) = wait_for("the phone to be told", 30, || {
        let outcome = boot_phone(server, "000A8A140001", Cp7960);
        (outcome.running == "P0S3-8-12-00").then_some(outcome)
    });
    for (name, content) in
        [("P0S3-8-12-00.loads", LOADS), ("P003-8-12-00.sbn", &loader), ("P0S3-8-12-00.sb2", &application)]
    {
        assert_eq!(file(&outcome, name).as_deref(), Some(content), "{name}");
    }
    // The pods are as restricted as all others, and have nothing to write to but an empty folder.
    let pods = get(SPACE, &["pods", "-l", "dialtone.dev/site=mixed"]);
    assert_eq!(pods["items"][0]["spec"]["automountServiceAccountToken"], false);
    kube(&["delete", "sipphone/mixed", "phonesite/mixed", "pvc/firmware", "-n", SPACE, "--timeout=60s"]);
    kube(&["delete", "pv", "firmware"]);
    runtime.shutdown_timeout(Duration::from_secs(1));
}
