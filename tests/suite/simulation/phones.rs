//! Phones with firmware before 7.0: they boot, read what a pod gives them, take images, lose packets, and lose power.

use std::net::IpAddr;

use bytes::Bytes;
use dialtone::base::report::Outcome;
use dialtone::provision::Key;

use super::checks::image_named;
use super::people::{IMAGES, mac};
use super::pods::Pod;
use super::queue::Time;

/// One phone on a desk.
pub struct Phone {
    pub n: usize,
    /// The address that it has.
    pub mac: usize,
    pub site: Key,
    pub running: String,
    step: u8,
    named: Option<String>,
    /// Whether it has read of an image that it does not run, until it has come up.
    pub under_way: bool,
    /// How often a transfer of an image failed since it last ran what its file names.
    pub failures: u32,
    /// What it took last of its own file.
    pub took: Option<Bytes>,
    /// So often it gives up in the middle of an image; then somebody pulls its plug, and looks at what its status says.
    pub gives_up: u32,
    pub is_unplugged: bool,
}

/// What became of one request.
pub enum Heard {
    /// Go on after so long.
    Next(Time),
    /// It is up, or waits for a configuration.
    Rests { is_up: bool },
}

impl Phone {
    pub fn new(n: usize, site: Key, running: usize, gives_up: u32) -> Phone {
        let running = IMAGES[running].to_owned();
        Phone {
            n,
            mac: n,
            site,
            running,
            step: 0,
            named: None,
            under_way: false,
            failures: 0,
            took: None,
            gives_up,
            is_unplugged: false,
        }
    }

    pub fn own_file(&self) -> String {
        format!("SIP{}.cnf", mac(self.mac))
    }

    pub fn address(&self) -> IpAddr {
        [10, 0, 0, 10 + self.n as u8].into()
    }

    /// It begins to boot: after a restart, or because its plug was pulled.
    pub fn begin(&mut self) {
        self.step = 0;
    }

    /// Whether its next request is for an image.
    pub fn takes_image(&self) -> bool {
        self.step == 3 && self.named.as_ref().is_some_and(|named| *named != self.running)
    }

    /// The next request, to a pod that may not be there; `fails` if the phone gives up in the middle of an image.
    pub fn goes_on(&mut self, now: Time, pod: Option<&mut Pod>, fails: bool) -> Heard {
        let update = self.named.clone().filter(|named| *named != self.running);
        let name = match (self.step, &update) {
            (0, _) => "OS79XX.TXT".to_owned(),
            (1, _) => "SIPDefault.cnf".to_owned(),
            (2, _) => self.own_file(),
            (_, Some(image)) => format!("{image}.bin"),
            (_, None) => "RINGLIST.DAT".to_owned(),
        };
        let Some(pod) = pod else {
            // Nobody answers: it begins anew some time.
            return Heard::Rests { is_up: false };
        };
        let peer = [10, 0, 0, 10 + self.n as u8];
        let fails = (fails || self.gives_up > 0) && self.takes_image();
        let record = pod.record(now, peer, &name, if fails { Outcome::Aborted } else { Outcome::Complete });
        let outcome = record.outcome;
        pod.note(record);
        let bytes = pod.files.get(&name).map(|(bytes, _)| bytes.clone());
        match self.step {
            0 => self.step = 1,
            1 => self.step = 2,
            2 => {
                let Some(own) = bytes else {
                    return Heard::Rests { is_up: false };
                };
                let common = || pod.files.get("SIPDefault.cnf").and_then(|(bytes, _)| image_named(bytes));
                self.named = image_named(&own).or_else(common);
                self.under_way = self.named.as_ref().is_some_and(|named| *named != self.running);
                self.took = Some(own);
                self.step = 3;
            }
            _ if update.is_none() => {
                self.under_way = false;
                return Heard::Rests { is_up: true };
            }
            _ if outcome == Outcome::Complete => {
                self.running = update.unwrap_or_default();
                (self.step, self.failures) = (0, 0);
                return Heard::Next(8_000);
            }
            _ => {
                self.failures += 1;
                self.step = 0;
                self.is_unplugged = self.gives_up == 1;
                self.gives_up = self.gives_up.saturating_sub(1);
                return Heard::Next(8_000);
            }
        }
        Heard::Next(100)
    }
}
