//! Which phones are told of the image that they should run: all of them, or so many at a time.

use super::*;
use crate::phone::{boot, cnf};
use crate::provision::site::PhoneBase;

/// After so many failures a phone no longer keeps others waiting.
const FAILURES: u32 = 3;
/// After so many seconds without a word from it neither.
const SILENCE: i64 = 1800;

impl Site {
    fn rollout(&self) -> Option<&crate::api::Rollout> {
        self.plan.as_ref()?.base.rollout.as_ref()
    }

    /// Whether no further phone is told of an image.
    pub(super) fn is_paused(&self) -> bool {
        self.rollout().is_some_and(|rollout| rollout.paused)
    }
}

/// Where a phone is on its way to its image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It wants none, or one that is not there yet.
    None,
    /// It was not told.
    Waits,
    /// It was told and has not read of it.
    Unread,
    /// It read of it, or takes it, and does not run it yet.
    Goes,
    /// It was told and keeps nobody waiting any more.
    GivenUp,
    /// It was seen to run it.
    There,
}

impl Fleet {
    /// The time: phones of which nothing is heard for long no longer keep others waiting.
    pub fn tick(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now);
        let held = self.sites.iter().filter(|(_, site)| site.rollout().is_some()).map(|(key, _)| key.clone());
        self.todo_rolls.extend(held.collect::<Vec<_>>());
    }

    /// Decides what a phone's files name. Without a rollout that is its image, once every pod holds it; with one it stays what
    /// it was until it is the phone's turn.
    pub(super) fn tell(&mut self, key: &Key, site_key: &Key, base: &PhoneBase) {
        let (Some(site), Some(phone)) = (self.sites.get(site_key), self.phones.get_mut(key)) else { return };
        let staged = phone.image.clone().filter(|image| site.staged.contains(image));
        if base.rollout.is_none() {
            phone.told = staged;
            phone.told_at = Some(self.clock);
            return;
        }
        if phone.told_at.is_none() {
            phone.told = told_before(site, phone);
            phone.told_at = Some(self.clock);
        }
        if phone.image.is_none() {
            phone.told = None;
        }
        self.todo_rolls.insert(site_key.clone());
    }

    /// Tells further phones of their image, as many as may be on their way. Phones that were told and have not read of it are
    /// not held to it when fewer may be.
    pub(super) fn roll(&mut self, site_key: &Key) {
        let Some(site) = self.sites.get(site_key) else { return };
        let Some(rollout) = site.rollout().cloned() else { return };
        let ways: Vec<(Key, Way)> = site.phones.iter().map(|key| (key.clone(), self.way(site, key))).collect();
        let mut going = ways.iter().filter(|(_, way)| *way == Way::Goes).count();
        let room = if rollout.paused { 0 } else { rollout.most().saturating_sub(going) };
        let mut unread = 0;
        for (key, way) in &ways {
            if *way != Way::Unread {
                continue;
            }
            unread += 1;
            if unread > room
                && let Some(phone) = self.phones.get_mut(key)
            {
                phone.told = None;
                self.todo_phones.insert(key.clone());
            }
        }
        going += unread.min(room);
        for (key, way) in ways {
            let Some(phone) = self.phones.get_mut(&key) else { continue };
            let has_turn = match way {
                Way::Waits if !rollout.paused && going < rollout.most() => {
                    going += 1;
                    true
                }
                // It runs the image already, or is about to: that its file says so keeps it there.
                Way::There | Way::Goes => phone.told != phone.image,
                _ => false,
            };
            if has_turn {
                phone.told = phone.image.clone();
                phone.told_at = Some(self.clock);
                self.todo_phones.insert(key);
            }
        }
    }

    fn way(&self, site: &Site, key: &Key) -> Way {
        let Some(phone) = self.phones.get(key) else { return Way::None };
        let Some(image) = phone.image.as_ref().filter(|image| site.staged.contains(*image)) else { return Way::None };
        let upgrade = phone.track.now();
        if upgrade.running.as_ref().is_some_and(|running| running.image == *image) && upgrade.transfer.is_none() {
            return Way::There;
        }
        let part =
            |file: &String| site.parts.get(image).is_some_and(|parts| parts.iter().any(|(part, _)| part == file));
        let takes =
            upgrade.transfer.as_ref().is_some_and(|transfer| part(&transfer.file)) || upgrade.taken.iter().any(part);
        if phone.told.as_ref() != Some(image) {
            // It may have read of the image just before the word was taken back.
            return if takes { Way::Goes } else { Way::Waits };
        }
        let heard = upgrade.last.max(phone.told_at).unwrap_or(self.clock);
        let silent = self.clock.as_second() - heard.as_second() > SILENCE;
        let failed = upgrade.failures >= FAILURES && upgrade.transfer.is_none();
        if silent || failed {
            return Way::GivenUp;
        }
        let unread = upgrade.named.as_ref() != Some(image) && !takes && upgrade.failures == 0;
        if unread { Way::Unread } else { Way::Goes }
    }
}

/// What a phone's file named when the operator started; otherwise what its status says.
fn told_before(site: &Site, phone: &Phone) -> Option<String> {
    let mac: Mac = phone.spec.mac.parse().ok()?;
    let file = site.recovered.get(&mac.config_file()).and_then(|copies| copies.first());
    if let Some((_, bytes)) = file {
        let common = site.recovered.get(boot::SIP_DEFAULT).and_then(|copies| copies.first());
        let named =
            |bytes: &Bytes| cnf::read(bytes).effective().remove("image_version").filter(|image| !image.is_empty());
        return named(bytes).or_else(|| common.and_then(|(_, bytes)| named(bytes)));
    }
    let firmware = phone.status.status.firmware.as_ref()?;
    let told = !matches!(
        firmware.stage,
        crate::api::Stage::Unmanaged | crate::api::Stage::Pending | crate::api::Stage::Waiting
    );
    firmware.target.clone().filter(|_| told)
}
