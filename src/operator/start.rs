//! Start and end: nothing is written before all that there is has been told, so that a restart changes nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep};

use super::context::{Context, Options};
use super::{http, image_volumes, read, watch, work};
use crate::base::shutdown_signal;
use crate::provision::Key;

/// How long the pods have at the start to tell what they hold, before statuses are written without them.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the fleet is told the time.
const TICK: Duration = Duration::from_secs(15);

/// Runs until the process is told to end.
pub async fn run(client: Client, options: Options) -> anyhow::Result<()> {
    let address = options.http;
    let ctx = Arc::new(Context::new(client, options));
    let server = tokio::spawn(http::serve(ctx.clone(), address));
    let began = Instant::now();
    let startup = tokio::spawn(start(ctx.clone(), began));
    tokio::select! {
        served = server => served??,
        () = shutdown_signal() => tracing::info!("told to end"),
        failed = async { match startup.await { Ok(()) => std::future::pending().await, Err(error) => error } } => {
            return Err(failed.into());
        }
    }
    Ok(())
}

async fn start(ctx: Arc<Context>, began: Instant) {
    tracing::info!("asking the API server what there is");
    ctx.ask(|fleet| {
        fleet.tick(jiff::Timestamp::now());
        fleet.hold_fetches();
    });
    let mut told = watch::start(&ctx);
    // The channel ends when every watch has let go of its end.
    let all_told = async { while told.recv().await.is_some() {} };
    let images = async {
        if ctx.options.image_volumes.get().is_none() {
            let known = image_volumes::known(&ctx.client).await;
            ctx.options.image_volumes.get_or_init(|| known);
        }
    };
    tokio::join!(all_told, images);

    let recovered = std::mem::take(&mut ctx.shared().recovered);
    ctx.ask(|fleet| {
        for (site, slot, content) in recovered {
            fleet.recover(&site, slot, content);
        }
    });
    let rest = read::read_all(&ctx).await;
    ctx.ask(|fleet| fleet.finish_recovery());
    wait_for_pods(&ctx).await;
    ctx.ask(|fleet| fleet.release_fetches());
    ctx.ready.store(true, Ordering::Release);
    ctx.tell(|fleet| ctx.enqueue(rest, fleet));
    work::start(&ctx);
    tokio::spawn(tick(ctx.clone()));
    let (sites, phones) = ctx.ask(|fleet| (fleet.sites().count(), fleet.phones().count()));
    tracing::info!(sites, phones, seconds = began.elapsed().as_secs_f32(), "ready");
}

/// Tells the time, for what is decided because nothing was heard for long.
async fn tick(ctx: Arc<Context>) {
    let mut clock = tokio::time::interval(TICK);
    loop {
        clock.tick().await;
        ctx.tell(|fleet| fleet.tick(jiff::Timestamp::now()));
    }
}

/// Statuses speak of what the pods hold: those that run are asked before anything is said.
async fn wait_for_pods(ctx: &Context) {
    let deadline = Instant::now() + PATIENCE;
    let silent = || -> Vec<Key> {
        let shared = ctx.shared();
        shared.pods.keys().filter(|pod| !shared.reported.contains(*pod)).cloned().collect()
    };
    while !silent().is_empty() {
        if Instant::now() > deadline {
            tracing::warn!(pods = ?silent().iter().map(ToString::to_string).collect::<Vec<_>>(), "TFTP pods do not tell what they hold");
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
