//! What is the matter with a site's objects, each by itself: whoever puts one right takes away its own problem and no other.

use std::time::Duration;

use tokio::time::Instant;

use super::cluster::Error;
use super::contests::SAID;
use super::context::Context;
use super::events::{self, Notice};
use crate::api::Reason;
use crate::provision::{InfraProblem, Key};

/// An error that passes by itself is only said once it has come so often in a row.
const OFTEN: u32 = 3;

/// How an attempt at an object of a site ended; `attempt` counts those in a row that failed.
pub(super) fn note(ctx: &Context, site: &Key, object: &str, error: Option<&Error>, attempt: u32) {
    let problem = match error {
        None => None,
        Some(error) if error.is_lasting() || matches!(error, Error::Waits(_)) || attempt >= OFTEN => {
            Some(problem(object, error))
        }
        // What was said before still holds, as far as anybody knows.
        Some(_) => return,
    };
    if ctx.read(|fleet| fleet.problem(site, object) != problem.as_ref()) {
        ctx.update(|fleet| fleet.note_problem(site, object, problem));
    }
}

fn problem(object: &str, error: &Error) -> InfraProblem {
    let mut message = error.to_string();
    let name = object.split_once(' ').map_or(object, |(_, name)| name);
    if matches!(error, Error::Api(_) | Error::Slow) {
        if !message.contains(name) {
            message = format!("{object}: {message}");
        }
        message += "; it is tried again within a minute";
    }
    let reason = error.reason();
    InfraProblem { reason, message, stalls: !matches!(reason, Reason::Pending | Reason::ApplyFailed) }
}

/// An object is about to be put right that somebody else changed: how long to wait before, if at all. Once it is clear that they go on
/// changing it, that is said in the log and as an Event of the site or phone that it is about.
pub(super) async fn begin(ctx: &Context, object: &str, about: (&'static str, &Key, &str)) -> Option<Duration> {
    let (kind, key, uid) = about;
    let times = match ctx.contests.begin(&format!("{} {object}", key.namespace), Instant::now()) {
        Ok(times) => times,
        Err(pause) => return Some(pause),
    };
    if times == SAID {
        let note = format!(
            "somebody else changes {object} again and again, and dialtone puts it right again and again, ever more rarely: find out who (kubectl get --show-managed-fields), and stop it"
        );
        tracing::warn!(kind, object = %key, "{note}");
        let related = object.rsplit_once(' ').map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        let notice = Notice { related, ..Notice::warning(Reason::Contested, note) };
        events::publish(&ctx.cluster, kind, key, uid, vec![notice]).await;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::supervisor::supervised;
    use super::super::testing::context;
    use super::*;
    use crate::operator::kind::Kind;
    use crate::provision::Meta;

    fn api_error(code: u16, reason: &str, message: &str) -> Error {
        let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
        Error::Api(kube::Error::Api(serde_json::from_value(status).unwrap()))
    }

    #[tokio::test]
    async fn each_object_s_own_success_takes_away_its_own_problem() {
        let (tasks, _supervisor) = supervised();
        let (ctx, site) = (context(tasks), Key::new("ns", "hq"));
        let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
        ctx.update(|fleet| fleet.apply_site(meta, Default::default(), Default::default()));
        let said = || {
            let problems = ctx.read(|fleet| fleet.infra(&site)).problems;
            problems.into_iter().map(|(object, it)| (object, it.reason, it.stalls)).collect::<Vec<_>>()
        };
        let quota = api_error(403, "Forbidden", "configmaps \"dialtone-hq-common\" is forbidden: exceeded quota");
        let taken = Error::Taken { kind: Kind::Service, name: "dialtone-hq".to_owned() };
        note(&ctx, &site, "ConfigMap dialtone-hq-common", Some(&quota), 1);
        note(&ctx, &site, "Service dialtone-hq", Some(&taken), 1);
        let both = [
            ("ConfigMap dialtone-hq-common".to_owned(), Reason::Forbidden, true),
            ("Service dialtone-hq".to_owned(), Reason::NameTaken, true),
        ];
        assert_eq!(said(), both);
        // What passes by itself takes nothing away, and is said only if it does not pass.
        note(&ctx, &site, "ConfigMap dialtone-hq-common", Some(&Error::Slow), 2);
        assert_eq!(said(), both);
        note(&ctx, &site, "ConfigMap dialtone-hq-common", None, 1);
        assert_eq!(said(), both[1..]);
        note(&ctx, &site, "Deployment dialtone-hq", Some(&Error::Slow), 3);
        assert_eq!(said()[0], ("Deployment dialtone-hq".to_owned(), Reason::ApplyFailed, false));
        note(&ctx, &site, "Deployment dialtone-hq", None, 1);
        note(&ctx, &site, "Service dialtone-hq", None, 1);
        assert!(said().is_empty());
    }
}
