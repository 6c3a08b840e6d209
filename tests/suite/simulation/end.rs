//! What there is in the end, without times and chance, and what stands in the way of an end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::api::{Body, Id};
use super::world::World;

/// Everything that should not depend on what went wrong.
#[derive(Debug, PartialEq)]
pub struct End {
    files: BTreeMap<(String, String), Bytes>,
    statuses: BTreeMap<String, Value>,
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Why not everything is as it should be for good; nothing if it is.
pub fn unfinished(world: &World) -> Option<String> {
    if !world.operator.shell.as_ref().is_some_and(|shell| shell.runs()) {
        return Some("no operator runs".to_owned());
    }
    for (id, object) in &world.api.objects {
        match (id, &object.body) {
            (Id::Phone(key), Body::Phone(spec, status)) => {
                let contested = spec.lines.is_empty();
                let status = serde_json::to_value(&**status).unwrap();
                let is = |kind: &str| condition(&status, kind).is_some_and(|one| one["status"] == "True");
                let accepted =
                    is("Accepted") || condition(&status, "Accepted").is_some_and(|one| one["reason"] == "DuplicateMac");
                let stage = status["firmware"]["stage"].as_str().unwrap_or("Unmanaged").to_owned();
                let fine = status["observedGeneration"] == object.generation
                    && accepted
                    && (!is("Accepted") || (is("Ready") && is("InSync")))
                    && ["Unmanaged", "Current"].contains(&stage.as_str());
                if !fine && !contested {
                    return Some(format!("{key}: {status}"));
                }
            }
            (Id::Site(key), Body::Site(_, status)) => {
                let status = serde_json::to_value(&**status).unwrap();
                let is_ready = condition(&status, "Ready").is_some_and(|one| one["status"] == "True");
                if !is_ready || status["observedGeneration"] != object.generation {
                    return Some(format!("{key}: {status}"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a file that moved is in both places still: it is until every pod can be expected to hold it from the new one.
pub fn is_moving(world: &World) -> bool {
    let mut files = BTreeSet::new();
    let all = world.api.objects.iter().filter_map(|(id, object)| match id {
        Id::Files(site, _) => Some(object.data()?.keys().map(move |name| (site, name))),
        _ => None,
    });
    !all.flatten().all(|file| files.insert(file))
}

/// Where two statuses differ first.
fn differs(one: &Value, undisturbed: &Value) -> String {
    let field = |name: &str, (a, b): (&Value, &Value)| (a != b).then(|| format!("{name} {}", differs(a, b)));
    let found = match (one, undisturbed) {
        (Value::Object(a), Value::Object(b)) => {
            let get = |map: &serde_json::Map<String, Value>, name: &str| map.get(name).cloned().unwrap_or_default();
            a.keys().chain(b.keys()).find_map(|name| field(name, (&get(a, name), &get(b, name))))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(n, pair)| field(&n.to_string(), pair))
        }
        _ => None,
    };
    found.unwrap_or_else(|| format!("is {one}, and undisturbed {undisturbed}"))
}

/// Takes out what depends on times and on who was seen when.
fn mask(status: &mut Value) {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastTransitionTime"].take();
    }
    let Some(fields) = status.as_object_mut() else { return };
    for field in ["lastSeen", "resync", "unclaimed", "unclaimedCount"] {
        fields.remove(field);
    }
    if let Some(firmware) = status["firmware"].as_object_mut() {
        for field in ["since", "observed", "runningSeen", "message"] {
            firmware.remove(field);
        }
        if firmware.get("target").is_none_or(Value::is_null) {
            // What a phone was seen to do before nothing was wanted of it any more.
            firmware.remove("running");
            firmware.remove("failures");
        }
    }
}

impl End {
    pub fn of(world: &World) -> Result<End, String> {
        let mut end = End { files: BTreeMap::new(), statuses: BTreeMap::new() };
        for (id, object) in &world.api.objects {
            let (name, mut status) = match (id, &object.body) {
                (Id::Files(site, _), Body::Data(data)) => {
                    for (name, bytes) in data.iter() {
                        let place = (site.to_string(), name.clone());
                        if end.files.insert(place, bytes.clone()).is_some() {
                            return Err(format!("{name} of {site} is in two objects"));
                        }
                    }
                    continue;
                }
                (Id::Site(key), Body::Site(_, status)) => (key, serde_json::to_value(&**status).unwrap()),
                (Id::Phone(key), Body::Phone(_, status)) => (key, serde_json::to_value(&**status).unwrap()),
                _ => continue,
            };
            mask(&mut status);
            end.statuses.insert(name.to_string(), status);
        }
        for (name, pod) in &world.pods {
            let own = |file: &&String| !file.ends_with(".bin");
            let site = pod.site.to_string();
            let held: Vec<(&String, &Bytes)> =
                pod.files.iter().filter(|(file, _)| own(file)).map(|(file, (bytes, _))| (file, bytes)).collect();
            let wanted: Vec<(&String, &Bytes)> =
                end.files.iter().filter(|((of, _), _)| *of == site).map(|((_, file), bytes)| (file, bytes)).collect();
            if held != wanted {
                return Err(format!("{name} does not serve what is stored"));
            }
        }
        Ok(end)
    }

    /// Both are the same; otherwise what differs first.
    pub fn compare(&self, undisturbed: &End) -> Result<(), String> {
        let names = self.files.keys().chain(undisturbed.files.keys());
        for name in names {
            let (one, other) = (self.files.get(name), undisturbed.files.get(name));
            if one != other {
                let text = |bytes: Option<&Bytes>| {
                    String::from_utf8_lossy(bytes.map_or(b"nothing", |bytes| bytes)).into_owned()
                };
                let (one, other) = (text(one), text(other));
                let line = one.lines().zip(other.lines()).find(|(one, other)| one != other);
                return Err(format!("{name:?} is not as undisturbed: {line:?}"));
            }
        }
        for name in self.statuses.keys().chain(undisturbed.statuses.keys()) {
            let (one, other) = (self.statuses.get(name), undisturbed.statuses.get(name));
            if one != other {
                let null = Value::Null;
                return Err(format!("{name}: {}", differs(one.unwrap_or(&null), other.unwrap_or(&null))));
            }
        }
        Ok(())
    }
}
