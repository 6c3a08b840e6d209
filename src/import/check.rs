//! `--check`: renders the manifests and compares what phones would fetch with what they fetched: parameters one by one, and files by
//! what they mean, or byte for byte.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::args::Args;
use super::files::image_folders;
use super::named;
use super::prefix::{PREFIX, Prefix};
use super::tree::{Config, Tree};
use crate::manifests::Manifests;
use crate::phone::dialplan::{self, Rule};
use crate::phone::file_name::{OS79XX, RING_LIST, SIP_DEFAULT, SYNC_INFO, XML_DEFAULT, dial_plan, looked_for};
use crate::phone::image::Image;
use crate::phone::parameter::{check_file_name, is_secret};
use crate::phone::{FileName, cnf, find, ringlist, text, xml};
use crate::provision::{DIAL_TEMPLATE, Fleet};

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
    let files = Files::new(tree, manifests.served(&fleet, &site));
    let read = |name: &str| files.after.get(name).map(|bytes| cnf::read(bytes).effective()).unwrap_or_default();
    let (common_before, common_after) = (effective(tree.common.as_ref()), read(SIP_DEFAULT));
    // Most phones are told of the same plan.
    let mut plans: HashMap<[String; 2], Option<String>> = HashMap::new();
    let mut compare = |file: &str, before: &Values, after: &Values| {
        let told = |values: &Values| values.get("dial_template").map_or(DIAL_TEMPLATE, String::as_str).to_owned();
        let told = [told(before), told(after)];
        let plan = plans.entry(told.clone()).or_insert_with(|| files.plan(&told));
        // A plan that is the same under another name is no other plan.
        let renamed = plan.is_none() && files.is_plan(&told[0]);
        differences.extend(plan.as_ref().map(|how| format!("{file}: {how}")));
        parameters(file, before, after, Style { tidy: args.tidy, renamed }, &mut differences);
    };
    let mut unserved: Vec<String> =
        tree.lost().iter().map(|file| format!("{file}: no phone of the manifests gets it")).collect();
    for (mac, config) in &tree.phones {
        let mut before = common_before.clone();
        before.extend(effective(Some(config)));
        let mut after = common_after.clone();
        after.extend(read(&mac.config_file()));
        compare(&config.file, &before, &after);
        // Of the common file: a phone has read its own by then.
        let asked = Prefix::new(common_after.get(PREFIX).map_or("", String::as_str)).asks(*mac);
        let is_served = files.after(&asked).is_some();
        unserved.extend((!is_served).then(|| format!("{}: phones ask for {asked}, and get nothing", config.file)));
    }
    if tree.phones.is_empty() {
        compare(SIP_DEFAULT, &common_before, &common_after);
    }
    differences.extend(unserved);
    differences.extend(files.others(args));
    // Many phones may share what is missing.
    let mut told = BTreeSet::new();
    differences.retain(|difference| told.insert(difference.clone()));
    Ok(differences)
}

type Values = BTreeMap<String, String>;

fn effective(config: Option<&Config>) -> Values {
    let values = config.into_iter().flat_map(|config| &config.values);
    values.map(|(name, (_, value, _))| (name.clone(), value.clone())).collect()
}

/// What counts as the same.
#[derive(Clone, Copy)]
struct Style {
    /// What phones read as the same.
    tidy: bool,
    /// The dial plan has another name.
    renamed: bool,
}

fn parameters(file: &str, before: &Values, after: &Values, style: Style, differences: &mut Vec<String>) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was == is
            || (style.tidy && reads_the_same(name, was, is))
            || (name == PREFIX
                && is.is_some_and(String::is_empty)
                && was.is_some_and(|was| Prefix::new(was).hides_names()))
            || (style.renamed && name == "dial_template" && was.is_some() && is.is_some())
        {
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

/// The files that phones got and those that they get.
struct Files<'a> {
    tree: &'a Tree,
    after: BTreeMap<String, Bytes>,
    /// The names by their lower case.
    folded: HashMap<String, String>,
}

impl Files<'_> {
    fn new(tree: &Tree, after: BTreeMap<String, Bytes>) -> Files<'_> {
        let folded = after.keys().rev().map(|name| (name.to_ascii_lowercase(), name.clone())).collect();
        Files { tree, after, folded }
    }

    /// What a phone got when it asked for a name. Of what was too large to be read nothing is known, and no phone read it.
    fn before(&self, requested: &str) -> Option<&[u8]> {
        self.tree.files.get(&named::find(self.tree, requested)?)?.as_deref()
    }

    /// What it gets.
    fn after(&self, requested: &str) -> Option<&[u8]> {
        let found = |name: String| {
            self.after.get(&name).or_else(|| self.after.get(self.folded.get(&name.to_ascii_lowercase())?))
        };
        looked_for(requested).find_map(found).map(AsRef::as_ref)
    }

    fn is_plan(&self, template: &str) -> bool {
        self.before(&dial_plan(template)).is_some()
    }

    /// Describes how the dial plan differs that a phone is told of.
    fn plan(&self, [was, is]: &[String; 2]) -> Option<String> {
        // Without a name phones ask for none.
        let asked = |template: &str| (!template.is_empty()).then(|| dial_plan(template));
        let before = asked(was).and_then(|plan| self.before(&plan));
        let after = asked(is).and_then(|plan| self.after(&plan));
        let is_same = match (before, after) {
            (Some(before), Some(after)) => {
                before == after || (fits(before) && fits(after) && rules(before) == rules(after))
            }
            (None, None) => true,
            _ => false,
        };
        let show = |template: &str, plan: Option<&[u8]>| match plan {
            None => "none".to_owned(),
            Some(plan) if !fits(plan) => format!("{}, which is too large", dial_plan(template)),
            Some(plan) => format!("{} of {} rules", dial_plan(template), rules(plan).len()),
        };
        (!is_same).then(|| format!("the dial plan was {} and is {}", show(was, before), show(is, after)))
    }

    /// Describes the differences of all other files.
    fn others(&self, args: &Args) -> Vec<String> {
        let mut differences = self.rings();
        let mut asked: BTreeMap<String, Meaning> =
            BTreeMap::from([(SYNC_INFO.to_owned(), Meaning::Bytes), (OS79XX.to_owned(), Meaning::Name)]);
        asked.insert(XML_DEFAULT.to_owned(), Meaning::Image);
        let folders = image_folders(self.tree.common.iter().chain(self.tree.phones.values()));
        let is_asked = |name: &&String| {
            let folder = name.rsplit_once('/').map(|(folder, _)| folder.to_ascii_lowercase());
            folder.is_none_or(|folder| FileName::parse(name).is_firmware() && folders.contains(&folder))
        };
        for name in self.tree.files.keys().filter(is_asked) {
            match FileName::parse(name) {
                // One without an address is asked for by nobody.
                file @ FileName::Sep(Some(_)) => asked.insert(file.to_string(), Meaning::Image),
                file @ FileName::CtlSep(Some(_)) => asked.insert(file.to_string(), Meaning::Bytes),
                FileName::Mgc(mac) => asked.insert(FileName::Mgc(mac).to_string(), Meaning::Bytes),
                FileName::Loads(base) | FileName::ImagePart(base) if args.firmware && check_file_name(base).is_ok() => {
                    asked.insert(name.clone(), Meaning::Bytes)
                }
                _ => None,
            };
        }
        for (name, meaning) in asked {
            if let Some(how) = meaning.difference(self.before(&name), self.after(&name)) {
                differences.push(format!("{name}: {how}"));
            }
        }
        differences
    }

    /// Describes how the ring list and the rings differ.
    fn rings(&self) -> Vec<String> {
        let list = |file: Option<&[u8]>| file.map(|file| ringlist::read(file).rings).unwrap_or_default();
        let (before, after) = (list(self.before(RING_LIST)), list(self.after(RING_LIST)));
        let mut differences = Vec::new();
        if before.len() != after.len() {
            differences.push(format!("{RING_LIST}: had {} rings and has {}", before.len(), after.len()));
        }
        for ((name, was), (now, is)) in before.iter().zip(&after) {
            if name != now {
                differences.push(format!("{RING_LIST}: the ring {name:?} is called {now:?}"));
            }
            match (self.before(was), self.after(is)) {
                (Some(_), None) => {
                    differences.push(format!("{RING_LIST}: the ring {name:?} had {was}, and has no file"))
                }
                (None, Some(_)) => {
                    differences.push(format!("{RING_LIST}: the ring {name:?} had no file, and has {is}"))
                }
                (before, after) if before != after => {
                    differences.push(format!("{RING_LIST}: the ring {name:?} had {was}, and has another file, {is}"));
                }
                _ => {}
            }
        }
        differences
    }
}

fn fits(plan: &[u8]) -> bool {
    plan.len() <= dialplan::MAX_SIZE
}

/// The rules of a plan, each as phones read it.
fn rules(plan: &[u8]) -> Vec<Rule> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let plain = |rule: Rule| Rule {
        user: given(rule.user).map(|user| user.to_ascii_lowercase()),
        route: given(rule.route),
        ..rule
    };
    dialplan::read(plan).rules.into_iter().map(plain).collect()
}

/// What of a file has to stay.
#[derive(Clone, Copy)]
enum Meaning {
    /// Every byte.
    Bytes,
    /// The name of an image that is all that is in it.
    Name,
    /// Every byte, unless dialtone writes the file: then no image may be named that it did not name.
    Image,
}

impl Meaning {
    fn difference(self, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<String> {
        let (before, after) = match (before, after) {
            (None, None) => return None,
            // A loader that found none went on to what the other files say.
            (None, Some(_)) if matches!(self, Meaning::Image | Meaning::Name) => return None,
            (None, Some(_)) => return Some("was not there, and is now".to_owned()),
            (Some(_), None) => return Some("was there, and is not any more".to_owned()),
            (Some(before), Some(after)) => (before, after),
        };
        if before == after {
            return None;
        }
        let name = |file: &[u8]| {
            text::from_latin1(file).trim_matches(|c: char| c.is_whitespace() || c.is_control()).to_owned()
        };
        match self {
            Meaning::Bytes => Some(format!("had {} bytes, and has {} others", before.len(), after.len())),
            Meaning::Name => {
                let (was, is) = (name(before), name(after));
                (was != is).then(|| format!("named {was:?}, and names {is:?}"))
            }
            Meaning::Image => {
                let images = |file: &[u8]| xml::texts(file, "loadInformation").into_iter().map(|(_, name)| name);
                let now: BTreeSet<String> = images(after).collect();
                // The loader comes in the image's own package, and leads to it.
                let leads = |name: &String| {
                    now.iter().any(|now| Image::parse(now).and_then(|now| now.loader()).as_ref() == Some(name))
                };
                let lost = images(before).find(|name| !name.is_empty() && !now.contains(name) && !leads(name));
                lost.map(|name| format!("named {name:?}, and does not any more"))
            }
        }
    }
}
