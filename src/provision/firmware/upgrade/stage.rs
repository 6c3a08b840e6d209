//! From what was seen of a phone to the stage that its status shows.

use jiff::Timestamp;

use super::{Upgrade, is_application};
use crate::api::{PhoneFirmwareStatus, Stage};
use crate::provision::firmware::staging::Staging;

/// What a phone should run, and whether it can.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The image.
    pub target: Option<&'a str>,
    /// How far the image itself is.
    pub staging: &'a Staging,
    /// The image that the phone's files name now.
    pub offered: Option<&'a str>,
    /// Whether no further phone is offered an image.
    pub paused: bool,
    /// The files of the target, with their sizes.
    pub parts: &'a [(String, u64)],
}

/// Percent are shown in steps of this, so that an upgrade costs few writes.
const STEP: u64 = 20;

/// The stage. `since` is not set: it depends on what stood there before. What a phone was seen to do comes before what is true of
/// the image.
pub fn stage(upgrade: &Upgrade, wanted: &Wanted<'_>, now: Timestamp) -> PhoneFirmwareStatus {
    let lapsed = upgrade.lapsed(now);
    let upgrade = lapsed.as_ref().unwrap_or(upgrade);
    let running = upgrade.running.as_ref();
    let mut status = PhoneFirmwareStatus {
        target: wanted.target.map(str::to_owned),
        running: running.map(|running| running.image.clone()),
        running_seen: running.map(|running| running.how.clone()),
        taken: upgrade.taken.iter().cloned().collect(),
        failures: (upgrade.failures > 0).then_some(i64::from(upgrade.failures)),
        ..PhoneFirmwareStatus::default()
    };
    let Some(target) = wanted.target else { return with(status, Stage::Unmanaged, None) };
    if let Some(running) = running.filter(|_| upgrade.stays_with(target)) {
        return with(status, Stage::Current, Some(running.how.clone()));
    }
    if let Some(transfer) = upgrade.transfer.as_ref().filter(|transfer| is_part(wanted, &transfer.file)) {
        progress(&mut status, upgrade, wanted, Some((&transfer.file, transfer.sent)));
        let before = upgrade.failed_before.as_ref().map(|why| format!("it tries again; before, {why}"));
        return with(status, Stage::Downloading, before);
    }
    let taken: Vec<&String> = upgrade.taken.iter().filter(|file| is_part(wanted, file)).collect();
    let waits = upgrade.failure.is_none();
    if waits && upgrade.took_all.is_some() && taken.iter().any(|file| is_application(file)) {
        return with(status, Stage::Installing, Some("it took the image; it restarts now".to_owned()));
    }
    if let Some(last) = taken.last().filter(|_| waits && upgrade.took.is_some()) {
        progress(&mut status, upgrade, wanted, Some((last, 0)));
        return with(status, Stage::Downloading, Some(format!("it took {last}; it restarts for the next part")));
    }
    if wanted.staging.is_pending() {
        return with(status, Stage::Pending, Some(wanted.staging.message.clone()));
    }
    if let Some(why) = &upgrade.failure {
        return with(status, Stage::Failed, Some(why.clone()));
    }
    let reads = upgrade.named.as_deref() == Some(target);
    let other = upgrade.taken.iter().find(|file| is_application(file) && !reads);
    if let Some(file) = upgrade.transfer.as_ref().map(|transfer| &transfer.file).or(other) {
        // A stepping stone, or an image that was wanted before.
        let stage = if wanted.offered == Some(target) { Stage::Staged } else { Stage::Waiting };
        return with(status, stage, Some(format!("it takes {file} first")));
    }
    if wanted.offered != Some(target) {
        let why = if wanted.paused { "the rollout is paused" } else { "other phones come first" };
        return with(status, Stage::Waiting, Some(why.to_owned()));
    }
    if reads {
        return with(status, Stage::Offered, Some("it read a configuration that names the image".to_owned()));
    }
    with(status, Stage::Staged, Some("it is told of the image when it restarts".to_owned()))
}

fn with(mut status: PhoneFirmwareStatus, stage: Stage, message: Option<String>) -> PhoneFirmwareStatus {
    status.stage = stage;
    status.message = message;
    status
}

fn is_part(wanted: &Wanted<'_>, file: &str) -> bool {
    wanted.parts.iter().any(|(part, _)| part == file)
}

/// How many bytes of the whole image the phone has, in steps.
fn progress(status: &mut PhoneFirmwareStatus, upgrade: &Upgrade, wanted: &Wanted<'_>, current: Option<(&String, u64)>) {
    let last = current.is_some_and(|(file, _)| is_application(file));
    let parts = wanted.parts.iter().filter(|(part, _)| !part.ends_with(".loads"));
    let (mut sent, mut total) = (0, 0);
    for (part, size) in parts {
        total += size;
        sent += match current {
            Some((file, so_far)) if file == part && !upgrade.taken.contains(part) => so_far.min(*size),
            // Whoever takes the application has the loader, from now or from before.
            _ if upgrade.taken.contains(part) || last => *size,
            _ => 0,
        };
    }
    if let Some(all) = upgrade.transfer.as_ref().filter(|transfer| transfer.of_all) {
        (sent, total) = (all.sent.min(all.total), all.total);
    }
    let percent = (sent * 100).checked_div(total).unwrap_or(0) / STEP * STEP;
    status.file = current.map(|(file, _)| file.clone());
    status.bytes_total = i64::try_from(total).ok();
    status.bytes_sent = i64::try_from(total * percent / 100).ok();
    status.percent = i64::try_from(percent).ok();
}
