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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It wants none, or one that is not there yet.
    None,
    /// It was not told.
    Waits,
    /// It was told and has not read of it.
    Unread,
    /// It was told, has not begun, and nothing was heard of it for long.
    Unheard,
    /// It read of it, or takes it, and does not run it yet.
    Goes,
    /// It is on its way to an image that it should run no longer.
    Strays,
    /// It runs the image that it should, has read of another, and was not heard of since.
    Returns,
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
        let lost = self.sites.iter().filter(|(_, site)| !site.lost.is_empty()).map(|(key, _)| key.clone());
        for site in lost.collect::<Vec<_>>() {
            self.restage(&site);
        }
    }

    /// Decides what a phone's files name. Without a rollout that is its image, once every pod holds it; with one it stays what
    /// it was until it is the phone's turn.
    pub(super) fn tell(&mut self, key: &Key, site_key: &Key, base: &PhoneBase) {
        let (Some(site), Some(phone)) = (self.sites.get(site_key), self.phones.get_mut(key)) else { return };
        let kept = phone.image.clone().filter(|image| site.kept.contains(image));
        if base.rollout.is_none() {
            phone.told = kept;
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
    /// not held to it when fewer may be, or when nothing is heard of them: they have another turn after the others.
    pub(super) fn roll(&mut self, site_key: &Key) {
        let Some(site) = self.sites.get(site_key) else { return };
        let Some(rollout) = site.rollout().cloned() else { return };
        let mut ways: Vec<(Key, Way, bool, Option<Timestamp>)> = Vec::new();
        for key in &site.phones {
            let Some(phone) = self.phones.get(key) else { continue };
            let staged = phone.image.as_ref().is_some_and(|image| site.staged.contains(image));
            ways.push((key.clone(), self.way(site, phone), staged, phone.withdrawn));
        }
        // Whoever was not heard of has waited least.
        ways.sort_by_key(|(.., withdrawn)| *withdrawn);
        let going = |way: Way| matches!(way, Way::Goes | Way::Strays | Way::Returns);
        let mut going = ways.iter().filter(|(_, way, ..)| going(*way)).count();
        let mut room = if rollout.paused { 0 } else { rollout.most().saturating_sub(going) };
        for (key, way, ..) in &ways {
            let Some(phone) = self.phones.get_mut(key) else { continue };
            match way {
                Way::Unread if room > 0 => {
                    room -= 1;
                    going += 1;
                }
                Way::Unread | Way::Unheard => {
                    if *way == Way::Unheard {
                        phone.withdrawn = Some(self.clock);
                    }
                    phone.take_back();
                    self.todo_phones.insert(key.clone());
                }
                // It was told of another image, which it should not run any more, and has not read of it.
                Way::Waits if phone.on_turn => {
                    phone.take_back();
                    self.todo_phones.insert(key.clone());
                }
                _ => {}
            }
        }
        for (key, way, staged, _) in ways {
            let Some(phone) = self.phones.get_mut(&key) else { continue };
            let runs = matches!(way, Way::There | Way::Returns);
            if runs {
                (phone.on_turn, phone.told_before) = (false, None);
            }
            let has_turn = match way {
                Way::Waits if staged && !rollout.paused && going < rollout.most() => {
                    going += 1;
                    true
                }
                // It is under way as it is, and goes where it should.
                Way::Strays => staged && !rollout.paused,
                // It runs the image already, or is about to: that its file says so keeps it there.
                Way::There | Way::Returns | Way::Goes => phone.told != phone.image,
                _ => false,
            };
            if has_turn {
                let before = std::mem::replace(&mut phone.told, phone.image.clone());
                if !phone.on_turn {
                    phone.told_before = before;
                }
                phone.on_turn = !runs;
                phone.told_at = Some(self.clock);
                phone.failed_before = phone.track.now().failures;
                self.todo_phones.insert(key);
            }
        }
    }

    fn way(&self, site: &Site, phone: &Phone) -> Way {
        let upgrade = phone.track.now();
        let running = upgrade.running.as_ref().map(|running| &running.image);
        let begun = upgrade.transfer.is_some() || !upgrade.taken.is_empty();
        let heard = upgrade.last.max(phone.told_at).unwrap_or(self.clock);
        let silent = self.clock.as_second() - heard.as_second() > SILENCE;
        let Some(image) = phone.image.as_ref().filter(|image| site.kept.contains(*image)) else {
            return if begun && !silent { Way::Strays } else { Way::None };
        };
        // Whatever image it has read of and does not run, it is on its way.
        let reads = upgrade.named.as_ref().filter(|named| running != Some(*named));
        if upgrade.stays_with(image) {
            return if reads.is_some() && !silent { Way::Returns } else { Way::There };
        }
        if phone.told.as_ref() != Some(image) {
            let part =
                |file: &String| site.parts.get(image).is_some_and(|parts| parts.iter().any(|(part, _)| part == file));
            let takes = upgrade.transfer.as_ref().is_some_and(|transfer| part(&transfer.file))
                || upgrade.taken.iter().any(part);
            return match (takes || reads == Some(image), begun || reads.is_some()) {
                _ if silent => Way::Waits,
                // It may have read of it just before the word was taken back.
                (true, _) => Way::Goes,
                (false, true) => Way::Strays,
                (false, false) => Way::Waits,
            };
        }
        let fails = upgrade.failures.saturating_sub(phone.failed_before);
        let tried = begun || fails > 0;
        if silent {
            return if tried { Way::GivenUp } else { Way::Unheard };
        }
        let rests = upgrade.transfer.is_none() && upgrade.took.is_none();
        if fails >= FAILURES && rests {
            return Way::GivenUp;
        }
        if tried || reads.is_some() { Way::Goes } else { Way::Unread }
    }
}

impl Phone {
    /// Its files name again what they named before it had its turn.
    fn take_back(&mut self) {
        self.told = self.told_before.take();
        self.on_turn = false;
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
