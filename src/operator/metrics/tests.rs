use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::json;

use super::super::supervisor::supervised;
use super::super::testing::{FakeApi, context, metrics_text};
use super::*;
use crate::api::{ConditionType, PhoneSiteStatus, SipPhoneStatus};
use crate::operator::testing::{apply_site_and_phone, meta};
use crate::provision::{Infra, Key};

fn holds(kind: ConditionType, status: &str) -> Condition {
    Condition {
        type_: kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: "Ready".to_owned(),
        message: String::new(),
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        observed_generation: None,
    }
}

/// Names are a contract with dashboards; docs/metrics.md has them with their help texts.
#[tokio::test]
async fn what_people_ask_of_sites_and_phones_is_a_gauge() {
    let (tasks, _supervisor) = supervised();
    let ctx = context(tasks);
    ctx.update(|fleet| {
        apply_site_and_phone(fleet, json!({}));
        let conditions = vec![holds(ConditionType::Ready, "True"), holds(ConditionType::Served, "False")];
        let status = PhoneSiteStatus { conditions, ..PhoneSiteStatus::default() };
        fleet.note_site_status(&Key::new("ns", "hq"), status.clone(), status, 9);
        let conditions = vec![holds(ConditionType::Accepted, "True"), holds(ConditionType::InSync, "False")];
        let status = SipPhoneStatus { conditions, ..SipPhoneStatus::default() };
        fleet.note_phone_status(&Key::new("ns", "p"), status.clone(), status, 9);
        let infra = Infra { wanted: 2, address: Some("10.0.0.1".to_owned()), ..Infra::default() };
        fleet.set_infra(&Key::new("ns", "hq"), infra);
        fleet.pod_holds(&Key::new("ns", "hq"), "pod", true, Vec::new(), &[]);
        // A phone whose site does not exist.
        let phone =
            json!({"siteRef": {"name": "no"}, "mac": "000A8A123457", "model": "7960", "lines": [{"name": "2"}]});
        fleet.apply_phone(meta("q"), serde_json::from_value(phone).unwrap(), Default::default());
        fleet.settle();
    });
    let text = metrics_text(&ctx);
    for sample in [
        "dialtone_sites 1",
        "dialtone_phones 2",
        "leader_election_master_status{name=\"dialtone\"} 1",
        "dialtone_site_ready{namespace=\"ns\",site=\"hq\"} 1",
        "dialtone_site_condition{namespace=\"ns\",site=\"hq\",condition=\"Ready\"} 1",
        "dialtone_site_condition{namespace=\"ns\",site=\"hq\",condition=\"Served\"} 0",
        "dialtone_site_condition{namespace=\"ns\",site=\"hq\",condition=\"Stalled\"} 0",
        "dialtone_site_phones{namespace=\"ns\",site=\"hq\"} 1",
        "dialtone_site_phones_condition{namespace=\"ns\",site=\"hq\",condition=\"Accepted\"} 1",
        "dialtone_site_phones_condition{namespace=\"ns\",site=\"hq\",condition=\"InSync\"} 0",
        "dialtone_site_phones_condition{namespace=\"ns\",site=\"hq\",condition=\"AddressConflict\"} 0",
        "dialtone_site_phones_stage{namespace=\"ns\",site=\"hq\",stage=\"Unmanaged\"} 1",
        "dialtone_site_phones_stage{namespace=\"ns\",site=\"hq\",stage=\"Failed\"} 0",
        "dialtone_site_unclaimed_phones{namespace=\"ns\",site=\"hq\"} 0",
        "dialtone_site_servers_wanted{namespace=\"ns\",site=\"hq\"} 2",
        "dialtone_site_servers_answering{namespace=\"ns\",site=\"hq\"} 1",
        "dialtone_site_address_present{namespace=\"ns\",site=\"hq\"} 1",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} in {text}");
    }
}

#[tokio::test]
async fn errors_are_there_before_the_first_one() {
    let (tasks, _supervisor) = supervised();
    let text = metrics_text(&context(tasks));
    for sample in [
        "controller_runtime_reconcile_errors_total{controller=\"PhoneStatus\"} 0",
        "controller_runtime_reconcile_total{controller=\"Files\",result=\"error\"} 0",
        "workqueue_retries_total{name=\"Objects\"} 0",
        "workqueue_depth{name=\"Objects\"} 0",
        "dialtone_failing_items{controller=\"Read\"} 0",
        "rest_client_requests_total{method=\"PATCH\",code=\"<error>\"} 0",
        "dialtone_api_writes_total{kind=\"Secret\"} 0",
        "dialtone_resyncs_total{result=\"NoAnswer\"} 0",
        "dialtone_panics_total{task=\"Files\"} 0",
        "dialtone_panics_total{task=\"Poll\"} 0",
        "dialtone_undecodable_objects_total 0",
        "dialtone_watch_errors_total 0",
        "dialtone_report_errors_total 0",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} in {text}");
    }
    assert!(!text.contains("\\\""), "no quotes in help texts: they are escaped in one of the two formats only");
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "no name is registered twice");
}

#[tokio::test]
async fn requests_to_the_api_server_are_counted_with_what_it_said_and_how_long_it_took() {
    let (tasks, _supervisor) = supervised();
    let (_api, ctx) = FakeApi::start(tasks.clone()).await;
    ctx.cluster.annotate_pod(&Key::new("ns", "pod"), "1").await.unwrap();
    assert!(ctx.cluster.metadata(Kind::Pod, &Key::new("ns", "none")).await.unwrap().is_none());
    let text = metrics_text(&ctx);
    for sample in [
        "rest_client_requests_total{method=\"PATCH\",code=\"200\"} 1",
        "rest_client_requests_total{method=\"GET\",code=\"404\"} 1",
        "rest_client_request_duration_seconds_count{verb=\"PATCH\"} 1",
        "dialtone_api_writes_total{kind=\"Pod\"} 1",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} in {text}");
    }
    // Nobody listens there.
    let ctx = context(tasks);
    let error = ctx.cluster.metadata(Kind::Pod, &Key::new("ns", "none")).await.unwrap_err();
    assert!(!error.to_string().contains("ServiceError: ServiceError"), "{error}");
    let text = metrics_text(&ctx);
    assert!(text.contains("rest_client_requests_total{method=\"GET\",code=\"<error>\"} 1\n"), "{text}");
}

#[tokio::test]
async fn a_reconcile_is_counted_as_controllers_count_it() {
    let (tasks, _supervisor) = supervised();
    let ctx = context(tasks);
    ctx.metrics.reconciles.count("Files", Ended::Success, Duration::from_millis(3));
    ctx.metrics.reconciles.count("Files", Ended::Error, Duration::from_secs(3));
    let text = metrics_text(&ctx);
    for sample in [
        "controller_runtime_reconcile_total{controller=\"Files\",result=\"success\"} 1",
        "controller_runtime_reconcile_errors_total{controller=\"Files\"} 1",
        "controller_runtime_reconcile_time_seconds_bucket{le=\"0.005\",controller=\"Files\"} 1",
        "controller_runtime_reconcile_time_seconds_count{controller=\"Files\"} 2",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} in {text}");
    }
}
