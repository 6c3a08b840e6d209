//! The operator on a real API server: how fast, how large, and how little it writes.

mod audit;
mod cluster;
mod edits;
mod node;
mod pace;
mod process;
mod wire;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use kube::api::ListParams;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Runtime;

use crate::Args;
use crate::process::{Running, cpu_time, peak_memory, resident_memory};
use crate::table::{Run, number};
use audit::{Audit, Write, by_kind, count, most_of_one_map};
use cluster::Cluster;
use node::Node;

const SITES: usize = 20;
/// How many phones the operator is held against its targets with.
const LARGEST: usize = 10_000;
/// How long nothing is done, to see that nothing is written.
const IDLE: Duration = Duration::from_secs(20);

/// What was measured with so many phones.
#[derive(Debug)]
struct Measured {
    phones: usize,
    filled: Duration,
    cpu: f64,
    writes: Vec<Write>,
    edits: Vec<Duration>,
    edit_cpu: f64,
    single_edits: Vec<Write>,
    idle: usize,
    resident: f64,
    peak: f64,
    restart: Duration,
    restart_resident: f64,
    restart_writes: usize,
}

/// Measures on a control plane, where no pod runs.
pub fn run(args: &Args, run: &mut Run) -> anyhow::Result<()> {
    let node = Node::control_plane()?;
    Runtime::new()?.block_on(in_twenty_sites(args, run, &node.kubeconfig))?;
    drop(node);
    // Tens of thousands of objects would slow down who makes the pods of two hundred sites.
    let node = Node::control_plane()?;
    Runtime::new()?.block_on(edits::in_sites_of_one_size(args, run, &node.kubeconfig))
}

/// Measures on a node, to the byte on the wire.
pub fn run_wire(args: &Args, run: &mut Run) -> anyhow::Result<()> {
    let image = args.image.as_deref().context("--image is needed: the tarball that hack/image.sh makes")?;
    let node = Node::whole(image)?;
    Runtime::new()?.block_on(wire::run(args, run, &node.kubeconfig))
}

async fn in_twenty_sites(args: &Args, run: &mut Run, kubeconfig: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::connect(kubeconfig).await?;
    let operator = process::kubeconfig(kubeconfig)?;
    let mut audit = Audit::of(kubeconfig);
    let mut all = Vec::new();
    for phones in [100, 1_000] {
        all.push(measure(args, &cluster, &operator, &mut audit, phones).await?);
    }
    // Bare client, operator, operator, bare client: a machine that gets slower meanwhile does so to both.
    let bare_before = fill_barely(&cluster, "bare-before", LARGEST).await?;
    let largest = measure(args, &cluster, &operator, &mut audit, LARGEST).await?;
    let filled = [largest.filled, fill_again(args, &cluster, &operator, "again", LARGEST).await?];
    let bare = [bare_before, fill_barely(&cluster, "bare-after", LARGEST).await?];
    all.push(largest);
    report(run, &all, &filled, &bare);
    Ok(())
}

/// The first run once more, and nothing else.
async fn fill_again(
    args: &Args,
    cluster: &Cluster,
    kubeconfig: &Path,
    namespace: &str,
    phones: usize,
) -> anyhow::Result<Duration> {
    cluster.namespace(namespace).await?;
    let (operator, _) = process::start(args, kubeconfig, namespace).await?;
    let filled = cluster.fill(namespace, SITES, phones).await?;
    end(operator)?;
    Ok(filled)
}

/// The same work without an operator, with the status that it wrote to a phone before.
async fn fill_barely(cluster: &Cluster, namespace: &str, phones: usize) -> anyhow::Result<Duration> {
    let sample = cluster.phones("n1000").list(&ListParams::default().limit(1)).await?;
    let status = sample.items.first().and_then(|phone| phone.status.clone()).context("no phone to copy a status of")?;
    let mut status = serde_json::to_value(status)?;
    // It speaks of phones that are new.
    status["observedGeneration"] = 1.into();
    cluster.namespace(namespace).await?;
    cluster.fill_barely(namespace, SITES, phones, &status).await
}

async fn measure(
    args: &Args,
    cluster: &Cluster,
    kubeconfig: &Path,
    audit: &mut Audit,
    phones: usize,
) -> anyhow::Result<Measured> {
    let namespace = &format!("n{phones}");
    cluster.namespace(namespace).await?;
    let before = audit.writes()?.len();
    let (operator, _) = process::start(args, kubeconfig, namespace).await?;
    let filled = cluster.fill(namespace, SITES, phones).await?;
    let cpu = cpu_time(operator.id())?.as_secs_f64();
    audit.quiet().await?;
    cluster.compare(namespace, &cluster::rendered_hashes(args, phones)?).await?;
    let writes = audit.since(before)?;

    let (edits, edit_cpu) =
        edits::one_after_another(cluster, audit, &operator, namespace, phones, edits::QUICK).await?;
    let single_edits = edits::one_by_one(cluster, audit, namespace, phones).await?;

    let before = audit.writes()?.len();
    tokio::time::sleep(IDLE).await;
    let idle = audit.since(before)?.len();
    let (resident, peak) = (resident_memory(operator.id())?, peak_memory(operator.id())?);

    end(operator)?;
    let before = audit.writes()?.len();
    let (operator, restart) = process::start(args, kubeconfig, namespace).await?;
    tokio::time::sleep(IDLE).await;
    let restart_writes = audit.since(before)?.len();
    let restart_resident = resident_memory(operator.id())?;
    end(operator)?;
    Ok(Measured {
        phones,
        filled,
        cpu,
        writes,
        edits,
        edit_cpu,
        single_edits,
        idle,
        resident,
        peak,
        restart,
        restart_resident,
        restart_writes,
    })
}

/// Ends the operator as a cluster does.
fn end(operator: Running) -> anyhow::Result<()> {
    kill(Pid::from_raw(i32::try_from(operator.id())?), Signal::SIGTERM)?;
    operator.wait(Duration::from_secs(20))
}

/// In seconds.
fn mean(times: &[Duration]) -> f64 {
    times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn report(run: &mut Run, all: &[Measured], filled: &[Duration], bare: &[Duration]) {
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    let mut rows = vec![vec!["phones, in 20 sites".to_owned()]];
    rows[0].extend(all.iter().map(|one| number(one.phones as f64)));
    let mut row = |run: &mut Run, what: &str, unit: &'static str, value: &dyn Fn(&Measured) -> f64| {
        let mut cells = vec![format!("{what}, {unit}")];
        for one in all {
            run.figure(format!("{what}, {} phones", number(one.phones as f64)), "operator", value(one), unit);
            cells.push(number(value(one)));
        }
        rows.push(cells);
    };
    row(run, "first create to all statuses right", "s", &|one| one.filled.as_secs_f64());
    row(run, "processor time for it", "s", &|one| one.cpu);
    row(run, "status writes for each phone", "writes", &|one| {
        count(&one.writes, "sipphones/status") as f64 / one.phones as f64
    });
    row(run, "writes of the busiest ConfigMap", "writes", &|one| most_of_one_map(&one.writes) as f64);
    row(run, "edit to ConfigMap, p50", "ms", &|one| percentile(&one.edits, 50));
    row(run, "edit to ConfigMap, p99", "ms", &|one| percentile(&one.edits, 99));
    row(run, "processor time for an edit", "ms", &|one| one.edit_cpu * 1000.0);
    let per_edit =
        |resource: &'static str| move |one: &Measured| count(&one.single_edits, resource) as f64 / edits::SINGLE as f64;
    row(run, "ConfigMaps written for an edit", "writes", &per_edit("configmaps"));
    row(run, "statuses written for an edit", "writes", &|one| {
        per_edit("sipphones/status")(one) + per_edit("phonesites/status")(one)
    });
    row(run, "written in 20 idle seconds", "writes", &|one| one.idle as f64);
    row(run, "memory", "MiB", &|one| mebibytes(one.resident));
    row(run, "memory at most", "MiB", &|one| mebibytes(one.peak));
    row(run, "restart to ready", "s", &|one| one.restart.as_secs_f64());
    row(run, "memory after a restart", "MiB", &|one| mebibytes(one.restart_resident));
    row(run, "written after a restart", "writes", &|one| one.restart_writes as f64);
    run.table("The operator on a control plane", &rows);

    let (Some(small), Some(large)) = (all.first(), all.last()) else { return };
    let kinds = by_kind(&large.writes);
    let mut rows = vec![["written at first, 10,000 phones", "writes"].map(str::to_owned).to_vec()];
    for (kind, writes) in kinds {
        run.figure(format!("first run, 10,000 phones: {kind}"), "operator", writes as f64, "writes");
        rows.push(vec![kind, number(writes as f64)]);
    }
    run.table("What the operator writes", &rows);

    let each =
        |times: &[Duration]| times.iter().map(|time| number(time.as_secs_f64())).collect::<Vec<_>>().join(" and ");
    run.say(format!(
        "\n10,000 phones took {} s. A bare client that makes the same creates and status writes takes {} s.",
        each(filled),
        each(bare)
    ));
    let (filled, bare) = (mean(filled), mean(bare));
    run.figure("first create to all statuses right, both times", "operator", filled, "s");
    run.figure("10,000 creates and status writes, both times", "bare client", bare, "s");
    let slope = (large.resident - small.resident) / (large.phones - small.phones) as f64;
    run.figure("memory for each phone", "operator", slope, "bytes");
    run.say(format!("Each phone takes {} KiB of the operator's memory.", number(slope / 1024.0)));

    run.at_least("first create to all statuses right, of the bare client's speed", bare / filled, 0.8, "");
    let statuses = count(&large.writes, "sipphones/status") as f64 / large.phones as f64;
    run.at_most("status writes for each phone at first", statuses, 1.1, "");
    run.at_most(
        format!(
            "writes of the busiest ConfigMap at first, in the {} s of the first run",
            number(large.filled.as_secs_f64())
        ),
        most_of_one_map(&large.writes) as f64,
        pace::most_writes(large.filled) as f64,
        "",
    );
    run.at_most("edit to ConfigMap, p99, 10,000 phones", percentile(&large.edits, 99), 250.0, "ms");
    run.at_most("ConfigMaps written for an edit", per_edit("configmaps")(large), 1.0, "");
    let statuses = per_edit("sipphones/status")(large) + per_edit("phonesites/status")(large);
    run.at_most("statuses written for an edit", statuses, 3.0, "");
    run.at_most("written when idle", large.idle as f64, 0.0, "");
    run.at_most("written after a restart", large.restart_writes as f64, 0.0, "");
    run.at_most("restart to ready, 10,000 phones", large.restart.as_secs_f64(), 5.0, "s");
    run.at_most("memory, 10,000 phones", mebibytes(large.resident.max(large.restart_resident)), 120.0, "MiB");
    run.at_most(
        "processor time for an edit, 10,000 phones, of that with 100",
        large.edit_cpu / small.edit_cpu,
        1.5,
        "",
    );
    // The objects of 1,000 phones are as full as those of 10,000: this tells what the number of phones does by itself.
    if let Some(full) = all.iter().find(|one| one.phones == 1_000) {
        let ratio = large.edit_cpu / full.edit_cpu;
        run.at_most("processor time for an edit, 10,000 phones, of that with 1,000", ratio, 1.5, "");
    }
}
