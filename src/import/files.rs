//! Converts dial plans, ring lists, firmware and all other files of a TFTP root.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::carry::{Files, MAP_SIZE, keep, note_flaws};
use super::named::{self, Names};
use super::plans::take_dial_plan;
use super::prefix::{PREFIX, like_own};
use super::tree::{Config, Note, Tree, Weight};
use crate::phone::file_name::{OS79XX, RING_LIST, SYNC_INFO, XML_DEFAULT, looked_for};
use crate::phone::image::{Image, NAME_MAX};
use crate::phone::parameter::check_file_name;
use crate::phone::{FileName, ringlist, text};
use crate::provision::advice;
use crate::provision::catalog::{Catalog, MAX_FILES, problems};

/// The bytes of one ConfigMap of small files: `kubectl apply` keeps a copy of the object in an annotation,
/// in base64, and the API server refuses annotations of more than 256 KiB.
pub const SMALL_MAP_SIZE: usize = 180_000;

/// A dial plan that configuration names.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The value of `dial_template`.
    pub template: String,
    /// The file that says so; none if it is only there.
    pub by: String,
    /// Whether it is the site's.
    pub of_site: bool,
}

/// The folders in which images lie, as `image_version` names them.
pub fn image_folders<'a>(configs: impl IntoIterator<Item = &'a Config>) -> BTreeSet<String> {
    let named = configs.into_iter().filter_map(|config| looked_for(config.get("image_version")?).next());
    named.filter_map(|image| Some(image.rsplit_once('/')?.0.to_ascii_lowercase())).collect()
}

/// Converts all files that are no configuration. `plans` are the dial plans that the configuration names; `firmware` says whether
/// images are imported.
pub fn take(tree: &mut Tree, names: &mut Names, plans: &[Plan], firmware: bool) -> Files {
    let mut files = Files::default();
    for Plan { template, by, of_site } in plans {
        take_dial_plan(tree, &mut files, names, template, by, *of_site);
    }
    ring_list(tree, &mut files, names);
    bootstrap(tree, &mut files);
    for name in [XML_DEFAULT, SYNC_INFO] {
        if let Some((file, bytes)) = tree.take(name) {
            note_flaws(tree, &file, name, &bytes);
            keep(tree, &mut files, name, bytes);
        }
    }
    loaders(tree, &mut files);
    images(tree, &mut files, firmware);
    leftovers(tree);
    files
}

fn ring_list(tree: &mut Tree, files: &mut Files, names: &mut Names) {
    let Some((file, bytes)) = tree.take(RING_LIST) else { return };
    note_flaws(tree, &file, RING_LIST, &bytes);
    let ringlist::Reading { mut rings, problems, .. } = ringlist::read(&bytes);
    let mut renamed = false;
    for (_, sound) in &mut rings {
        let requested = sound.clone();
        let (Some(name), Some(bytes)) = (names.serve(tree, &requested), named::take(tree, &requested)) else {
            named::note_missing(tree, &requested, &file, advice::RING_MISSING);
            continue;
        };
        if name != requested {
            renamed = true;
            let because = Names::why(tree, &requested, &name);
            let why = format!("is served as {name}, because {because}, and the ring list names it so");
            tree.notes.push(Note::file(&requested, why));
            *sound = name.clone();
        }
        match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
            Some("raw" | "pcm") => note_flaws(tree, &requested, &name, &bytes),
            // It is a ring by its place in the list.
            _ => note_flaws(tree, &requested, "ring.raw", &bytes),
        }
        keep(tree, files, &name, bytes);
    }
    let typed = match problems.first() {
        Some((line, _)) => Err(format!("line {line} is no ring")),
        None => typed_rings(&rings),
    };
    match typed {
        Ok(list) => {
            files.spec.insert("ringList".to_owned(), list.into());
        }
        Err(reason) => {
            let how = if renamed { "with the files' new names" } else { "as it is" };
            let why = format!("no ringList can say it; it is served {how}, from a ConfigMap, because {reason}");
            tree.notes.push(Note::file(&file, why));
            let rings = rings.iter().map(|(name, file)| ringlist::Ring { name, file });
            keep(tree, files, RING_LIST, if renamed { ringlist::write(rings) } else { bytes });
        }
    }
}

/// The most rings that a manifest can hold.
const MAX_RINGS: usize = 64;

/// The rings as a manifest has them, or why it cannot.
fn typed_rings(rings: &[(String, String)]) -> Result<Vec<Value>, String> {
    if rings.len() > MAX_RINGS {
        return Err(format!("it has {} rings, and a ringList at most {MAX_RINGS}", rings.len()));
    }
    let typed = |(name, file): &(String, String)| {
        if name.is_empty() {
            return Err(format!("the ring of {file:?} has no name"));
        }
        text::check(name, 31).map_err(|why| format!("the name {name:?} {why}"))?;
        if file.is_empty() {
            return Err(format!("the ring {name:?} has no file"));
        }
        check_file_name(file).map_err(|why| format!("the file of {name:?} {why}"))?;
        Ok(json!({"name": name, "file": file}))
    };
    rings.iter().map(typed).collect()
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
        note_flaws(tree, &file, OS79XX, &bytes);
        tree.notes
            .push(Note::file(&file, format!("{name:?} is no image's name; it is served as it is, from a ConfigMap")));
        return keep(tree, files, OS79XX, bytes);
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
        note_flaws(tree, &name, &name, &bytes);
        keep(tree, files, &name, bytes);
    }
}

fn images(tree: &mut Tree, files: &mut Files, taken: bool) {
    let folders = image_folders(tree.common.iter().chain(tree.phones.values()));
    let asked = |name: &&String| {
        let folder = name.rsplit_once('/').map(|(folder, _)| folder.to_ascii_lowercase());
        FileName::parse(name).is_firmware() && folder.is_none_or(|folder| folders.contains(&folder))
    };
    let mut names: Vec<String> = tree.files.keys().filter(asked).cloned().collect();
    // What lies in the root wins over what lies in a folder and has the same name.
    names.sort_by_key(|name| name.contains('/'));
    for name in &names {
        tree.mark_used(name);
        let base = name.rsplit('/').next().unwrap_or(name);
        match tree.files.get(name).cloned().flatten() {
            Some(bytes) if taken && bytes.len() <= MAP_SIZE && check_file_name(base).is_ok() => {
                files.firmware.entry(base.to_owned()).or_insert(bytes);
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

/// Whether the firmware holds all files of an image.
pub fn is_whole(image: &str, firmware: &Catalog<'_>) -> bool {
    Image::parse(image).is_some() && problems(image, firmware, &BTreeMap::new()).is_empty()
}

/// Notes for every other file why it is not used.
fn leftovers(tree: &mut Tree) {
    let all_lost = tree.lost();
    let is_lost = |name: &String| all_lost.contains(name);
    let mut lost = Vec::new();
    for name in tree.unused() {
        let base = name.rsplit('/').next().unwrap_or(&name).to_ascii_lowercase();
        let why = if base.ends_with(".bmp") {
            let bytes = tree.files.get(&name).cloned().flatten().unwrap_or_default();
            note_flaws(tree, &name, &name, &bytes);
            "phones fetch logos over HTTP, from where logo_url says: a web server has to serve it"
        } else if ["ringlist.xml", "distinctiveringlist.xml"].contains(&base.as_str()) {
            "it is for phones of another kind: these read RINGLIST.DAT"
        } else if let Some((_, has_prefix)) = like_own(&name).filter(|_| is_lost(&name)) {
            let what = if has_prefix {
                "phones put the beginning of this name in front of their own"
            } else {
                "phones look into this folder"
            };
            lost.push(Note::file(&name, format!("not used: nothing says that {what}: set {PREFIX} to that in SIPDefault.cnf, or import its folder by itself")));
            continue;
        } else if name.contains('/') {
            "nothing names it, and phones do not look into this folder; import it by itself if it is another site's"
        } else if base.starts_with("sip") && base.contains(".cnf") {
            "no phone asks for this name: SIP, twelve digits in upper case, .cnf"
        } else {
            "no phone asks for it by itself"
        };
        tree.notes.push(Note::file(&name, format!("not used: {why}")).weighing(Weight::Minor));
    }
    tree.notes.extend(lost);
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
