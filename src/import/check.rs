//! `--check`: renders the manifests and compares the result with the imported files, parameter by parameter.

use std::collections::{BTreeMap, BTreeSet};

use super::args::Args;
use super::tree::{Config, Tree};
use crate::manifests::Manifests;
use crate::phone::file_name::SIP_DEFAULT;
use crate::phone::parameter::is_secret;
use crate::phone::{cnf, find};
use crate::provision::Fleet;

/// Describes every difference.
pub fn differences(tree: &Tree, text: &str, args: &Args) -> anyhow::Result<Vec<String>> {
    let manifests = Manifests::parse("stdout", text);
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    let mut differences: Vec<String> = manifests.errors.clone();
    for (kind, key, found) in fleet.findings() {
        differences.extend(found.iter().filter(|one| one.is_error()).map(|one| format!("{kind} {key}: {one}")));
    }
    let Some(site) = fleet.sites().next().cloned() else { return Ok(differences) };
    let files = fleet.tree(&site);
    let read = |name: &str| files.get(name).map(|bytes| cnf::read(bytes).effective()).unwrap_or_default();
    let (common_before, common_after) = (effective(tree.common.as_ref()), read(SIP_DEFAULT));
    for (mac, config) in &tree.phones {
        let mut before = common_before.clone();
        before.extend(effective(Some(config)));
        let mut after = common_after.clone();
        after.extend(read(&mac.config_file()));
        compare(&config.file, &before, &after, args.tidy, &mut differences);
    }
    if tree.phones.is_empty() {
        compare(SIP_DEFAULT, &common_before, &common_after, args.tidy, &mut differences);
    }
    Ok(differences)
}

type Values = BTreeMap<String, String>;

fn effective(config: Option<&Config>) -> Values {
    let values = config.into_iter().flat_map(|config| &config.values);
    values.map(|(name, (_, value, _))| (name.clone(), value.clone())).collect()
}

fn compare(file: &str, before: &Values, after: &Values, tidy: bool, differences: &mut Vec<String>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was == is || (tidy && reads_the_same(name, was, is)) {
            continue;
        }
        let show = |value: Option<&String>| match value {
            None => "not set".to_owned(),
            Some(_) if is_secret(name) => "a secret".to_owned(),
            Some(value) => format!("{value:?}"),
        };
        differences.push(format!("{file}: {name} was {} and is {}", show(was), show(is)));
    }
}

/// Whether phones read two spellings as the same.
fn reads_the_same(name: &str, was: Option<&String>, is: Option<&String>) -> bool {
    let (Some(parameter), Some(was), Some(is)) = (find(name), was, is) else { return false };
    let (was, is) = (parameter.value_like(was), parameter.value_like(is));
    was.is_some() && was == is
}
