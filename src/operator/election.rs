//! Leader election: of all processes that look after the same objects one writes, and the others stand by.
//!
//! Who looks after all namespaces needs one Lease, in a namespace that is the same for all installations. Who looks after some needs
//! the Lease of each of them, so that it is the same for whoever looks after one of them, too.

mod candidate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, Resource as _};
use rand::RngExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::anew::Anew;
use super::context::Context;
use super::leadership::{Leader, Leadership, Standing};
use super::options::Election;
pub(super) use candidate::Candidate;

/// The Lease of an installation that looks after all namespaces.
const CLUSTER: &str = "dialtone-cluster";
/// The Lease of an installation that looks after a namespace, in that namespace.
pub(super) const NAMESPACE: &str = "dialtone";

/// How often the leader renews its Lease.
const RENEW_PERIOD: Duration = Duration::from_secs(2);
/// How often one that stands by looks whether it is free, and by how much that is lengthened at random.
const LOOK_PERIOD: Duration = Duration::from_millis(1000);
const JITTER: f64 = 0.25;
/// The longest that one call may take. There is time for another before the leader must have renewed it.
const CALL_LIMIT: Duration = Duration::from_millis(2500);

/// One Lease, and this process's part in the election for it.
struct Seat {
    namespace: String,
    name: &'static str,
    api: Api<Lease>,
    candidate: Candidate,
    /// Whether the API server refuses the Lease: the namespace is not there, or the rights in it are gone. It is left alone then, and
    /// disturbs no other.
    is_refused: bool,
}

impl Seat {
    fn new(client: &Client, namespace: &str, name: &'static str, identity: &str) -> Seat {
        Seat {
            namespace: namespace.to_owned(),
            name,
            api: Api::namespaced(client.clone(), namespace),
            candidate: Candidate::new(identity),
            is_refused: false,
        }
    }

    /// Whether others wait for it: it is neither held nor refused.
    fn is_wanted(&self) -> bool {
        !self.is_refused && !self.candidate.is_holder()
    }

    /// Tries to acquire or to renew it.
    async fn attempt(&mut self) -> Result<(), String> {
        let tried = timeout(CALL_LIMIT, async {
            if self.candidate.can_renew(Instant::now()) && self.bid().await.is_ok() {
                return Ok(());
            }
            let now = Instant::now();
            let seen = self.api.get_opt(self.name).await?;
            self.candidate.saw(seen, now);
            self.bid().await
        });
        let tried = tried.await;
        self.is_refused = match &tried {
            Ok(Err(kube::Error::Api(status))) => matches!(status.code, 403 | 404),
            Ok(Ok(())) => false,
            // What is not known stays as it was.
            Ok(Err(_)) | Err(_) => self.is_refused,
        };
        match tried {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the API server did not answer within {} s", CALL_LIMIT.as_secs_f32())),
        }
    }

    async fn bid(&mut self) -> kube::Result<()> {
        let sent = Instant::now();
        let Some(mut bid) = self.candidate.bid(sent, Timestamp::now()) else { return Ok(()) };
        let params = PostParams { field_manager: Some(super::names::MANAGER.to_owned()), ..PostParams::default() };
        let written = match bid.meta().resource_version {
            Some(_) => self.api.replace(self.name, &params, &bid).await?,
            None => {
                bid.meta_mut().name = Some(self.name.to_owned());
                bid.meta_mut().labels = Some(labels());
                self.api.create(&params, &bid).await?
            }
        };
        self.candidate.won(written, sent);
        Ok(())
    }

    async fn release(&self) {
        let Some(lease) = self.candidate.release(Timestamp::now()) else { return };
        let released = timeout(CALL_LIMIT, self.api.replace(self.name, &PostParams::default(), &lease)).await;
        if !matches!(released, Ok(Ok(_))) {
            tracing::warn!(lease = %self.place(), "the Lease could not be released; another process leads when it has expired");
        }
    }

    fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

fn labels() -> std::collections::BTreeMap<String, String> {
    [("app.kubernetes.io/name", "dialtone-operator"), ("app.kubernetes.io/part-of", "dialtone")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// The Leases that this process needs. In one order for all, so that no two wait for each other.
fn seats(client: &Client, namespaces: &[String], election: &Election) -> Vec<Seat> {
    let seat = |namespace: &str, name| Seat::new(client, namespace, name, &election.identity());
    let mut sorted: Vec<&String> = namespaces.iter().collect();
    sorted.sort();
    sorted.dedup();
    match sorted.as_slice() {
        [] => vec![seat(&election.lease_namespace, CLUSTER)],
        some => some.iter().map(|namespace| seat(namespace, NAMESPACE)).collect(),
    }
}

/// Takes part in the election until the process ends; it begins anew if it led and does so no more.
pub(super) async fn campaign(ctx: Arc<Context>) -> anyhow::Result<()> {
    let Some(election) = &ctx.options.election else {
        ctx.leadership.set(Standing::Leads(None));
        ctx.leadership.ended().await;
        return Ok(());
    };
    let mut seats = seats(ctx.cluster.client(), &ctx.options.namespaces, election);
    let (mut said, mut left) = (None, BTreeSet::new());
    let end = loop {
        let leads = ctx.leadership.leads();
        let standing = tokio::select! {
            standing = pass(&ctx.leadership, election, &mut seats, &mut said) => standing,
            // One that leads waits for the answer: only then it knows which version of its Lease it releases.
            () = ctx.leadership.ended(), if !leads => break Ok(()),
        };
        let refused = refused(&seats);
        let freed = left.difference(&refused).next().cloned();
        for namespace in refused.difference(&left) {
            tracing::error!(
                %namespace,
                "namespace {namespace} is not there, or this process has no rights in it: nothing is done in it until that is so"
            );
        }
        if refused != left {
            ctx.leadership.leave(refused.clone());
            left = refused;
        }
        match (ctx.leadership.standing(), freed) {
            (Standing::Ended, _) => break Ok(()),
            (Standing::Leads(_), Some(namespace)) => {
                ctx.leadership.end().await;
                break Err(Anew(format!("namespace {namespace} can be looked after now")).into());
            }
            (Standing::Leads(_), None) if !ctx.leadership.leads() || !matches!(standing, Standing::Leads(_)) => {
                ctx.leadership.end().await;
                let leases = seats.iter().map(Seat::place).collect::<Vec<_>>().join(", ");
                return Err(
                    Anew(format!("the Lease {leases} was not renewed in time, or somebody else took it")).into()
                );
            }
            (Standing::Unknown | Standing::Standby(_) | Standing::Leads(_), _) => {}
        }
        if ctx.leadership.set(standing.clone()) {
            tell(&standing, &election.identity());
        }
        let period = match standing {
            Standing::Leads(_) => RENEW_PERIOD,
            _ => LOOK_PERIOD.mul_f64(rand::rng().random_range(1.0..=1.0 + JITTER)),
        };
        tokio::select! {
            () = sleep(period) => {}
            () = ctx.leadership.ended() => break Ok(()),
        }
    };
    // It ends of its own accord: whoever leads next need not wait until the Lease has expired.
    join_all(seats.iter().map(Seat::release)).await;
    end
}

/// The namespaces that are left alone because their Leases are refused.
fn refused(seats: &[Seat]) -> BTreeSet<String> {
    let refused = seats.iter().filter(|seat| seat.is_refused && seat.name == NAMESPACE);
    refused.map(|seat| seat.namespace.clone()).collect()
}

/// Renews the Leases that are held, and tries for the first that is not, and for those that were refused. What this process is then.
async fn pass(leadership: &Leadership, election: &Election, seats: &mut [Seat], said: &mut Option<String>) -> Standing {
    let first = seats.iter().position(Seat::is_wanted).map_or(seats.len(), |first| first + 1);
    let tried = join_all(seats.iter_mut().take(first).map(Seat::attempt)).await;
    let problem = seats.iter().zip(tried).find_map(|(seat, result)| Some((seat.place(), result.err()?)));
    match &problem {
        // What lasts is said once.
        Some((lease, error)) if said.as_ref() != Some(error) => {
            tracing::warn!(%lease, %error, "the Lease could not be read or written, and is tried again");
        }
        _ => {}
    }
    *said = problem.map(|(_, error)| error);
    match seats.iter().find(|seat| seat.is_wanted()) {
        None => {
            let held = seats.iter().filter(|seat| !seat.is_refused);
            let until = held.filter_map(|seat| seat.candidate.leads_until()).min();
            until.map_or(Standing::Unknown, |until| Standing::Leads(Some(until)))
        }
        Some(seat) => match seat.candidate.holder() {
            Some(holder) => Standing::Standby(Leader {
                holder: holder.to_owned(),
                lease: seat.place(),
                is_foreign: election.is_foreign(holder),
            }),
            // It is free, and was not acquired: something is wrong that was logged; or another Lease is next.
            None => match leadership.standing() {
                Standing::Standby(leader) => Standing::Standby(leader),
                _ => Standing::Unknown,
            },
        },
    }
}

fn tell(standing: &Standing, identity: &str) {
    match standing {
        Standing::Leads(_) => tracing::info!(identity, "this process leads"),
        Standing::Standby(Leader { holder, lease, is_foreign: false }) => {
            tracing::info!(identity, %holder, %lease, "standby: another process leads");
        }
        Standing::Standby(Leader { holder, lease, is_foreign: true }) => tracing::error!(
            identity, %holder, %lease,
            "standby: another installation of dialtone looks after these namespaces already, and this one does nothing; remove one of \
             the two, or let each look after namespaces of its own"
        ),
        Standing::Unknown | Standing::Ended => {}
    }
}
