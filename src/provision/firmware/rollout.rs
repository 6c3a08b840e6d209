//! Which image each phone is offered: all phones of a site at once, or so many at a time. Pure.
//!
//! A phone is offered an image by a file that names it. Its offer is revoked if it has not read that file when fewer phones
//! may be on their way, or when nothing is heard of it.

use jiff::Timestamp;

use crate::api::Rollout;
use crate::provision::Key;
use crate::provision::firmware::upgrade::Upgrade;

/// After so many failures a phone no longer keeps others waiting.
const FAILURES: u32 = 3;
/// After so many seconds without a request from it neither.
const SILENCE: i64 = 1800;

/// The image that a phone's files name, and how that came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    image: Option<String>,
    /// Since when; nothing before the first decision.
    at: Option<Timestamp>,
    /// What the files named before.
    before: Option<String>,
    /// Whether the phone is in the batch that is on its way, and does not run the image yet.
    in_batch: bool,
    /// When the offer was revoked because the phone did not read it.
    revoked_at: Option<Timestamp>,
    /// Whether pods may still have a file that names what was revoked.
    lingers: bool,
    /// How often the phone had failed before.
    failed_before: u32,
}

impl Offer {
    /// The image that the phone's files name.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Whether a decision was ever made, so that what a file named before a restart no longer counts.
    pub fn is_decided(&self) -> bool {
        self.at.is_some()
    }

    /// Without a rollout a phone is offered whatever may be named.
    pub fn set(&mut self, image: Option<&str>, now: Timestamp) {
        if self.image.as_deref() != image {
            self.image = image.map(str::to_owned);
        }
        self.at = Some(now);
    }

    /// Files must no longer name the image.
    pub fn withdraw(&mut self) {
        self.lingers |= self.image.take().is_some();
    }

    /// The files name again what they named before the phone was in the batch.
    fn revoke(&mut self) {
        self.image = self.before.take();
        (self.in_batch, self.lingers) = (false, true);
    }

    /// Whether the phone may still read of an image that it is no longer offered.
    pub fn lingers(&self) -> bool {
        self.lingers
    }

    /// The phone is offered the image that it should run; `runs` if it runs it already.
    fn make(&mut self, image: Option<&str>, runs: bool, failures: u32, now: Timestamp) {
        let before = std::mem::replace(&mut self.image, image.map(str::to_owned));
        if !self.in_batch {
            self.before = before;
        }
        (self.in_batch, self.lingers) = (!runs, false);
        self.at = Some(now);
        self.failed_before = failures;
    }

    /// The phone runs what it should.
    fn arrive(&mut self) {
        (self.in_batch, self.before) = (false, None);
    }
}

/// Where a phone is on its way to its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutStage {
    /// It wants none, or one that is not there yet.
    None,
    /// It was not offered the image.
    Waits,
    /// It was offered the image and has not read of it.
    Unread,
    /// It was offered the image, has not begun, and nothing was heard of it for long.
    Unheard,
    /// It read of the image, or takes it, and does not run it yet.
    Goes,
    /// It is on its way to an image that it should run no longer.
    Strays,
    /// It runs the image that it should, has read of another, and was not heard of since.
    Returns,
    /// It was offered the image and no longer keeps others waiting.
    GivenUp,
    /// It was seen to run the image.
    There,
}

impl RolloutStage {
    /// Whether the phone counts as one of those that are on their way.
    fn is_under_way(self) -> bool {
        matches!(self, RolloutStage::Goes | RolloutStage::Strays | RolloutStage::Returns)
    }

    /// Whether the phone runs the image that it should.
    fn runs(self) -> bool {
        matches!(self, RolloutStage::There | RolloutStage::Returns)
    }
}

/// What a phone's stage follows from.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The image that it should run, if files may name it.
    pub image: Option<&'a str>,
    /// The files of that image, with their sizes.
    pub parts: &'a [(String, u64)],
    /// What it is offered.
    pub offer: &'a Offer,
    /// What is known from its requests.
    pub upgrade: &'a Upgrade,
    /// The time.
    pub now: Timestamp,
}

/// Where a phone is on its way to its image.
pub fn stage(phone: Progress<'_>) -> RolloutStage {
    let Progress { image, parts, offer, upgrade, now } = phone;
    let running = upgrade.running.as_ref().map(|running| &running.image);
    let begun = upgrade.transfer.is_some() || !upgrade.taken.is_empty();
    let heard = upgrade.last.max(offer.at).unwrap_or(now);
    let silent = now.as_second() - heard.as_second() > SILENCE;
    let Some(image) = image else {
        return if begun && !silent { RolloutStage::Strays } else { RolloutStage::None };
    };
    // Whatever image it has read of and does not run, it is on its way.
    let reads = upgrade.named.as_ref().filter(|named| running != Some(*named));
    if upgrade.stays_with(image) {
        return if reads.is_some() && !silent { RolloutStage::Returns } else { RolloutStage::There };
    }
    if offer.image() != Some(image) {
        let part = |file: &String| parts.iter().any(|(part, _)| part == file);
        let takes =
            upgrade.transfer.as_ref().is_some_and(|transfer| part(&transfer.file)) || upgrade.taken.iter().any(part);
        let reads_it = reads.is_some_and(|named| named == image);
        return match (takes || reads_it, begun || reads.is_some()) {
            _ if silent => RolloutStage::Waits,
            // It may have read of it just before the offer was revoked.
            (true, _) => RolloutStage::Goes,
            (false, true) => RolloutStage::Strays,
            (false, false) => RolloutStage::Waits,
        };
    }
    let fails = upgrade.failures.saturating_sub(offer.failed_before);
    let tried = begun || fails > 0;
    if silent {
        return if tried { RolloutStage::GivenUp } else { RolloutStage::Unheard };
    }
    let rests = upgrade.transfer.is_none() && upgrade.took.is_none();
    if fails >= FAILURES && rests {
        return RolloutStage::GivenUp;
    }
    if tried || reads.is_some() { RolloutStage::Goes } else { RolloutStage::Unread }
}

/// One phone of a site with a rollout.
#[derive(Clone, Debug)]
pub struct Member {
    /// The phone.
    pub key: Key,
    /// Where it is on its way.
    pub stage: RolloutStage,
    /// The image that it should run.
    pub image: Option<String>,
    /// Whether every pod holds that image.
    pub staged: bool,
    /// Whether all pods have the file that says what it is offered.
    pub served: bool,
    /// How often it has failed.
    pub failures: u32,
    /// What it is offered; this is what changes.
    pub offer: Offer,
}

/// Offers the image to further phones, as many as may be on their way, and revokes offers that were not read where fewer may be.
/// A phone whose offer was revoked counts until no pod has the file any more that made it. Those whose files have to be rendered anew.
pub fn roll(rollout: &Rollout, members: &mut [Member], now: Timestamp) -> Vec<Key> {
    // A phone that was not heard of has waited least.
    members.sort_by_key(|member| member.offer.revoked_at);
    let mut changed = Vec::new();
    let mut under_way = 0;
    for Member { stage, served, offer, .. } in members.iter_mut() {
        offer.lingers &= !*served;
        under_way += usize::from(stage.is_under_way());
    }
    let most = if rollout.paused { 0 } else { rollout.most() };
    for Member { key, stage, image, staged, failures, offer, .. } in members.iter_mut() {
        let has_room = under_way < most;
        let is_revoked = match stage {
            RolloutStage::Unread if has_room => {
                under_way += 1;
                false
            }
            // It was offered another image, has not read of it, and keeps its place.
            RolloutStage::Waits if offer.in_batch && *staged && has_room => {
                offer.make(image.as_deref(), false, *failures, now);
                under_way += 1;
                changed.push(key.clone());
                false
            }
            RolloutStage::Unread => true,
            RolloutStage::Waits => offer.in_batch,
            RolloutStage::Unheard => {
                offer.revoked_at = Some(now);
                true
            }
            RolloutStage::None
            | RolloutStage::Goes
            | RolloutStage::Strays
            | RolloutStage::Returns
            | RolloutStage::GivenUp
            | RolloutStage::There => false,
        };
        if is_revoked {
            offer.revoke();
            changed.push(key.clone());
        }
    }
    under_way += members.iter().filter(|member| member.offer.lingers && !member.stage.is_under_way()).count();
    for Member { key, stage, image, staged, failures, offer, .. } in members {
        if stage.runs() {
            offer.arrive();
        }
        let is_next = match stage {
            RolloutStage::Waits if offer.in_batch || offer.lingers => false,
            RolloutStage::Waits if *staged && under_way < most => {
                under_way += 1;
                true
            }
            // It is under way as it is, and goes where it should.
            RolloutStage::Strays => *staged && !rollout.paused,
            // It runs the image already, or is about to: that its file says so keeps it there.
            RolloutStage::There | RolloutStage::Returns | RolloutStage::Goes => offer.image != *image,
            RolloutStage::None
            | RolloutStage::Waits
            | RolloutStage::Unread
            | RolloutStage::Unheard
            | RolloutStage::GivenUp => false,
        };
        if is_next {
            offer.make(image.as_deref(), stage.runs(), *failures, now);
            changed.push(key.clone());
        }
    }
    changed
}

#[cfg(test)]
mod tests;
