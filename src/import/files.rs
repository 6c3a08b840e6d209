//! Converts dial plans, ring lists, firmware and all other files of a TFTP root.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::tree::{Note, Tree, Weight};
use crate::phone::dialplan::{self, Rule, check_attribute};
use crate::phone::file_name::{OS79XX, RING_LIST, SYNC_INFO, XML_DEFAULT, dial_plan};
use crate::phone::image::{Image, NAME_MAX};
use crate::phone::parameter::{check_file_name, check_host};
use crate::phone::{FileName, ringlist, text};
use crate::provision::catalog::{Catalog, FirmwareFile, Inventory, MAX_FILES, problems};

/// The most bytes of one ConfigMap; the API server refuses more than 1 MiB.
pub const MAP_SIZE: usize = 1_000_000;
/// The bytes of one ConfigMap of small files: `kubectl apply` keeps a copy of the object in an annotation,
/// in base64, and the API server refuses annotations of more than 256 KiB.
pub const SMALL_MAP_SIZE: usize = 180_000;

/// The fields of a site and the files that go with it.
#[derive(Debug, Default)]
pub struct Files {
    /// Fields of the spec.
    pub spec: Map<String, Value>,
    /// Files that are served as they are.
    pub others: BTreeMap<String, Vec<u8>>,
    /// Firmware, if it was asked for.
    pub firmware: BTreeMap<String, Vec<u8>>,
}

/// Converts all files that are no configuration. `templates` are the dial plans that the configuration names, the site's
/// first; `firmware` says whether images are imported.
pub fn take(tree: &mut Tree, templates: &[String], firmware: bool) -> Files {
    let mut files = Files::default();
    for (i, template) in templates.iter().enumerate() {
        take_dial_plan(tree, &mut files, &dial_plan(template), i == 0);
    }
    ring_list(tree, &mut files);
    bootstrap(tree, &mut files);
    for name in [XML_DEFAULT, SYNC_INFO] {
        if let Some((file, bytes)) = tree.take(name) {
            if bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
                tree.notes.push(Note::file(&file, "has a quote that is not closed; it is served as it is"));
            }
            keep(tree, &mut files, name, bytes);
        }
    }
    loaders(tree, &mut files);
    images(tree, &mut files, firmware);
    leftovers(tree);
    files
}

fn keep(tree: &mut Tree, files: &mut Files, name: &str, bytes: Vec<u8>) {
    if check_file_name(name).is_err() || bytes.len() > MAP_SIZE {
        tree.notes.push(Note::file(name, "not used: a ConfigMap cannot hold it"));
    } else {
        files.others.insert(name.to_owned(), bytes);
    }
}

fn take_dial_plan(tree: &mut Tree, files: &mut Files, name: &str, of_site: bool) {
    let Some((file, bytes)) = tree.take(name) else {
        let why = "dial_template names it, and it is not there: phones dial without a plan";
        return tree.notes.push(Note::file(name, why));
    };
    let (rules, problems) = dialplan::read(&bytes);
    for (line, problem) in &problems {
        tree.notes.push(Note::line(&file, *line, format!("phones pass it over: {problem}")));
    }
    let idle = rules.iter().any(|rule| rule.pattern.is_empty() && rule.rewrite.as_ref().is_none_or(String::is_empty));
    if idle {
        let why = "has a rule with an empty MATCH and no Rewrite, which calls nobody when the handset is lifted";
        tree.notes.push(Note::file(&file, why));
    }
    let size = dialplan::write(rules.iter().map(Rule::template)).len();
    let typed = typed_plan(&rules).filter(|_| of_site && rules.len() <= 200 && size <= dialplan::MAX_SIZE);
    match typed {
        Some(plan) => {
            files.spec.insert("dialPlan".to_owned(), plan);
        }
        None => {
            let why = if of_site { "no dialPlan can say it; it is" } else { "a phone's own dial plan is" };
            tree.notes.push(Note::file(&file, format!("{why} served as it is, from a ConfigMap")));
            keep(tree, files, name, bytes);
        }
    }
}

/// A dial plan as a manifest has it; `None` if a manifest cannot express it. What is called when the handset is lifted stands first
/// there.
fn typed_plan(rules: &[Rule]) -> Option<Value> {
    let (off_hook, rules) = match rules.split_first() {
        Some((first, rest)) if first.pattern.is_empty() => (Some(typed_off_hook(first)?), rest),
        _ => (None, rules),
    };
    let templates: Vec<Value> = rules.iter().map(typed_rule).collect::<Option<_>>()?;
    let mut plan = Map::new();
    plan.extend(off_hook.map(|off_hook| ("offHook".to_owned(), off_hook)));
    if !templates.is_empty() {
        plan.insert("templates".to_owned(), templates.into());
    }
    (!plan.is_empty()).then(|| plan.into())
}

fn typed_off_hook(rule: &Rule) -> Option<Value> {
    let number = rule.rewrite.clone().filter(|number| !number.is_empty())?;
    // Without a timeout it is the phone's own, which a manifest does not say.
    rule.timeout.filter(|_| rule.tones.is_empty())?;
    let rule = Rule { pattern: "0".to_owned(), ..rule.clone() };
    let mut value = typed_rule(&rule)?;
    let fields = value.as_object_mut()?;
    fields.remove("match");
    fields.remove("rewrite");
    fields.insert("number".to_owned(), number.into());
    Some(value)
}

/// A rule as a manifest has it; `None` if a manifest cannot express it.
fn typed_rule(rule: &Rule) -> Option<Value> {
    if rule.line.is_some() {
        return None;
    }
    let mut value = Map::new();
    check_attribute(&rule.pattern).ok().filter(|()| !rule.pattern.is_empty())?;
    value.insert("match".to_owned(), rule.pattern.clone().into());
    if let Some(timeout) = rule.timeout {
        (timeout <= 3600).then(|| value.insert("timeout".to_owned(), timeout.into()))?;
    }
    if let Some(user) = rule.user.as_deref().filter(|user| !user.is_empty()) {
        let known = ["Phone", "IP"].into_iter().find(|known| known.eq_ignore_ascii_case(user))?;
        value.insert("user".to_owned(), known.into());
    }
    if let Some(rewrite) = &rule.rewrite {
        check_attribute(rewrite).ok()?;
        value.insert("rewrite".to_owned(), rewrite.clone().into());
    }
    if let Some(route) = rule.route.as_deref().filter(|route| !route.is_empty()) {
        check_host(route).ok().filter(|()| check_attribute(route).is_ok())?;
        value.insert("route".to_owned(), route.into());
    }
    if !rule.tones.is_empty() {
        let fine = |tone: &String| tone.len() <= 63 && tone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (rule.tones.len() <= 3 && rule.tones.iter().all(fine)).then_some(())?;
        value.insert("tones".to_owned(), rule.tones.clone().into());
    }
    Some(value.into())
}

fn ring_list(tree: &mut Tree, files: &mut Files) {
    let Some((file, bytes)) = tree.take(RING_LIST) else { return };
    let (rings, problems) = ringlist::read(&bytes);
    for (line, problem) in problems {
        tree.notes.push(Note::line(&file, line, format!("not used: {problem}")));
    }
    for (_, sound) in &rings {
        match tree.take(sound) {
            Some((_, bytes)) => {
                if let Some(problem) = ringlist::ring_problem(&bytes, bytes.len()) {
                    tree.notes.push(Note::file(
                        sound,
                        format!("{problem}: a ring is raw, 240 to 16080 bytes, a multiple of 240"),
                    ));
                }
                keep(tree, files, sound, bytes);
            }
            None => tree.notes.push(Note::file(sound, format!("{file} names it, and it is not there"))),
        }
    }
    let name_ok = |name: &str| !name.is_empty() && text::check(name, 31).is_ok();
    let file_ok = |name: &str| !name.is_empty() && check_file_name(name).is_ok();
    if rings.len() <= 64 && rings.iter().all(|(name, file)| name_ok(name) && file_ok(file)) {
        let list: Vec<Value> = rings.into_iter().map(|(name, file)| json!({"name": name, "file": file})).collect();
        files.spec.insert("ringList".to_owned(), list.into());
    } else {
        tree.notes.push(Note::file(&file, "no ringList can say it; it is served as it is, from a ConfigMap"));
        keep(tree, files, RING_LIST, bytes);
    }
}

fn bootstrap(tree: &mut Tree, files: &mut Files) {
    let Some((file, bytes)) = tree.take(OS79XX) else { return };
    let content = text::from_latin1(&bytes);
    let line = content.trim_end_matches(['\r', '\n', '\0', '\u{1a}']);
    let name = line.trim();
    let fine = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !fine {
        return tree.notes.push(Note::file(&file, format!("not used: {name:?} is no image's name")));
    }
    if line != name {
        let why = "has blanks around the name, which old firmware takes for a part of it; dialtone writes none";
        tree.notes.push(Note::file(&file, why));
    }
    files.spec.insert("firmware".to_owned(), json!({"bootstrap": name}));
}

/// The loaders' files with a MAC address in their names: served unchanged, for phones whose image dialtone does not manage.
fn loaders(tree: &mut Tree, files: &mut Files) {
    let asked = |name: &&String| {
        let file = FileName::parse(name);
        !name.contains('/') && !file.is_own_config() && file.mac().is_some()
    };
    for name in tree.files.keys().filter(asked).cloned().collect::<Vec<_>>() {
        let Some(bytes) = tree.files.get(&name).cloned().flatten() else { continue };
        tree.mark_used(&name);
        if bytes.is_empty() && name.to_ascii_lowercase().ends_with(".xml") {
            tree.notes.push(Note::file(&name, "is empty, and phones then say \"Protocol Application Invalid\""));
        }
        keep(tree, files, &name, bytes);
    }
}

fn images(tree: &mut Tree, files: &mut Files, taken: bool) {
    let names: Vec<String> =
        tree.files.keys().filter(|name| !name.contains('/') && FileName::parse(name).is_firmware()).cloned().collect();
    for name in &names {
        tree.mark_used(name);
        match tree.files.get(name).cloned().flatten() {
            Some(bytes) if taken && bytes.len() <= MAP_SIZE && check_file_name(name).is_ok() => {
                files.firmware.insert(name.clone(), bytes);
            }
            _ if taken => tree.notes.push(Note::file(name, "not used: a ConfigMap cannot hold it")),
            _ => {}
        }
    }
    if !taken && !names.is_empty() {
        let list = names.join(", ");
        let why = "firmware is taken along with --firmware only; phones keep what they run";
        tree.notes.push(Note::file(&list, why).weighing(Weight::Minor));
    }
}

/// What is known of the firmware's files.
pub fn inventory(firmware: &BTreeMap<String, Vec<u8>>) -> Inventory {
    firmware.iter().map(|(name, bytes)| (name.clone(), FirmwareFile::new(name, bytes))).collect()
}

/// Whether the firmware holds all files of an image.
pub fn is_whole(image: &str, firmware: &Catalog<'_>) -> bool {
    Image::parse(image).is_some() && problems(image, firmware, &BTreeMap::new()).is_empty()
}

/// Notes for every other file why it is not used.
fn leftovers(tree: &mut Tree) {
    for name in tree.unused() {
        let base = name.rsplit('/').next().unwrap_or(&name).to_ascii_lowercase();
        let why = if name.contains('/') {
            "phones do not look into this folder; import it by itself if it is another site's"
        } else if base.starts_with("sip") && base.contains(".cnf") {
            "no phone asks for this name: SIP, twelve digits in upper case, .cnf"
        } else {
            "no phone asks for it by itself"
        };
        tree.notes.push(Note::file(&name, format!("not used: {why}")).weighing(Weight::Minor));
    }
}

/// Divides files among as few ConfigMaps as possible, with at most so many bytes in each unless a single file has more, and no more
/// files than are served of one.
pub fn pack(files: BTreeMap<String, Vec<u8>>, most: usize) -> Vec<BTreeMap<String, Vec<u8>>> {
    let mut maps: Vec<(usize, BTreeMap<String, Vec<u8>>)> = Vec::new();
    for (name, bytes) in files {
        let size = name.len() + bytes.len();
        match maps.iter_mut().find(|(held, map)| held + size <= most && map.len() < MAX_FILES) {
            Some((held, map)) => {
                *held += size;
                map.insert(name, bytes);
            }
            None => maps.push((size, BTreeMap::from([(name, bytes)]))),
        }
    }
    maps.into_iter().map(|(_, map)| map).collect()
}
