//! What an edit costs the operator, and how long it takes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::audit::{Audit, Write};
use super::cluster::{Cluster, speaks_of_newest};
use super::process;
use crate::Args;
use crate::process::{Running, cpu_time};
use crate::table::{Run, number};

/// How many edits follow one another, and the pause between two of them: so that no object is written twice within a second,
/// which gathers what comes.
#[derive(Clone, Copy)]
pub struct Pace {
    edits: usize,
    pause: Duration,
}

/// Over the objects of twenty sites.
pub const QUICK: Pace = Pace { edits: 200, pause: Duration::from_millis(100) };
/// Over the objects of two.
const SLOW: Pace = Pace { edits: 80, pause: Duration::from_millis(600) };

/// How many edits are made one by one, each until nothing is written any more.
pub const SINGLE: usize = 5;

/// Phones and sites that grow alike, so that the objects of all hold as many files.
const FLEETS: [(usize, usize); 3] = [(100, 2), (1_000, 20), (10_000, 200)];

/// Edits one phone after the other; how long each took to reach a ConfigMap, in order, and the operator's processor time for
/// one, in seconds.
pub async fn one_after_another(
    cluster: &Cluster,
    audit: &mut Audit,
    operator: &Running,
    namespace: &str,
    phones: usize,
    pace: Pace,
) -> anyhow::Result<(Vec<Duration>, f64)> {
    rest(operator).await?;
    let mut changes = cluster.map_changes(namespace).await?;
    let mut all = Vec::new();
    let before = cpu_time(operator.id())?;
    for edit in 0..pace.edits {
        while changes.try_recv().is_ok() {}
        let began = Instant::now();
        // A prime number of phones further each time: over all sites and shards.
        cluster.relabel(namespace, edit * 7_919 % phones, &format!("Edit {edit}")).await?;
        let at = tokio::time::timeout(Duration::from_secs(30), changes.recv()).await;
        all.push(at.context("an edit reached no ConfigMap within 30 s")?.context("the watch ended")? - began);
        tokio::time::sleep(pace.pause).await;
    }
    audit.quiet().await?;
    let cpu = cpu_time(operator.id())? - before;
    all.sort();
    Ok((all, cpu.as_secs_f64() / pace.edits as f64))
}

/// Waits until the operator has nothing to do.
async fn rest(operator: &Running) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let before = cpu_time(operator.id())?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        if cpu_time(operator.id())? - before < Duration::from_millis(3) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(300), "the operator does not come to rest");
    }
}

/// Edits phones, each after all that followed from the one before; what was written in all.
pub async fn one_by_one(
    cluster: &Cluster,
    audit: &mut Audit,
    namespace: &str,
    phones: usize,
) -> anyhow::Result<Vec<Write>> {
    let before = audit.quiet().await?;
    for edit in 0..SINGLE {
        cluster.relabel(namespace, edit * 7_919 % phones, &format!("Single {edit}")).await?;
        audit.quiet().await?;
    }
    audit.since(before)
}

/// What an edit costs where every site has fifty phones, and there are more and more of both.
pub async fn in_sites_of_one_size(args: &Args, run: &mut Run, kubeconfig: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::connect(kubeconfig).await?;
    let operator = process::kubeconfig(kubeconfig)?;
    let mut audit = Audit::of(kubeconfig);
    let mut rows = vec![["phones", "sites", "processor time for an edit, ms"].map(str::to_owned).to_vec()];
    let mut costs = Vec::new();
    for (phones, sites) in FLEETS {
        let namespace = format!("n{phones}-in-{sites}");
        cluster.namespace(&namespace).await?;
        let (running, _) = process::start(args, &operator, &namespace).await?;
        // A cluster makes the pods of many sites one by one, and tells the operator of each: that is no part of an edit.
        cluster.make_sites(&namespace, sites).await?;
        cluster.made_pods(&namespace, sites).await?;
        cluster.fill_phones(&namespace, sites, phones, speaks_of_newest).await?;
        let (_, cpu) = one_after_another(&cluster, &mut audit, &running, &namespace, phones, SLOW).await?;
        super::end(running)?;
        let what = format!("processor time for an edit, {} phones in {sites} sites", number(phones as f64));
        run.figure(what, "operator", cpu * 1000.0, "ms");
        rows.push(vec![number(phones as f64), number(sites as f64), number(cpu * 1000.0)]);
        costs.push(cpu);
    }
    run.table("An edit in sites of fifty phones", &rows);
    let (Some(small), Some(large)) = (costs.first(), costs.last()) else { return Ok(()) };
    let what = "processor time for an edit, 10,000 phones in 200 sites, of that with 100 in 2";
    run.at_most(what, large / small, 1.5, "");
    Ok(())
}
