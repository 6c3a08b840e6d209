//! Start and end: nothing is written before the initial sync is over, so that a restart changes nothing; and the process ends when
//! one of its tasks does.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::options::Options;
use super::supervisor::{Tasks, supervised};
use super::{election, http, image_volumes, overlap, read, reconcile, turn, watch};
use crate::base::shutdown_signal;

/// How long the pods have at the start to report what they hold, before statuses are written without them.
const REPORTS_LIMIT: Duration = Duration::from_secs(5);

/// How often the fleet learns the time.
const TICK: Duration = Duration::from_secs(15);

/// Runs until the shutdown signal.
pub(super) async fn run(client: Client, options: Options) -> anyhow::Result<()> {
    run_until(shutdown_signal(), client, options).await
}

/// Runs until the shutdown, or until a task ends that should run as long as the process.
async fn run_until(shutdown: impl Future<Output = ()>, client: Client, options: Options) -> anyhow::Result<()> {
    let (tasks, mut supervisor) = supervised();
    let address = options.http;
    let ctx = Arc::new(Context::new(client, options, tasks.clone()));
    tasks.spawn("the HTTP server", http::serve(ctx.clone(), address));
    tasks.spawn("the start", start(ctx.clone(), tasks.clone()));
    let mut campaign = pin!(election::campaign(ctx.clone()));
    let end = tokio::select! {
        error = supervisor.first_end() => Err(error),
        end = &mut campaign => return end,
        () = shutdown => {
            tracing::info!("shutdown signal received");
            Ok(())
        }
    };
    // Whoever stands by begins at once: nothing of this process is written any more.
    ctx.leadership.end().await;
    let _ = campaign.await;
    end
}

/// Waits until this process leads, does the initial sync, and then starts the tasks that write.
async fn start(ctx: Arc<Context>, tasks: Tasks) -> anyhow::Result<()> {
    ctx.leadership.lead().await;
    let began = Instant::now();
    overlap::start(&ctx, &tasks).await;
    sync(&ctx, &tasks).await;
    reconcile::start(&ctx, &tasks);
    let clock = ctx.clone();
    let tick = move || {
        clock.update(|fleet| fleet.tick(Timestamp::now()));
        // A site may be gone that others waited for.
        turn::decide(&clock);
    };
    tasks.spawn("the clock", async move { every(TICK, tick).await });
    let (sites, phones) = ctx.read(|fleet| (fleet.sites().count(), fleet.phones().count()));
    tracing::info!(sites, phones, seconds = began.elapsed().as_secs_f32(), "ready");
    // It is done, and that is no reason to end the process.
    std::future::pending().await
}

async fn sync(ctx: &Arc<Context>, tasks: &Tasks) {
    tracing::info!("asking the API server what there is");
    ctx.update(|fleet| {
        fleet.tick(Timestamp::now());
        fleet.hold_fetches();
    });
    let mut unsynced = watch::start(ctx, tasks);
    // The channel ends when every watch has dropped its sender.
    let all_listed = async { while unsynced.recv().await.is_some() {} };
    let images = async {
        if ctx.options.image_volumes.get().is_none() {
            // Who looks after some namespaces may not see nodes, and asks nothing that it may not.
            let known = ctx.options.namespaces.is_empty() && image_volumes::known(ctx.cluster.client()).await;
            ctx.options.image_volumes.get_or_init(|| known);
        }
    };
    tokio::join!(all_listed, images);

    let recovered = ctx.initial_sync.take();
    ctx.update(|fleet| {
        for (site, slot, content) in recovered {
            if let Some(content) = content
                && ctx.is_own(&site, slot)
            {
                fleet.recover(&site, slot, content);
            }
        }
    });
    let rest = read::read_all(ctx).await;
    ctx.update(|fleet| fleet.finish_recovery());
    wait_for_reports(ctx).await;
    ctx.update(|fleet| fleet.release_fetches());
    let changed_since = ctx.initial_sync.finish();
    ctx.update(|fleet| {
        ctx.enqueue(rest, fleet);
        for (site, slot, content) in changed_since {
            fleet.note_stored(&site, slot, content.map(|content| content.digest()));
        }
    });
}

/// Does something now and then, for ever.
async fn every(period: Duration, act: impl Fn()) -> anyhow::Result<()> {
    let mut clock = tokio::time::interval(period);
    loop {
        clock.tick().await;
        act();
    }
}

/// Statuses show what the pods hold: those that run are polled before any is written.
async fn wait_for_reports(ctx: &Context) {
    let deadline = Instant::now() + REPORTS_LIMIT;
    loop {
        let silent = ctx.pods.silent();
        if silent.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            let pods: Vec<String> = silent.iter().map(ToString::to_string).collect();
            tracing::warn!(?pods, "TFTP pods do not report what they hold");
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, first_end, options};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_panics_ends_the_process() {
        let (tasks, mut supervisor) = supervised();
        tasks.spawn("the clock", every(TICK, || panic!("no time")));
        assert_eq!(first_end(&mut supervisor).await, "the clock panicked: no time");
    }

    #[tokio::test]
    async fn an_http_server_that_ends_ends_the_process() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = Client::try_from(nowhere).unwrap();
        let ended = run_until(std::future::pending(), client, Options { http: address, ..options() });
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends");
        let error = format!("{:#}", ended.unwrap_err());
        assert!(error.starts_with(&format!("the HTTP server failed: cannot listen on {address} (TCP): ")), "{error}");
    }

    #[tokio::test]
    async fn a_start_that_panics_ends_the_process() {
        let (tasks, mut supervisor) = supervised();
        let ctx = context(tasks.clone());
        let interrupted = ctx.clone();
        let panic = super::super::supervisor::catch(async move { interrupted.update(|_| panic!("half way")) }).await;
        assert!(panic.is_err());
        assert_eq!(first_end(&mut supervisor).await, "a panic left the fleet half changed");
        tasks.spawn("the start", start(ctx, tasks.clone()));
        let error = first_end(&mut supervisor).await;
        assert!(error.starts_with("the start panicked: a panic has left the fleet half changed"), "{error}");
    }
}
