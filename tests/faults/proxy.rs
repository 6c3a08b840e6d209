//! Stands between an operator and the real API server, and does to its requests what networks and API servers do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// What is done to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Pass,
    /// It is passed on later.
    Delay(Duration),
    /// The API server answers with this status instead.
    Answer(u16),
    /// The connection breaks before the API server has heard of it.
    Lost,
    /// The API server does it, and the connection breaks before the answer.
    Unanswered,
    /// Nothing comes for so long, and then the connection breaks.
    Stalled(Duration),
    /// A watch is cut after so long.
    CutAfter(Duration),
    /// A watch tells everything so much later.
    Lag(Duration),
    /// The operator is killed before the API server has heard of it.
    KillBefore,
    /// The operator is killed when the API server has done it.
    KillAfter,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub is_watch: bool,
    /// The number of this write, from 0; `None` for what changes nothing, and for the operator's own Leases.
    pub write: Option<usize>,
}

type Judge = Box<dyn FnMut(&Seen) -> Fate + Send>;

/// A proxy with its own address.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    client: kube::Client,
    /// The API server that has the Leases.
    leases: kube::Client,
    judge: Mutex<Judge>,
    kill: Mutex<Option<Box<dyn Fn() + Send>>>,
    writes: AtomicUsize,
    faults: AtomicUsize,
    /// Connections end when this changes.
    is_cut: AtomicBool,
}

impl Proxy {
    /// Starts one, for an operator that is to the API server who these clients are.
    pub async fn start(client: kube::Client, leases: kube::Client) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Inner {
            address: listener.local_addr().unwrap(),
            client,
            leases,
            judge: Mutex::new(Box::new(|_| Fate::Pass)),
            kill: Mutex::new(None),
            writes: AtomicUsize::new(0),
            faults: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
        };
        let proxy = Proxy(Arc::new(inner));
        let serving = proxy.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Decides the fate of every request from now on.
    pub fn judge(&self, judge: impl FnMut(&Seen) -> Fate + Send + 'static) {
        *self.0.judge.lock().unwrap() = Box::new(judge);
    }

    /// How the operator is killed.
    pub fn on_kill(&self, kill: impl Fn() + Send + 'static) {
        *self.0.kill.lock().unwrap() = Some(Box::new(kill));
    }

    /// The writes that came so far, Leases aside.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many requests did not simply pass.
    pub fn faults(&self) -> usize {
        self.0.faults.load(Ordering::SeqCst)
    }

    /// Whether everything that is open breaks, and nothing new comes about.
    pub fn cut(&self, is_cut: bool) {
        self.0.is_cut.store(is_cut, Ordering::SeqCst);
    }

    async fn serve(self, stream: TcpStream) {
        if self.0.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let proxy = self.clone();
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let proxy = proxy.clone();
            // In a task of its own: what is on its way arrives although whoever sent it is gone.
            let answer = tokio::spawn(async move { proxy.answer(request.map(Body::new)).await });
            async move { answer.await.unwrap_or(Err(Broken)) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            _ = connection => {}
            () = self.until_cut() => {}
        }
    }

    async fn until_cut(&self) {
        while !self.0.is_cut.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Broken> {
        let seen = self.see(&request);
        let fate = (self.0.judge.lock().unwrap())(&seen);
        if fate != Fate::Pass {
            self.0.faults.fetch_add(1, Ordering::SeqCst);
        }
        match fate {
            Fate::Pass => self.forward(request).await,
            Fate::Delay(time) => {
                tokio::time::sleep(time).await;
                self.forward(request).await
            }
            Fate::CutAfter(time) => Ok(self.forward(request).await?.map(|body| {
                let end = stream::once(tokio::time::sleep(time)).map(|()| Err(Broken));
                Body::from_stream(stream::select(body.into_data_stream().map_err(|_| Broken), end))
            })),
            Fate::Lag(time) => Ok(self.forward(request).await?.map(|body| {
                let late = body.into_data_stream().map(move |frame| (frame, Instant::now() + time));
                // What came meanwhile is kept, with the time at which it is told.
                let (sender, receiver) = futures::channel::mpsc::unbounded();
                tokio::spawn(late.map(Ok).forward(sender));
                Body::from_stream(receiver.then(|(frame, time)| async move {
                    tokio::time::sleep_until(time).await;
                    frame
                }))
            })),
            Fate::Answer(status) => Ok(refusal(status)),
            Fate::Lost => Err(Broken),
            Fate::Stalled(time) => {
                tokio::time::sleep(time).await;
                Err(Broken)
            }
            Fate::Unanswered => {
                self.forward(request).await?;
                Err(Broken)
            }
            Fate::KillBefore => {
                self.kill();
                Err(Broken)
            }
            Fate::KillAfter => {
                self.forward(request).await?;
                self.kill();
                Err(Broken)
            }
        }
    }

    fn see(&self, request: &Request<Body>) -> Seen {
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_write = *request.method() != Method::GET && !path.contains("/leases") && !path.contains("/events");
        Seen {
            method: request.method().clone(),
            is_watch: query.contains("watch=true"),
            query,
            write: is_write.then(|| self.0.writes.fetch_add(1, Ordering::SeqCst)),
            path,
        }
    }

    fn kill(&self) {
        if let Some(kill) = &*self.0.kill.lock().unwrap() {
            kill();
        }
    }

    /// Passes a request on, and the answer back as it comes.
    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Broken> {
        let (mut head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(|_| Broken)?;
        for name in ["host", "authorization", "connection", "accept-encoding"] {
            head.headers.remove(name);
        }
        let request = Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        let client = if request.uri().path().contains("/leases") { &self.0.leases } else { &self.0.client };
        let answer = client.send(request).await.map_err(|_| Broken)?;
        let (mut head, body) = answer.into_parts();
        for name in ["transfer-encoding", "connection", "content-length"] {
            head.headers.remove(name);
        }
        Ok(Response::from_parts(head, Body::new(body)))
    }
}

/// What an API server says when it refuses.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "a fault that was asked for",
        "reason": reason, "code": code});
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer.headers_mut().insert("content-type", "application/json".parse().unwrap());
    answer
}

/// The connection ends without an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}
