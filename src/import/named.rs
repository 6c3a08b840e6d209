//! The files that parameters and lists name, wherever they are in a tree. A ConfigMap has no folders: what is in one gets a name
//! without, and what named it is rewritten.

use std::collections::BTreeMap;

use super::tree::{Note, Tree};
use crate::phone::FileName;
use crate::phone::file_name::{dial_plan, looked_for};
use crate::phone::parameter::check_file_name;
use crate::provision::advice::Advice;

/// The most bytes of a name.
const MAX_NAME: usize = 64;

/// The names under which files are served.
#[derive(Debug, Default)]
pub struct Names {
    /// By the file in the tree.
    of: BTreeMap<String, String>,
    /// The file in the tree by the name in lower case.
    taken: BTreeMap<String, String>,
}

impl Names {
    /// The name for a file that something names; nothing if it is not there.
    pub fn serve(&mut self, tree: &mut Tree, requested: &str) -> Option<String> {
        let file = find(tree, requested)?;
        if let Some(name) = self.of.get(&file) {
            return Some(name.clone());
        }
        let base = file.rsplit('/').next().unwrap_or(&file);
        // What lies in the root keeps its name, in the spelling that phones ask for.
        let spelled = looked_for(requested).next().unwrap_or_default();
        let plain = if file.contains('/') { fitting(base) } else { fitting(&spelled) };
        let long = fitting(&file.replace('/', "-"));
        let numbered = (2..100).map(|n| numbered(&long, n));
        let is_free = |name: &String| {
            let of_root = tree.find(name).is_some_and(|other| other != file);
            let plain =
                |name: &FileName<'_>| matches!(name, FileName::Xml(_) | FileName::Other(_)) || name.is_firmware();
            let is_reserved = *name != file && !plain(&FileName::parse(name));
            !of_root && !is_reserved && !self.taken.contains_key(&name.to_ascii_lowercase())
        };
        let name = [plain, long.clone()].into_iter().chain(numbered).find(is_free)?;
        self.taken.insert(name.to_ascii_lowercase(), file.clone());
        self.of.insert(file, name.clone());
        Some(name)
    }

    /// Why a file that something names is served under another name.
    pub fn why(tree: &Tree, requested: &str, name: &str) -> String {
        let file = find(tree, requested).unwrap_or_default();
        let base = file.rsplit('/').next().unwrap_or(&file);
        if file.contains('/') && requested.contains(['/', '\\']) {
            let taken = if base == name { "" } else { ", and no other file may have its name" };
            return format!("a ConfigMap has no folders{}", if fitting(base) == base { taken } else { "" });
        }
        if requested.contains(['/', '\\']) && file == name {
            return format!("phones find it in the root without {:?} too", &requested[..requested.len() - base.len()]);
        }
        if base != name && base.eq_ignore_ascii_case(name) {
            return "phones ask for it in that spelling".to_owned();
        }
        if base.len() > MAX_NAME {
            return format!("a name in a ConfigMap has at most {MAX_NAME} characters here");
        }
        match base.chars().find(|c| !is_fine(*c)) {
            Some(' ') => "a name in a ConfigMap has no blanks".to_owned(),
            Some(c) => format!("a name in a ConfigMap has letters, digits, '.', '_' and '-' only, and no {c:?}"),
            None if base.starts_with(['.', '-']) => {
                "a name in a ConfigMap begins with a letter or a digit here".to_owned()
            }
            None => "another file has that name".to_owned(),
        }
    }

    /// The value of `dial_template` for a plan: nothing if it stays as it is.
    pub fn template(&mut self, tree: &mut Tree, template: &str) -> Option<String> {
        let name = self.serve(tree, &dial_plan(template))?;
        let next = name.strip_suffix(".xml")?;
        (next != template).then(|| next.to_owned())
    }
}

/// The file in a tree that a phone gets when it asks for this name.
pub fn find(tree: &Tree, requested: &str) -> Option<String> {
    // The server that the tree was made for finds a file only where it is.
    tree.find(&looked_for(requested).next()?)
}

/// The file that a phone gets, which counts as used; says so if other servers would not find it.
pub fn take(tree: &mut Tree, requested: &str) -> Option<Vec<u8>> {
    tree.take(&looked_for(requested).next()?).map(|(_, bytes)| bytes)
}

/// Says why a file that something names is not carried along.
pub fn note_missing(tree: &mut Tree, requested: &str, by: &str, advice: Advice) {
    let file = find(tree, requested);
    let Advice { code, why, .. } = advice;
    // People write the ending, which phones append.
    let without = requested.strip_suffix(".xml").and_then(|named| find(tree, named));
    let (file, what) = match (&file, without) {
        (Some(file), _) => (file.as_str(), format!("not used: {by} names it, and it is too large to be served")),
        (None, Some(other)) => (
            requested,
            format!(
                "{by} names it, and it is not there; there is {other}: phones append .xml, and it is written without"
            ),
        ),
        (None, None) => (requested, format!("{by} names it, and it is not there")),
    };
    tree.notes.push(Note::file(file, format!("{what}: {why} [{code}]")));
}

/// Whether a name in a ConfigMap may have a character.
fn is_fine(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// A name that a ConfigMap can hold, as near to this one as can be.
fn fitting(name: &str) -> String {
    let name: String = name.chars().map(|c| if is_fine(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(['.', '-']);
    let (stem, end) = split(name);
    let stem: String = stem.chars().take(MAX_NAME.saturating_sub(end.len())).collect();
    let name = format!("{}{end}", if stem.is_empty() { "file" } else { &stem });
    debug_assert!(check_file_name(&name).is_ok(), "{name}");
    name
}

fn numbered(name: &str, n: u32) -> String {
    let (stem, end) = split(name);
    let more = format!("-{n}{end}");
    let stem: String = stem.chars().take(MAX_NAME.saturating_sub(more.len())).collect();
    format!("{stem}{more}")
}

/// A name and its ending, with the dot.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if name.len() - dot <= 8 => name.split_at(dot),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str], asked: &[&str]) -> Vec<Option<String>> {
        let mut tree = Tree::of(files.iter().map(|name| ((*name).to_owned(), b"x".to_vec())));
        let mut names = Names::default();
        asked.iter().map(|asked| names.serve(&mut tree, asked)).collect()
    }

    #[test]
    fn each_file_has_one_name_and_no_two_the_same() {
        let some = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        let files = [
            "a/ring.raw",
            "b/ring.raw",
            "b/Ring 2.raw",
            "top.raw",
            "c/top.raw",
            "d/syncinfo.xml",
            "a-b/c.raw",
            "a/b-c.raw",
            "a/b/c.raw",
        ];
        let asked =
            ["a/ring.raw", "./a/ring.raw", "b\\ring.raw", "b/Ring 2.raw", "top.raw", "/c/top.raw", "d/syncinfo.xml"];
        let expected = ["ring.raw", "ring.raw", "b-ring.raw", "Ring-2.raw", "top.raw", "c-top.raw", "d-syncinfo.xml"];
        assert_eq!(names(&files, &asked), some(&expected));
        let asked = ["a-b/c.raw", "a/b-c.raw", "a/b/c.raw"];
        assert_eq!(names(&files, &asked), some(&["c.raw", "b-c.raw", "a-b-c.raw"]));
        assert_eq!(names(&["a.raw"], &["../a.raw", "b.raw", "x/a.raw", ""]), [None, None, None, None]);
        let long = format!("{}.raw", "x".repeat(90));
        let name = names(&[&long], &[&long])[0].clone().unwrap();
        assert!(name.len() == 64 && name.ends_with("x.raw"), "{name}");
    }

    #[test]
    fn a_template_is_rewritten_only_where_it_has_to_be() {
        let mut tree = Tree::of([
            ("voip/desk.xml".to_owned(), vec![]),
            ("own.xml".to_owned(), vec![]),
            ("dial plan.xml".to_owned(), vec![]),
        ]);
        let mut names = Names::default();
        let mut template = |name: &str| names.template(&mut tree, name);
        assert_eq!(template("own"), None);
        assert_eq!(template("./own").as_deref(), Some("own"));
        assert_eq!(template("voip/desk").as_deref(), Some("desk"));
        assert_eq!(template("dial plan").as_deref(), Some("dial-plan"));
        assert_eq!(template("gone"), None);
    }
}
