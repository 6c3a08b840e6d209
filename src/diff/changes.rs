//! The differences between two rendered sets of manifests, phone by phone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Serialize;

use crate::manifests::Manifests;
use crate::phone::file_name::{OS79XX, RING_LIST, SIP_DEFAULT, XML_DEFAULT, dial_plan};
use crate::phone::parameter::{Kind, is_secret};
use crate::phone::{FileName, cnf, find};
use crate::provision::{Fleet, Key};
use crate::render;

/// What a phone does to run the new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Action {
    /// Read the dial plan again, which a NOTIFY for check-sync is enough for.
    Reload,
    /// Restart.
    Restart,
    /// Restart and load another image.
    Upgrade,
}

/// The difference in one parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Parameter {
    /// The phone's own name.
    pub name: String,
    /// The old value; absent if it was not set, or is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The new value; absent if it is not set, or is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Whether the values are not shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum What {
    /// It is new.
    Added,
    /// It is no longer among the manifests.
    Removed,
    /// It changes.
    Changed,
}

/// The difference in one phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Namespace and name.
    pub phone: String,
    /// The file that it reads.
    pub file: String,
    /// Its site.
    pub site: String,
    /// The kind of the change.
    pub what: What,
    /// What the phone does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The parameters that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Other files that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

#[derive(Clone)]
struct Phone {
    site: Key,
    file: String,
    values: BTreeMap<String, String>,
}

/// One side, rendered.
pub struct Rendered {
    phones: BTreeMap<Key, Phone>,
    trees: BTreeMap<Key, BTreeMap<String, Bytes>>,
    /// The number of errors, which were reported already.
    pub errors: usize,
}

impl Rendered {
    /// Renders manifests.
    pub fn new(manifests: &Manifests) -> Rendered {
        let mut fleet = Fleet::offline();
        manifests.apply_to(&mut fleet);
        let errors = render::report_errors(manifests, &fleet);
        let sites: Vec<Key> = fleet.sites().cloned().collect();
        let trees: BTreeMap<Key, BTreeMap<String, Bytes>> =
            sites.into_iter().map(|site| (site.clone(), manifests.served(&fleet, &site))).collect();
        let commons: BTreeMap<&Key, BTreeMap<String, String>> =
            trees.iter().map(|(site, tree)| (site, values(tree, SIP_DEFAULT))).collect();
        let mut phones = BTreeMap::new();
        for key in fleet.phones() {
            let Some((site, file)) = fleet.place_of(key) else { continue };
            let Some(tree) = trees.get(&site) else { continue };
            let mut all = commons.get(&site).cloned().unwrap_or_default();
            all.extend(values(tree, &file));
            // A phone's file names an image only once every pod holds it; a reviewer wants to know the target.
            all.extend(fleet.image_of(key).map(|image| ("image_version".to_owned(), image.to_owned())));
            phones.insert(key.clone(), Phone { site, file, values: all });
        }
        Rendered { phones, trees, errors }
    }

    /// Replaces a site by what it was before.
    pub fn retain_site(&mut self, site: &Key, before: &Rendered) {
        self.phones.retain(|_, phone| phone.site != *site);
        let retained = before.phones.iter().filter(|(_, phone)| phone.site == *site);
        self.phones.extend(retained.map(|(key, phone)| (key.clone(), phone.clone())));
        self.trees.extend(before.trees.get(site).map(|tree| (site.clone(), tree.clone())));
    }
}

fn values(tree: &BTreeMap<String, Bytes>, file: &str) -> BTreeMap<String, String> {
    tree.get(file).map(|bytes| cnf::read(bytes).effective()).unwrap_or_default()
}

/// All differences, by phone.
pub fn between(old: &Rendered, new: &Rendered) -> Vec<Change> {
    let keys: BTreeSet<&Key> = old.phones.keys().chain(new.phones.keys()).collect();
    keys.into_iter().filter_map(|key| change(key, old, new)).collect()
}

fn change(key: &Key, old: &Rendered, new: &Rendered) -> Option<Change> {
    let (was, is) = (old.phones.get(key), new.phones.get(key));
    let phone = is.or(was)?;
    let what = match (was, is) {
        (None, _) => What::Added,
        (_, None) => What::Removed,
        _ => What::Changed,
    };
    let mut change = Change {
        phone: key.to_string(),
        file: phone.file.clone(),
        site: phone.site.to_string(),
        what,
        action: None,
        parameters: Vec::new(),
        files: Vec::new(),
    };
    let (Some(was), Some(is)) = (was, is) else { return Some(change) };
    change.parameters = parameters(&was.values, &is.values);
    change.files = files(was, old.trees.get(&was.site)?, is, new.trees.get(&is.site)?);
    if was.file != is.file || was.site != is.site {
        change.files.insert(0, format!("{} instead of {}", is.file, was.file));
    }
    let upgrade = change.parameters.iter().any(|parameter| parameter.name == "image_version");
    let is_plan = |file: &String| matches!(FileName::parse(file), FileName::Xml(_));
    let only_dial_plan = change.parameters.is_empty() && change.files.iter().all(is_plan);
    change.action = Some(match (upgrade, only_dial_plan) {
        (true, _) => Action::Upgrade,
        (_, true) => Action::Reload,
        _ => Action::Restart,
    });
    (!change.parameters.is_empty() || !change.files.is_empty()).then_some(change)
}

fn parameters(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<Parameter> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    differing
        .map(|name| {
            let secret = find(name).map_or(is_secret(name), |typed| matches!(typed.kind, Kind::Secret { .. }));
            let show = |side: &BTreeMap<String, String>| side.get(name).filter(|_| !secret).cloned();
            Parameter { name: name.clone(), old: show(was), new: show(is), secret }
        })
        .collect()
}

/// The files besides the configuration that differ: dial plan, ring list and what controls the boot.
fn files(was: &Phone, old: &BTreeMap<String, Bytes>, is: &Phone, new: &BTreeMap<String, Bytes>) -> Vec<String> {
    let plan = |phone: &Phone| {
        let name = phone.values.get("dial_template").filter(|name| !name.is_empty())?;
        Some(dial_plan(name))
    };
    let mut names: BTreeSet<String> = [plan(was), plan(is)].into_iter().flatten().collect();
    names.extend([RING_LIST, OS79XX, XML_DEFAULT].map(str::to_owned));
    names.into_iter().filter(|name| old.get(name) != new.get(name)).collect()
}
