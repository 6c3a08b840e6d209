//! How long the API server takes, under the names that its clients usually have.

use std::task::{Context, Poll};
use std::time::Instant;

use axum::http::{Request, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kube::Client;
use kube::client::Body;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tower_service::Service;

use super::registered::{Histograms, Registered};

/// What stands for the status of a request that got no answer.
const NO_ANSWER: &str = "<error>";
/// The methods that the operator uses.
const METHODS: [&str; 4] = ["GET", "POST", "PATCH", "DELETE"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabels {
    method: &'static str,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerbLabels {
    verb: &'static str,
}

/// The bounds of how long requests take, in seconds: those that clients of Kubernetes usually have.
const REQUEST_SECONDS: [f64; 11] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 60.0];

fn request_times() -> Histogram {
    Histogram::new(REQUEST_SECONDS)
}

/// Requests to the API server.
#[derive(Clone, Debug)]
pub(in crate::operator) struct ApiRequests {
    total: Registered<Family<CodeLabels, Counter>>,
    seconds: Registered<Histograms<VerbLabels>>,
}

impl ApiRequests {
    pub(super) fn new(registry: &mut Registry) -> ApiRequests {
        let to = registry.sub_registry_with_prefix("rest_client");
        let times: Histograms<VerbLabels> = Family::new_with_constructor(request_times);
        let all = ApiRequests {
            total: Registered::new(
                to,
                "requests",
                "Requests to the API server, by method and status; <error> stands for no answer",
                Family::default(),
            ),
            seconds: Registered::new(
                to,
                "request_duration_seconds",
                "How long the API server took to begin its answer, by method",
                times,
            ),
        };
        for method in METHODS {
            drop(all.total.get_or_create(&CodeLabels { method, code: NO_ANSWER.to_owned() }));
            drop(all.seconds.get_or_create(&VerbLabels { verb: method }));
        }
        all
    }

    /// The same client, whose requests are counted.
    pub(in crate::operator) fn count(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        Client::new(Counted { client, requests: self.clone() }, namespace)
    }
}

struct Counted {
    client: Client,
    requests: ApiRequests,
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, requests, began) = (self.client.clone(), self.requests.clone(), Instant::now());
        let asked = request.method().as_str();
        let method = METHODS.into_iter().find(|method| *method == asked).unwrap_or("OTHER");
        async move {
            let result = client.send(request).await;
            let code = result.as_ref().map_or(NO_ANSWER.to_owned(), |answer| answer.status().as_u16().to_string());
            requests.total.get_or_create(&CodeLabels { method, code }).inc();
            requests.seconds.get_or_create(&VerbLabels { verb: method }).observe(began.elapsed().as_secs_f64());
            result
        }
        .boxed()
    }
}
