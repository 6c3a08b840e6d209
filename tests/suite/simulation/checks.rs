//! What must hold at every step of every history.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dialtone::provision::{Key, Slot};

use super::api::{Api, Body, Id, Request};
use super::people::{Act, PASSWORD, PhoneWish, SITES, SiteWish, key, mac};
use super::phones::Phone;
use super::pods::{Files, Pod};
use super::queue::Time;

/// So long after a change of what a file follows from it may still change without an edit of its own.
const LATE: Time = 120_000;

/// What people last said of a phone, and since which edit its place and its name are what they are.
struct Claim {
    since: u64,
    site: usize,
    mac: usize,
}

/// What is known beside the world itself.
#[derive(Default)]
pub struct Checks {
    /// Each edit of a phone, by its number.
    edits: BTreeMap<u64, (usize, PhoneWish)>,
    claims: BTreeMap<usize, Claim>,
    /// When something last changed that all of a site's files may follow from.
    changed: [Time; SITES.len()],
    deleted: [Option<Time>; SITES.len()],
    sites: [Option<SiteWish>; SITES.len()],
    /// The most phones of a site that may be on their way; nothing if there is no limit.
    limits: [Option<i64>; SITES.len()],
    /// Who moved or has another image than the site: they count, and nobody waits for them.
    odd: BTreeSet<usize>,
}

type Verdict = Result<(), String>;

fn index(site: &Key) -> usize {
    SITES.iter().position(|name| *name == &*site.name).unwrap()
}

/// The edit that a file was rendered of.
fn tag(bytes: &[u8], parameter: &str) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(parameter)?.strip_prefix(": "))?;
    Some(value.trim_matches('"').to_owned())
}

fn edit_of(bytes: &[u8]) -> Option<u64> {
    tag(bytes, "phone_label")?.split_once('x')?.1.parse().ok()
}

/// The image that a file names.
pub fn image_named(bytes: &[u8]) -> Option<String> {
    tag(bytes, "image_version")
}

fn without_image(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter(|line| !line.starts_with("image_version:")).collect::<Vec<_>>().join("\n")
}

impl Checks {
    /// People do something.
    pub fn note(&mut self, now: Time, act: &Act) {
        match act {
            Act::Site(s, wish) => {
                self.changed[*s] = now;
                let before = self.sites[*s].replace(wish.clone());
                let is_higher = |limit: i64| wish.most.is_none_or(|most| most > limit);
                if before.is_none() || self.limits[*s].is_some_and(is_higher) {
                    self.limits[*s] = wish.most;
                }
            }
            Act::Phone(n, wish) => {
                self.edits.insert(wish.edit, (*n, wish.clone()));
                let same = self.claims.get(n).filter(|claim| claim.site == wish.site && claim.mac == wish.mac);
                if (same.is_none() && self.claims.contains_key(n)) || wish.image.is_some() {
                    self.odd.insert(*n);
                }
                let since = same.map_or(wish.edit, |claim| claim.since);
                self.claims.insert(*n, Claim { since, site: wish.site, mac: wish.mac });
            }
            Act::DeletePhone(n) => drop(self.claims.remove(n)),
            Act::DeleteSite(s) => {
                (self.changed[*s], self.deleted[*s], self.sites[*s]) = (now, Some(now), None);
                self.claims.values_mut().filter(|claim| claim.site == *s).for_each(|claim| claim.since = u64::MAX);
            }
            Act::Secret(_) | Act::DeleteSecret | Act::Firmware(_) => self.changed = [now; SITES.len()],
            Act::Resync(_) => {}
        }
    }

    /// Somebody who was there before wants the same name.
    fn is_contested(&self, api: &Api, n: usize, mac: usize) -> bool {
        let age = |n: usize| {
            let key = key(&format!("p{n}"));
            api.get(&Id::Phone(key.clone())).map(|object| (object.created, key))
        };
        let others = self.claims.iter().filter(|(other, claim)| **other != n && claim.mac == mac);
        let own = age(n);
        others.map(|(other, _)| age(*other)).any(|other| other.is_some() && other <= own)
    }

    /// The kubelet synced a pod.
    pub fn synced(&self, now: Time, api: &Api, site: &Key, before: &Files, after: &Files) -> Verdict {
        let s = index(site);
        for (name, (bytes, _)) in before {
            if after.contains_key(name) || self.deleted[s].is_some_and(|at| now < at + LATE) {
                continue;
            }
            if name == "SIPDefault.cnf" {
                return Err(format!("{name} of {site} was served, and is missing"));
            }
            let Some((n, _)) = edit_of(bytes).and_then(|edit| self.edits.get(&edit)) else { continue };
            let Some(claim) = self.claims.get(n) else { continue };
            let is_same = claim.site == s && name == &format!("SIP{}.cnf", mac(claim.mac));
            let is_since = edit_of(bytes).is_some_and(|edit| edit >= claim.since);
            if is_same && is_since && !self.is_contested(api, *n, claim.mac) {
                return Err(format!("{name} of p{n} was served at {site}, and is missing"));
            }
        }
        for (name, (bytes, _)) in after {
            if before.get(name).is_none_or(|(held, _)| held != bytes) {
                self.is_whole(site, name, bytes)?;
            }
        }
        Ok(())
    }

    /// A file is of one edit, of the right phone, at the right site.
    fn is_whole(&self, site: &Key, name: &str, bytes: &Bytes) -> Verdict {
        if !name.starts_with("SIP0") {
            return Ok(());
        }
        let torn = |what: &str| Err(format!("{name} of {site} {what}: {}", String::from_utf8_lossy(bytes)));
        let Some((n, wish)) = edit_of(bytes).and_then(|edit| self.edits.get(&edit)) else {
            return torn("is of no edit");
        };
        let label = Some(format!("p{n}x{}", wish.edit));
        if ["phone_label", "line1_name", "line1_displayname"].iter().any(|name| tag(bytes, name) != label) {
            return torn("is of two edits");
        }
        if wish.broken || SITES[wish.site] != &*site.name || name != format!("SIP{}.cnf", mac(wish.mac)) {
            return torn("should not be there");
        }
        let password = tag(bytes, "line1_password").is_some_and(|value| value.starts_with(PASSWORD));
        if password != wish.password || !bytes.ends_with(b"\n") {
            return torn("has a password too many or too few, or no end");
        }
        Ok(())
    }

    /// A write is about to be stored.
    pub fn writes(
        &mut self,
        now: Time,
        api: &Api,
        pods: &BTreeMap<Key, Pod>,
        phones: &[Phone],
        request: &Request,
    ) -> Verdict {
        let plain = |what: &str, text: &[u8]| {
            let shows = text.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
            if shows { Err(format!("{what} shows a password")) } else { Ok(()) }
        };
        match request {
            Request::SiteStatus(key, status) => {
                plain(&format!("the status of {key}"), &serde_json::to_vec(status).unwrap())
            }
            Request::PhoneStatus(key, status) => {
                plain(&format!("the status of {key}"), &serde_json::to_vec(status).unwrap())
            }
            Request::Apply { id: id @ Id::Files(site, slot), body: Body::Data(data), .. } => {
                let before = api.get(id).and_then(|object| object.data());
                for (name, bytes) in data.iter() {
                    if !slot.secret() {
                        plain(&format!("{name} in {id:?}"), bytes)?;
                    }
                    let held = before.and_then(|before| before.get(name));
                    if let Some(held) = held {
                        self.is_alone(now, site, name, held, bytes)?;
                    }
                    let named = image_named(bytes);
                    if let Some(image) = named.filter(|image| stored_image(api, site, name).as_ref() != Some(image)) {
                        let file = format!("{image}.bin");
                        let mut of_site = pods.iter().filter(|(_, pod)| pod.site == *site && pod.leaves_at.is_none());
                        if let Some((pod, _)) = of_site.find(|(_, pod)| !pod.holds(&file)) {
                            return Err(format!("{name} of {site} names {image}, which {pod} does not hold"));
                        }
                    }
                }
                self.offers(api, site, *slot, phones, data)
            }
            _ => Ok(()),
        }
    }

    /// A file changes only because its own phone or what its whole site follows from was changed.
    fn is_alone(&self, now: Time, site: &Key, name: &str, before: &Bytes, after: &Bytes) -> Verdict {
        let same_edit = edit_of(before).is_some() && edit_of(before) == edit_of(after);
        if !same_edit || now < self.changed[index(site)] + LATE || without_image(before) == without_image(after) {
            return Ok(());
        }
        Err(format!("{name} of {site} changed although neither its phone nor its site did"))
    }

    /// No more phones are named an image that they do not run than the rollout allows.
    fn offers(
        &mut self,
        api: &Api,
        site: &Key,
        slot: Slot,
        phones: &[Phone],
        data: &BTreeMap<String, Bytes>,
    ) -> Verdict {
        let s = index(site);
        let Some(wish) = &self.sites[s] else { return Ok(()) };
        let own = |n: usize| self.claims.get(&n).filter(|claim| claim.site == s).map(|claim| mac(claim.mac));
        let mut on_their_way = Vec::new();
        for phone in phones.iter().filter(|phone| phone.failures == 0 && !self.odd.contains(&phone.n)) {
            let Some(name) = own(phone.n).map(|mac| format!("SIP{mac}.cnf")) else { continue };
            // In two objects after a move: the later one counts.
            let stored = stored_file(api, site, &name).filter(|(at, _)| *at > slot || !data.contains_key(&name));
            let named = stored.map(|(_, bytes)| bytes).or(data.get(&name)).and_then(|bytes| image_named(bytes));
            if named.is_some_and(|named| named != phone.running) {
                on_their_way.push(phone.n);
            }
        }
        if on_their_way.is_empty() {
            self.limits[s] = wish.most;
        }
        match self.limits[s] {
            Some(most) if on_their_way.len() as i64 > most => {
                Err(format!("phones {on_their_way:?} of {site} are named an image, and {most} may be on their way"))
            }
            _ => Ok(()),
        }
    }
}

/// A file as it is stored, and where: pods take the one of the last object.
fn stored_file<'a>(api: &'a Api, site: &Key, name: &str) -> Option<(Slot, &'a Bytes)> {
    let mut of_site = api.objects.iter().filter_map(|(id, object)| match id {
        Id::Files(of, slot) if of == site => Some((*slot, object.data()?.get(name)?)),
        _ => None,
    });
    of_site.next_back()
}

/// The image that a file names as it is stored.
fn stored_image(api: &Api, site: &Key, name: &str) -> Option<String> {
    stored_file(api, site, name).and_then(|(_, bytes)| image_named(bytes))
}
