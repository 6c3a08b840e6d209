//! What of a pod's report goes into the fleet.

use jiff::{SignedDuration, Timestamp};

use crate::base::digest::Digest;
use crate::base::report::{MAX_SIZE, Report};
use crate::operator::context::Context;
use crate::provision::catalog::FirmwareFile;
use crate::provision::{Fetch, Key};

/// A pod's clock that is off by more seconds is corrected: by less, pods of one site differ anyway.
const CLOCK_TOLERANCE: i64 = 5;

/// Notes a pod's report in the fleet; whether the fleet could make anything of it.
pub(super) fn report(ctx: &Context, site: &Key, pod: &Key, report: Report) -> bool {
    let (mut held, mut firmware) = (Vec::new(), Vec::new());
    for file in report.holdings.held {
        let Some(digest) = Digest::from_hex(&file.digest) else { continue };
        let size = usize::try_from(file.size.min(MAX_SIZE)).unwrap_or(usize::MAX);
        firmware.push((file.name.clone(), FirmwareFile::reported(digest, size, file.first, file.parts)));
        held.push((file.name, digest));
    }
    let now = Timestamp::now();
    let off = report.time.map_or(0, |time| clock_error(time, now));
    let by_our_clock = |record| {
        let fetch = Fetch::from(record);
        Fetch { time: corrected(fetch.time, off, now), ..fetch }
    };
    let fetches: Vec<Fetch> = report.journal.records.iter().map(by_our_clock).collect();
    let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
    let (runs, taken) = ctx.update(|fleet| {
        // A report may arrive after the watch has shown that the pod is leaving: what it holds, noted then, would never be
        // removed. And right after a start it may arrive before the watch has shown its site.
        let runs = ctx.pods.contains(pod);
        if runs {
            fleet.pod_firmware(site, &pod.name, complete, firmware, gone, &report.problems);
        }
        let taken = !runs || fleet.pod_holds(site, &pod.name, complete, held, gone);
        if taken {
            fetches.iter().for_each(|fetch| fleet.fetched(site, fetch));
        }
        (runs, taken)
    });
    if runs && taken {
        ctx.pods.note_report(pod);
    }
    taken
}

/// By how many seconds a pod's clock is ahead, in steps, so that the same request has the same time when it is reported again.
fn clock_error(pod: Timestamp, now: Timestamp) -> i64 {
    let ahead = pod.as_second().saturating_sub(now.as_second());
    let step = 2 * CLOCK_TOLERANCE;
    if ahead.abs() <= CLOCK_TOLERANCE { 0 } else { (ahead + ahead.signum() * CLOCK_TOLERANCE) / step * step }
}

/// A time by a pod's clock, by the operator's, and never later than now: what is said to happen later would make all that happens
/// until then look old. So would a clock that is behind make the pod's own requests.
fn corrected(time: Timestamp, off: i64, now: Timestamp) -> Timestamp {
    let time = time.checked_sub(SignedDuration::from_secs(off)).unwrap_or(time);
    time.min(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::HashKey;
    use crate::base::report::{Inventory, Journal, Outcome, Record};
    use crate::operator::pods::Pod;
    use crate::operator::supervisor::supervised;
    use crate::operator::testing::{apply_site_and_phone, context};
    use serde_json::json;

    #[tokio::test]
    async fn a_pod_whose_clock_is_ahead_stops_no_phone() {
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        ctx.update(|fleet| {
            apply_site_and_phone(fleet, json!({}));
            fleet.set_hash_key(&site, HashKey::new(b"k"));
            fleet.settle();
        });
        ctx.pods.note(&pod, Pod::at(&site, "10.0.0.9"));
        let report = |time: Timestamp, clock: Option<Timestamp>, taken: &[u8]| {
            let mut record = Record::without_transfer(([10, 0, 0, 1], 1000).into(), "", Outcome::Complete);
            record.time = time;
            (record.file, record.digest) =
                (Some("SIP000A8A123456.cnf".into()), Some(Digest::of(taken).to_string().into()));
            let holdings = Inventory { version: 1, complete: true, ..Default::default() };
            let journal = Journal { next: 2, lost: 0, records: vec![record] };
            Report { instance: "i".into(), time: clock, holdings, journal, problems: Vec::new() }
        };
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        assert!(super::report(&ctx, &site, &pod, report(tomorrow, None, b"old")));
        let status = |ctx: &Context| {
            ctx.update(|fleet| {
                fleet.settle();
                fleet.report(&Key::new("ns", "p"), Timestamp::now()).unwrap().after
            })
        };
        let seen: Timestamp = status(&ctx).last_seen.unwrap().parse().unwrap();
        assert!(seen <= Timestamp::now(), "{seen}");
        let before = status(&ctx).fetched_hash;
        assert!(super::report(&ctx, &site, &pod, report(Timestamp::now(), None, b"new")));
        assert_ne!(status(&ctx).fetched_hash, before, "what it takes after that counts");
        // So does what a pod reports whose clock is behind.
        let before = status(&ctx).fetched_hash;
        let behind = Timestamp::now() - SignedDuration::from_mins(90);
        assert!(super::report(&ctx, &site, &pod, report(behind, Some(behind), b"newer")));
        assert_ne!(status(&ctx).fetched_hash, before);
    }

    #[tokio::test]
    async fn numbers_and_times_at_their_ends_are_no_reason_to_panic() {
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        ctx.update(|fleet| {
            apply_site_and_phone(fleet, json!({"firmware": {"image": "P0S3-08-12-00"}}));
            fleet.set_hash_key(&site, HashKey::new(b"k"));
            fleet.settle();
        });
        ctx.pods.note(&pod, Pod::at(&site, "10.0.0.9"));
        let ends = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::now(), Timestamp::MAX];
        let digest = Digest::of(b"x").to_string();
        let parts = ["P003-08-12-00.sbn", "P0S3-08-12-00.sb2"];
        let held: Vec<_> = ["P0S3-08-12-00.loads", parts[0], parts[1]]
            .iter()
            .map(
                |name| json!({"name": name, "size": u64::MAX, "digest": digest, "first": [1, 2, 3, 4], "parts": parts}),
            )
            .collect();
        for (clock, time) in ends.iter().flat_map(|clock| ends.map(|time| (*clock, time))) {
            let names =
                ["SIP000A8A123456.cnf", "SIPDefault.cnf", "P0S3-08-12-00.loads", parts[1], "SIP000A8A999999.cnf"];
            let records: Vec<_> = names
                .iter()
                .flat_map(|name| ["Running", "Complete", "NotFound", "TimedOut"].map(|outcome| (name, outcome)))
                .map(|(name, outcome)| {
                    json!({"seq": 7, "time": time, "peer": "10.0.0.1:0", "asked": name, "file": name, "digest": digest,
                        "size": u64::MAX, "acknowledged": u64::MAX - 1, "millis": u64::MAX, "outcome": outcome})
                })
                .collect();
            let report = json!({"instance": "i", "time": clock,
                "holdings": {"version": u64::MAX, "complete": true, "held": held, "gone": []},
                "journal": {"next": u64::MAX, "lost": u64::MAX, "records": records}});
            assert!(super::report(&ctx, &site, &pod, serde_json::from_value(report).unwrap()));
            ctx.update(|fleet| {
                fleet.settle();
                let status = fleet.report(&Key::new("ns", "p"), Timestamp::now()).unwrap().after;
                let percent = status.firmware.and_then(|firmware| firmware.percent).unwrap_or_default();
                assert!((0..=100).contains(&percent), "{percent} %");
                fleet.site_status(&site, Timestamp::now());
            });
        }
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_in_steps() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let errors = [0, 5, -5, 6, -6, 14, 15, -90].map(|ahead| clock_error(at(1_000 + ahead), at(1_000)));
        assert_eq!(errors, [0, 0, 0, 10, -10, 10, 20, -90]);
        assert_eq!(corrected(at(900), -90, at(1_000)), at(990));
        assert_eq!(corrected(at(999), -90, at(1_000)), at(1_000), "never later than now");
    }
}
