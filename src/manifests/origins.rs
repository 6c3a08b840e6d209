//! Which file each object comes from, and what else stands there: an object that is no longer among the manifests may be gone, or may
//! stand there in a form that nobody knows.

use std::collections::BTreeMap;

use crate::provision::Key;

/// The origins of a set of manifests.
#[derive(Debug, Default)]
pub(super) struct Origins {
    objects: BTreeMap<(&'static str, Key), String>,
    files: BTreeMap<String, Content>,
}

/// What stands in a file beside the objects that are used.
#[derive(Debug, Default)]
struct Content {
    is_blank: bool,
    /// The documents that are of no use here: in words, and the name that each gives itself.
    others: Vec<(String, Option<String>)>,
}

/// The most documents of one file that are told apart.
const MAX_OTHERS: usize = 1000;

impl Origins {
    /// A file was read.
    pub(super) fn file(&mut self, file: &str, text: &str) {
        self.files.entry(file.to_owned()).or_default().is_blank = text.trim().is_empty();
    }

    /// An object stands in a file.
    pub(super) fn object(&mut self, kind: &'static str, key: &Key, file: &str) {
        self.objects.insert((kind, key.clone()), file.to_owned());
    }

    /// A document that is of no use stands in a file.
    pub(super) fn other(&mut self, file: &str, what: String, name: Option<&str>) {
        let others = &mut self.files.entry(file.to_owned()).or_default().others;
        if others.len() < MAX_OTHERS {
            others.push((what, name.map(str::to_owned)));
        }
    }

    /// An object that was there before and is there no longer, although its file says something that may stand for it.
    pub(super) fn mislaid(&self, before: &Origins) -> Option<String> {
        let gone = before.objects.iter().filter(|(object, _)| !self.objects.contains_key(*object));
        gone.into_iter().find_map(|((kind, key), file)| {
            let now = self.files.get(file)?;
            if now.is_blank {
                return Some(format!(
                    "{file}: is empty, and {kind} {key} stood there: delete the file if that is to go"
                ));
            }
            // One with another name is another object, and one without may be any.
            let may_be = |name: &Option<String>| name.as_deref().is_none_or(|name| *name == *key.name);
            let mut known = before.files.get(file).map(|content| content.others.clone()).unwrap_or_default();
            let (what, _) = now.others.iter().find(|other| {
                let was_there = known.iter().position(|known| known == *other).map(|at| known.swap_remove(at));
                was_there.is_none() && may_be(&other.1)
            })?;
            Some(format!("{file}: {kind} {key} stood there, and now there is {what}: correct it, or take it out"))
        })
    }
}
