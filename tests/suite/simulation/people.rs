//! People: what they apply, edit, break, rotate, move and delete, all of it decided before the history begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dialtone::api::{PhoneSiteSpec, SipPhoneSpec};
use dialtone::provision::Key;
use serde_json::{Value, json};

use super::api::{Api, Body, Id};
use super::dice::Dice;
use super::queue::Time;
use super::shell::at;

pub const SITES: [&str; 2] = ["hq", "lab"];
pub const IMAGES: [&str; 3] = ["P0S3-04-4-00", "P0S3-05-3-00", "P0S3-06-3-00"];
/// What every password begins with, and nothing else.
pub const PASSWORD: &str = "pw-S3CR3T-";

pub fn key(name: &str) -> Key {
    Key::new("ns", name)
}

/// What people do at once.
#[derive(Clone, Debug)]
pub enum Act {
    Site(usize, SiteWish),
    Phone(usize, PhoneWish),
    DeletePhone(usize),
    DeleteSite(usize),
    Secret(usize),
    DeleteSecret,
    Firmware(usize),
    Resync(usize),
}

#[derive(Clone, Debug)]
pub struct SiteWish {
    pub edit: u64,
    pub password: bool,
    pub broken: bool,
    pub suspend: bool,
    pub image: Option<usize>,
    pub most: Option<i64>,
    pub paused: bool,
    pub replicas: i64,
}

#[derive(Clone, Debug)]
pub struct PhoneWish {
    pub edit: u64,
    pub site: usize,
    pub mac: usize,
    pub password: bool,
    pub broken: bool,
    pub image: Option<usize>,
}

/// The history of what people want, and the last mends, after which nothing is broken.
pub struct Plan {
    pub phones: usize,
    pub acts: Vec<(Time, Act)>,
}

pub fn mac(n: usize) -> String {
    format!("000A8A1200{n:02X}")
}

struct Wishes {
    edits: u64,
    sites: BTreeMap<usize, SiteWish>,
    phones: BTreeMap<usize, PhoneWish>,
    secret: bool,
    firmware: usize,
}

impl Wishes {
    fn edit(&mut self) -> u64 {
        self.edits += 1;
        self.edits
    }
}

/// Decides what people do until `end`.
pub fn plan(dice: &mut Dice, end: Time) -> Plan {
    let phones = dice.between(2, 5) as usize;
    let mut now = Wishes { edits: 0, sites: BTreeMap::new(), phones: BTreeMap::new(), secret: true, firmware: 0 };
    let mut acts = Vec::new();
    let image = dice.chance(600).then(|| dice.below(3) as usize);
    now.firmware = dice.below(4) as usize;
    acts.push((0, Act::Secret(0)));
    acts.push((0, Act::Firmware(now.firmware)));
    for site in 0..SITES.len() {
        let wish = SiteWish {
            edit: now.edit(),
            password: dice.chance(300),
            broken: false,
            suspend: false,
            image: image.filter(|_| site == 0),
            most: dice.chance(600).then(|| dice.between(1, 2) as i64),
            paused: false,
            replicas: if site == 0 { 2 } else { 1 },
        };
        now.sites.insert(site, wish.clone());
        acts.push((dice.below(2_000), Act::Site(site, wish)));
    }
    for n in 0..phones {
        let wish = PhoneWish {
            edit: now.edit(),
            site: usize::from(dice.chance(250)),
            mac: n,
            password: dice.chance(400),
            broken: false,
            image: None,
        };
        now.phones.insert(n, wish.clone());
        acts.push((dice.below(3_000), Act::Phone(n, wish)));
    }
    let mut time = 3_000;
    for edits in 1.. {
        // Some at once, others after a while.
        time += if dice.chance(300) { dice.below(50) } else { dice.between(100, 15_000) };
        if time >= end {
            break;
        }
        let act = any(dice, &mut now, phones, edits);
        acts.push((time, act));
    }
    mend(&mut now, phones, end, &mut acts);
    acts.sort_by_key(|(time, _)| *time);
    Plan { phones, acts }
}

fn any(dice: &mut Dice, now: &mut Wishes, phones: usize, edits: usize) -> Act {
    let (n, s) = (dice.below(phones as u64) as usize, dice.below(SITES.len() as u64) as usize);
    let edit = now.edit();
    match dice.below(100) {
        0..38 => {
            let Some(wish) = now.phones.get_mut(&n) else { return again(now, n, edit) };
            wish.edit = edit;
            match dice.below(10) {
                0..3 => wish.password = !wish.password,
                3..5 => wish.site = 1 - wish.site,
                5 => wish.mac = if wish.mac == n { phones + n } else { n },
                6 => wish.broken = !wish.broken,
                7 => wish.image = dice.chance(500).then(|| dice.below(3) as usize),
                _ => {}
            }
            Act::Phone(n, wish.clone())
        }
        38..46 => match now.phones.remove(&n) {
            Some(_) => Act::DeletePhone(n),
            None => again(now, n, edit),
        },
        46..76 => {
            let Some(wish) = now.sites.get_mut(&s) else { return found(now, s, edit) };
            wish.edit = edit;
            match dice.below(10) {
                0..2 => wish.password = !wish.password,
                2 => wish.broken = !wish.broken,
                3 => wish.suspend = !wish.suspend,
                4..6 => wish.image = Some(dice.below(3) as usize),
                6 => wish.most = dice.chance(700).then(|| dice.between(1, 3) as i64),
                7 => wish.paused = !wish.paused,
                8 => wish.replicas = dice.between(1, 3) as i64,
                _ => {}
            }
            Act::Site(s, wish.clone())
        }
        76..84 => {
            now.secret = true;
            Act::Secret(edits)
        }
        84..87 => {
            now.secret = false;
            Act::DeleteSecret
        }
        87..92 => {
            now.firmware = (now.firmware + 1).min(IMAGES.len());
            Act::Firmware(now.firmware)
        }
        92..96 => Act::Resync(s),
        _ => match now.sites.remove(&s) {
            Some(_) if dice.chance(500) => Act::DeleteSite(s),
            Some(wish) => {
                now.sites.insert(s, wish);
                Act::Resync(s)
            }
            None => found(now, s, edit),
        },
    }
}

fn again(now: &mut Wishes, n: usize, edit: u64) -> Act {
    let wish = PhoneWish { edit, site: 0, mac: n, password: false, broken: false, image: None };
    now.phones.insert(n, wish.clone());
    Act::Phone(n, wish)
}

fn found(now: &mut Wishes, s: usize, edit: u64) -> Act {
    let (password, broken, suspend, paused) = (false, false, false, false);
    let wish = SiteWish { edit, password, broken, suspend, image: None, most: None, paused, replicas: 1 };
    now.sites.insert(s, wish.clone());
    Act::Site(s, wish)
}

/// In the end nothing is broken, suspended, paused or missing.
fn mend(now: &mut Wishes, phones: usize, end: Time, acts: &mut Vec<(Time, Act)>) {
    acts.push((end, Act::Secret(999)));
    acts.push((end, Act::Firmware(IMAGES.len())));
    for s in 0..SITES.len() {
        let edit = now.edit();
        if !now.sites.contains_key(&s) {
            found(now, s, edit);
        }
        let wish = now.sites.get_mut(&s).unwrap();
        (wish.edit, wish.broken, wish.suspend, wish.paused) = (edit, false, false, false);
        acts.push((end, Act::Site(s, wish.clone())));
    }
    for n in 0..phones {
        let edit = now.edit();
        if let Some(wish) = now.phones.get_mut(&n) {
            (wish.edit, wish.broken) = (edit, false);
            acts.push((end, Act::Phone(n, wish.clone())));
        }
    }
}

impl SiteWish {
    fn spec(&self) -> Value {
        let mut spec = json!({
            "settings": {"proxy1Address": "10.0.0.1", "sntpServer": format!("10.1.{}.1", self.edit % 200)},
            "tftp": {"replicas": self.replicas}, "suspend": self.suspend,
            "resync": {"method": "Notify"},
        });
        let mut firmware = json!({"source": {"configMaps": [{"name": "firmware"}]}});
        if let Some(image) = self.image {
            firmware["image"] = IMAGES[image].into();
        }
        if let Some(most) = self.most {
            firmware["rollout"] = json!({"maxUpdating": most, "paused": self.paused});
        }
        spec["firmware"] = firmware;
        if self.password {
            spec["settings"]["phonePasswordSecretRef"] = json!({"name": "s", "key": "p"});
        }
        if self.broken {
            spec["settings"]["callWaiting"] = "AlwaysOn".into();
        }
        spec
    }
}

impl PhoneWish {
    fn spec(&self, n: usize) -> Value {
        let tag = format!("p{n}x{}", self.edit);
        let mut line = json!({"name": tag, "displayName": tag});
        if self.password {
            line["passwordSecretRef"] = json!({"name": "s", "key": "p"});
        }
        let mut spec = json!({"siteRef": {"name": SITES[self.site]}, "mac": mac(self.mac), "model": "7940",
            "label": tag, "lines": [line]});
        if let Some(image) = self.image {
            spec["firmware"] = json!({"image": IMAGES[image]});
        }
        match self.edit % 3 {
            _ if !self.broken => {}
            0 => spec["extraParameters"] = json!({"phone_label": "twice"}),
            // What decides where the file is may be wrong, too.
            1 => spec["mac"] = "no mac".into(),
            _ => spec["siteRef"]["name"] = "nowhere".into(),
        }
        spec
    }
}

/// The bytes of an image.
pub fn image_bytes(image: usize) -> Bytes {
    Bytes::from(vec![7 + image as u8; 900])
}

impl Act {
    /// Does it; the objects that may have changed.
    pub fn act(&self, api: &mut Api, now: Time) -> BTreeSet<Id> {
        let second = at(now).as_second();
        let id = match self {
            Act::Site(s, wish) => {
                let id = Id::Site(key(SITES[*s]));
                let spec: PhoneSiteSpec = serde_json::from_value(wish.spec()).unwrap();
                let status = match api.get(&id).map(|object| &object.body) {
                    Some(Body::Site(_, status)) => status.clone(),
                    _ => Arc::default(),
                };
                api.put(second, &id, None, Body::Site(Arc::new(spec), status));
                id
            }
            Act::Phone(n, wish) => {
                let id = Id::Phone(key(&format!("p{n}")));
                let spec: SipPhoneSpec = serde_json::from_value(wish.spec(*n)).unwrap();
                let status = match api.get(&id).map(|object| &object.body) {
                    Some(Body::Phone(_, status)) => status.clone(),
                    _ => Arc::default(),
                };
                api.put(second, &id, None, Body::Phone(Arc::new(spec), status));
                id
            }
            Act::DeletePhone(n) => {
                let id = Id::Phone(key(&format!("p{n}")));
                api.remove(&id);
                id
            }
            Act::DeleteSite(s) => {
                let id = Id::Site(key(SITES[*s]));
                api.remove(&id);
                id
            }
            Act::Secret(n) => {
                let id = Id::Secret(key("s"));
                let data = BTreeMap::from([("p".to_owned(), Bytes::from(format!("{PASSWORD}{n}")))]);
                api.put(second, &id, None, Body::Data(Arc::new(data)));
                id
            }
            Act::DeleteSecret => {
                let id = Id::Secret(key("s"));
                api.remove(&id);
                id
            }
            Act::Firmware(images) => {
                let id = Id::Map(key("firmware"));
                let data = (0..*images).map(|image| (format!("{}.bin", IMAGES[image]), image_bytes(image)));
                api.put(second, &id, None, Body::Data(Arc::new(data.collect())));
                id
            }
            Act::Resync(s) => {
                let id = Id::Site(key(SITES[*s]));
                api.annotate_resync(&id, at(now).to_string());
                id
            }
        };
        BTreeSet::from([id])
    }
}
