//! `/livez`, `/readyz` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::context::Context;
use super::leadership::{Leader, Standing};
use super::metrics::{Now, work_name};
use crate::base::{exposition, http_server};
use crate::tftp::http::listen;

/// Serves until the process ends.
pub(super) async fn serve(ctx: Arc<Context>, address: SocketAddr) -> anyhow::Result<()> {
    let routes = Router::new()
        // Being alive does not depend on the API server: a restart would not bring it back. That all tasks run need not be asked:
        // the process ends with the first that ends.
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(ctx);
    let listener = listen(address)?;
    http_server::serve(listener, routes).await
}

async fn readyz(State(ctx): State<Arc<Context>>) -> impl IntoResponse {
    let (status, text) = match ctx.leadership.standing() {
        Standing::Leads(_) if ctx.initial_sync.is_done() => (StatusCode::OK, "ok".to_owned()),
        Standing::Leads(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "waiting for the API server to tell what there is".to_owned())
        }
        // A process that stands by for another one of its installation is ready: to take over.
        Standing::Standby(Leader { holder, lease, is_foreign: false }) => {
            (StatusCode::OK, format!("standby: {holder} leads, by Lease {lease}"))
        }
        Standing::Standby(Leader { holder, lease, is_foreign: true }) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("standby: another installation looks after the same namespaces: {holder}, by Lease {lease}"),
        ),
        Standing::Unknown => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the election of a leader".to_owned()),
        Standing::Ended => (StatusCode::SERVICE_UNAVAILABLE, "ending".to_owned()),
    };
    (status, text + "\n")
}

async fn metrics(State(ctx): State<Arc<Context>>, headers: HeaderMap) -> Response {
    exposition::answer(&headers, ctx.metrics.text(&now(&ctx)))
}

/// How everything is now.
fn now(ctx: &Context) -> Now {
    let (phones, sites) = ctx.read(|fleet| (fleet.phones().count(), fleet.figures()));
    let updates = ctx.updates.counts();
    Now { leads: ctx.leadership.leads(), queue: ctx.queue.standing(work_name), phones, sites, updates }
}
