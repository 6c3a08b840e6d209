//! The API server: objects with versions, what writers ask of it, and what each watch will be told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dialtone::api::{PhoneSiteSpec, PhoneSiteStatus, SipPhoneSpec, SipPhoneStatus};
use dialtone::provision::{Key, Slot};

/// An object's kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    Site(Key),
    Phone(Key),
    /// An object with files of a site.
    Files(Key, Slot),
    Token(Key),
    Deployment(Key),
    Pod(Key),
    /// A Secret or ConfigMap that people made.
    Secret(Key),
    Map(Key),
}

/// How many watches the operator has: one of each kind.
pub const WATCHES: usize = 8;

impl Id {
    /// The watch that tells of the object.
    pub fn watch(&self) -> usize {
        match self {
            Id::Site(_) => 0,
            Id::Phone(_) => 1,
            Id::Files(_, slot) if !slot.secret() => 2,
            Id::Files(..) | Id::Token(_) => 3,
            Id::Deployment(_) => 4,
            Id::Pod(_) => 5,
            Id::Secret(_) => 6,
            Id::Map(_) => 7,
        }
    }
}

pub type Data = Arc<BTreeMap<String, Bytes>>;

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Site(Arc<PhoneSiteSpec>, Arc<PhoneSiteStatus>),
    Phone(Arc<SipPhoneSpec>, Arc<SipPhoneStatus>),
    Data(Data),
    /// How many pods should run.
    Deployment(i64),
    Pod {
        site: Key,
        runs: bool,
        nudge: Option<String>,
    },
}

#[derive(Clone, Debug)]
pub struct Object {
    pub version: u64,
    pub generation: i64,
    /// In seconds.
    pub created: i64,
    pub uid: u64,
    pub owner: Option<u64>,
    pub resync_at: Option<String>,
    pub body: Body,
}

impl Object {
    pub fn data(&self) -> Option<&Data> {
        if let Body::Data(data) = &self.body { Some(data) } else { None }
    }
}

/// What a watch tells: an object as it is now, or that it is gone.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub id: Id,
    pub object: Option<Object>,
}

/// What the operator asks for.
#[derive(Clone, Debug)]
pub enum Request {
    Apply { id: Id, owner: u64, body: Body },
    Exists { id: Id, owner: u64 },
    Delete(Id),
    SiteStatus(Key, Box<PhoneSiteStatus>),
    PhoneStatus(Key, Box<SipPhoneStatus>),
    Nudge(Key, String),
    Read(Id),
}

impl Request {
    pub fn is_write(&self) -> bool {
        !matches!(self, Request::Exists { .. } | Request::Read(_))
    }
}

#[derive(Clone, Debug)]
pub enum Reply {
    /// As it is after the write, or as it was read; nothing if it is not there.
    Object(Option<Object>),
    /// It belongs to somebody else.
    Taken,
    /// A conflict, an error of the server, or no answer.
    Failed,
}

#[derive(Default)]
pub struct Api {
    pub objects: BTreeMap<Id, Object>,
    /// All that changed, for each watch.
    pub log: [Vec<Change>; WATCHES],
    version: u64,
}

impl Api {
    pub fn get(&self, id: &Id) -> Option<&Object> {
        self.objects.get(id)
    }

    fn note(&mut self, id: &Id) {
        self.version += 1;
        let object = self.objects.get_mut(id);
        if let Some(object) = object {
            object.version = self.version;
        }
        let object = self.objects.get(id).cloned();
        self.log[id.watch()].push(Change { version: self.version, id: id.clone(), object });
    }

    /// Creates or changes an object; whether anything changed.
    pub fn put(&mut self, now: i64, id: &Id, owner: Option<u64>, body: Body) -> bool {
        match self.objects.get_mut(id) {
            Some(object) if object.body == body && object.owner == owner => return false,
            Some(object) => {
                let same_spec = match (&object.body, &body) {
                    (Body::Site(before, _), Body::Site(after, _)) => before == after,
                    (Body::Phone(before, _), Body::Phone(after, _)) => before == after,
                    _ => true,
                };
                object.generation += i64::from(!same_spec);
                (object.body, object.owner) = (body, owner);
            }
            None => {
                let uid = self.version + 1;
                let object = Object { version: 0, generation: 1, created: now, uid, owner, resync_at: None, body };
                self.objects.insert(id.clone(), object);
            }
        }
        self.note(id);
        true
    }

    /// Asks for a restart of phones.
    pub fn annotate_resync(&mut self, id: &Id, at: String) {
        if let Some(object) = self.objects.get_mut(id) {
            object.resync_at = Some(at);
            self.note(id);
        }
    }

    /// Deletes an object; whether it was there.
    pub fn remove(&mut self, id: &Id) -> bool {
        let was = self.objects.remove(id).is_some();
        if was {
            self.note(id);
        }
        was
    }

    /// Does what is asked; whether anything changed.
    pub fn serve(&mut self, now: i64, request: Request) -> (Reply, bool) {
        match request {
            Request::Read(id) => (Reply::Object(self.get(&id).cloned()), false),
            Request::Exists { id, owner } => match self.get(&id) {
                Some(found) if found.owner != Some(owner) => (Reply::Taken, false),
                found => (Reply::Object(found.cloned()), false),
            },
            Request::Apply { id, owner, body } => {
                let changed = self.put(now, &id, Some(owner), body);
                (Reply::Object(self.get(&id).cloned()), changed)
            }
            Request::Delete(id) => {
                let was = self.remove(&id);
                (Reply::Object(None), was)
            }
            Request::SiteStatus(key, status) => self.change(now, Id::Site(key), |body| match body {
                Body::Site(spec, _) => Some(Body::Site(spec.clone(), Arc::new(*status))),
                _ => None,
            }),
            Request::PhoneStatus(key, status) => self.change(now, Id::Phone(key), |body| match body {
                Body::Phone(spec, _) => Some(Body::Phone(spec.clone(), Arc::new(*status))),
                _ => None,
            }),
            Request::Nudge(key, value) => self.change(now, Id::Pod(key), |body| match body {
                Body::Pod { site, runs, .. } => Some(Body::Pod { site: site.clone(), runs: *runs, nudge: Some(value) }),
                _ => None,
            }),
        }
    }

    /// Changes a part of an object that is there.
    fn change(&mut self, now: i64, id: Id, part: impl FnOnce(&Body) -> Option<Body>) -> (Reply, bool) {
        let Some((body, owner)) = self.get(&id).and_then(|object| Some((part(&object.body)?, object.owner))) else {
            return (Reply::Object(None), false);
        };
        let changed = self.put(now, &id, owner, body);
        (Reply::Object(self.get(&id).cloned()), changed)
    }
}
