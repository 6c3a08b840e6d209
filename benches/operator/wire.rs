//! From `kubectl apply` to the byte on the wire: a real kubelet, a real pod, real UDP.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};

use super::audit::{Audit, count};
use super::cluster::{Cluster, is_served, site_name};
use super::{percentile, process};
use crate::Args;
use crate::phones::mac;
use crate::table::{Run, number};

const NAMESPACE: &str = "wire";
const PHONES: usize = 1_000;
const EDITS: usize = 50;
const SINGLE_EDITS: usize = 5;
/// How many pods a site has that says nothing of them.
const PODS: usize = 2;
/// Where pods listen for phones.
const PORT: u16 = 6969;

/// Measures on a real node.
pub async fn run(args: &Args, run: &mut Run, kubeconfig: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::connect(kubeconfig).await?;
    let operator = process::kubeconfig(kubeconfig)?;
    let mut audit = Audit::of(kubeconfig);
    cluster.namespace(NAMESPACE).await?;
    let (_operator, _) = process::start(args, &operator, NAMESPACE).await?;
    cluster.make_sites(NAMESPACE, 1).await?;
    let pod = pod(&cluster).await?;
    audit.quiet().await?;
    let before = audit.writes()?.len();
    let filled = cluster.fill_phones(NAMESPACE, 1, PHONES, is_served).await?;
    audit.quiet().await?;
    let first = audit.since(before)?;

    let mut edits = Vec::new();
    for edit in 0..EDITS {
        let phone = edit * 7_919 % PHONES;
        let label = format!("Wire {edit}");
        let began = Instant::now();
        cluster.relabel(NAMESPACE, phone, &label).await?;
        tokio::task::spawn_blocking(move || served(pod, phone, &label)).await??;
        edits.push(began.elapsed());
    }
    edits.sort();
    let before = audit.quiet().await?;
    for edit in 0..SINGLE_EDITS {
        cluster.relabel(NAMESPACE, edit * 7_919 % PHONES, &format!("Single {edit}")).await?;
        audit.quiet().await?;
    }
    let writes = audit.since(before)?;

    let each = |resource: &str| count(&writes, resource) as f64 / SINGLE_EDITS as f64;
    let statuses = each("sipphones/status") + each("phonesites/status");
    let annotations = each("pods") / PODS as f64;
    let at_first = count(&first, "sipphones/status") as f64 / PHONES as f64;
    let figures = [
        ("first create to all phones served", filled.as_secs_f64(), "s"),
        ("status writes for each phone until it is served", at_first, "writes"),
        ("edit to the byte on the wire, p50", percentile(&edits, 50), "ms"),
        ("edit to the byte on the wire, p99", percentile(&edits, 99), "ms"),
        ("ConfigMaps written for an edit", each("configmaps"), "writes"),
        ("annotations of each pod for an edit", annotations, "writes"),
        ("statuses written for an edit", statuses, "writes"),
    ];
    let mut rows = vec![["1,000 phones, two pods", ""].map(str::to_owned).to_vec()];
    for (what, value, unit) in figures {
        run.figure(format!("node: {what}"), "operator", value, unit);
        rows.push(vec![format!("{what}, {unit}"), number(value)]);
    }
    run.table("The operator and its pods on a node", &rows);
    run.at_most("node: status writes for each phone until it is served", at_first, 1.1, "");
    run.at_most("node: ConfigMaps written for an edit", each("configmaps"), 1.0, "");
    run.at_most("node: annotations of each pod for an edit", annotations, 1.0, "");
    run.at_most("node: statuses written for an edit", statuses, 3.0, "");
    Ok(())
}

/// Waits for the site's pod, and until it answers.
async fn pod(cluster: &Cluster) -> anyhow::Result<SocketAddr> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), NAMESPACE);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        let pods = api.list(&ListParams::default().labels(&format!("dialtone.dev/site={}", site_name(0)))).await?;
        let ip = pods.items.iter().find_map(|pod| pod.status.as_ref()?.pod_ip.as_deref()?.parse::<IpAddr>().ok());
        if let Some(ip) = ip {
            let address = SocketAddr::new(ip, PORT);
            let answers = tokio::task::spawn_blocking(move || fetch(address, "SIPDefault.cnf")).await?;
            if answers.is_ok_and(|file| !file.is_empty()) {
                return Ok(address);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the site's pod does not serve within two minutes")
}

/// Asks until the file has the label.
fn served(pod: SocketAddr, phone: usize, label: &str) -> anyhow::Result<()> {
    let name = format!("SIP{}.cnf", mac(phone));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let file = fetch(pod, &name)?;
        if String::from_utf8_lossy(&file).contains(label) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    anyhow::bail!("{name} is not served with {label:?} within a minute")
}

/// One file in 512-byte lock-step.
fn fetch(server: SocketAddr, name: &str) -> anyhow::Result<Vec<u8>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send_to(&[b"\0\x01", name.as_bytes(), b"\0octet\0"].concat(), server)?;
    let (mut file, mut packet) = (Vec::new(), [0; 600]);
    loop {
        let (len, from) = socket.recv_from(&mut packet)?;
        anyhow::ensure!(len >= 4 && packet[1] == 3, "{name}: {}", String::from_utf8_lossy(&packet[4.min(len)..len]));
        file.extend_from_slice(packet.get(4..len).context("a short packet")?);
        socket.send_to(&[0, 4, packet[2], packet[3]], from)?;
        if len < 4 + 512 {
            return Ok(file);
        }
    }
}
