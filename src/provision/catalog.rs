//! Whether a firmware image is there, whole, under the names that phones ask for.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::phone::file_name::looked_for;
use crate::phone::image::{self, Image, Protocol};

use crate::base::digest::Digest;
use crate::provision::contents::{Contents, Effort, examine};

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareFile {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: usize,
    /// Its first bytes, which distinguish formats.
    pub first: [u8; 4],
    /// For a `.loads` file: the files that it names.
    pub parts: Vec<String>,
    /// What was found in it; nothing if its bytes are elsewhere.
    pub contents: Contents,
}

impl FirmwareFile {
    /// Describes a file by its bytes.
    pub fn new(name: &str, bytes: &[u8]) -> FirmwareFile {
        FirmwareFile::within(name, bytes, &mut Effort::default())
    }

    fn within(name: &str, bytes: &[u8], effort: &mut Effort) -> FirmwareFile {
        FirmwareFile {
            digest: Digest::of(bytes),
            size: bytes.len(),
            first: image::first(bytes),
            parts: image::parts(name, bytes),
            contents: examine(name, bytes, effort),
        }
    }

    /// A file that somebody else read.
    pub fn reported(digest: Digest, size: usize, first: [u8; 4], parts: Vec<String>) -> FirmwareFile {
        FirmwareFile { digest, size, first, parts, contents: Contents::default() }
    }
}

/// The files of a source, by name.
pub type Inventory = BTreeMap<String, FirmwareFile>;

/// The inventory of one source. However many files it has, looking into them takes no longer than some 20 ms and what reading
/// them takes.
pub fn inventory<N: Into<String>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (N, B)>) -> Inventory {
    let mut effort = Effort::default();
    let files = files.into_iter().map(|(name, bytes)| (name.into(), bytes)).collect::<BTreeMap<String, B>>();
    let described = |(name, bytes): (String, B)| {
        let file = FirmwareFile::within(&name, bytes.as_ref(), &mut effort);
        (name, file)
    };
    files.into_iter().map(described).collect()
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A ConfigMap of `spec.firmware.source`, by its place in the list.
    Firmware(usize),
    /// A ConfigMap of `spec.files`.
    Files(usize),
    /// Somewhere else: a folder, or what pods see.
    Elsewhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Firmware(i) => write!(f, "spec.firmware.source.configMaps[{i}]"),
            Origin::Files(i) => write!(f, "spec.files.configMaps[{i}]"),
            Origin::Elsewhere => f.write_str("folder"),
        }
    }
}

/// The most files of one ConfigMap. Names cost a ConfigMap next to nothing, and every change of a site goes through all of them.
pub const MAX_FILES: usize = 512;

/// The files of several sources together, without a copy: of files with one name, that of the first source counts.
#[derive(Clone, Debug, Default)]
pub struct Catalog<'a> {
    sources: Vec<(Origin, &'a Inventory)>,
    /// The first name of each that are spelled alike, once it is asked for.
    alike: OnceCell<HashMap<String, &'a str>>,
}

impl<'a> Catalog<'a> {
    /// A catalog of sources, those first that win.
    pub fn new(sources: Vec<&'a Inventory>) -> Catalog<'a> {
        Catalog::of(sources.into_iter().map(|source| (Origin::Elsewhere, source)).collect())
    }

    /// A catalog of sources, those first that win, with where they stand.
    pub fn of(sources: Vec<(Origin, &'a Inventory)>) -> Catalog<'a> {
        Catalog { sources, alike: OnceCell::new() }
    }

    /// The file of this name.
    pub fn get(&self, name: &str) -> Option<&'a FirmwareFile> {
        self.sources.iter().find_map(|(_, source)| source.get(name))
    }

    /// The file that phones get when they ask for a name, and its own name: whatever its case, and without the folders if it is
    /// not there with them.
    pub fn asked(&self, requested: &str) -> Option<(&'a str, &'a FirmwareFile)> {
        looked_for(requested).find_map(|name| {
            let own = |(_, source): &(Origin, &'a Inventory)| source.get_key_value(&name);
            let found = self.sources.iter().find_map(own);
            let found = found.map(|(name, file)| (name.as_str(), file));
            found.or_else(|| {
                let near = self.find_name(|key| key.eq_ignore_ascii_case(&name))?;
                Some((near, self.get(near)?))
            })
        })
    }

    /// All files that phones can get, each once, with where they come from.
    pub fn files(&self) -> impl Iterator<Item = (Origin, &'a str, &'a FirmwareFile)> + use<'_, 'a> {
        let sources = self.sources.iter().enumerate();
        sources.flat_map(move |(i, (origin, source))| {
            let wins = move |name: &str| !self.sources[..i].iter().any(|(_, before)| before.contains_key(name));
            let files = source.iter().filter(move |(name, _)| wins(name));
            files.map(|(name, file)| (*origin, name.as_str(), file))
        })
    }

    /// The names of all files; one that several sources have stands there several times.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.sources.iter().flat_map(|(_, source)| source.keys()).map(String::as_str)
    }

    /// The first name in the order of names that is accepted.
    pub fn find_name(&self, accept: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.names().filter(|name| accept(name)).min()
    }

    /// The first name in the order of names that is spelled nearly like this one. An image that is not whole asks for each of its
    /// files, and a site may have many such images: all names are gone through once.
    fn spelled_like(&self, file: &str) -> Option<&'a str> {
        let alike = self.alike.get_or_init(|| {
            let mut alike = HashMap::new();
            for name in self.names() {
                alike.entry(spelling(name)).and_modify(|first: &mut &str| *first = name.min(first)).or_insert(name);
            }
            alike
        });
        alike.get(&spelling(file)).copied()
    }
}

/// The files that phones need for an image.
pub fn files_of(name: &str, catalog: &Catalog<'_>) -> Vec<String> {
    let Some(image) = Image::parse(name).filter(Image::uses_loader) else {
        return vec![format!("{name}.bin")];
    };
    let loads = format!("{name}.loads");
    let named = catalog.get(&loads).map(|file| file.parts.clone()).unwrap_or_default();
    let parts = match (named.is_empty(), image.loader()) {
        (false, _) => named,
        (true, Some(loader)) => vec![format!("{loader}.sbn"), format!("{name}.sb2")],
        (true, None) => vec![format!("{name}.sb2")],
    };
    std::iter::once(loads).chain(parts).collect()
}

/// The files that phones need for an image, with their sizes.
pub fn sizes(name: &str, catalog: &Catalog<'_>) -> Vec<(String, u64)> {
    let size = |file: &String| catalog.get(file).map_or(0, |found| found.size as u64);
    files_of(name, catalog).into_iter().map(|file| (file.clone(), size(&file))).collect()
}

/// Something that keeps an image from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageProblem {
    /// The file that should be there.
    pub file: String,
    /// The file that is there: that one, or one of nearly the same name.
    pub found: Option<String>,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl fmt::Display for ImageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.what)
    }
}

/// What keeps an image from being whole; nothing if it is.
pub fn problems(name: &str, catalog: &Catalog<'_>, checksums: &BTreeMap<String, String>) -> Vec<ImageProblem> {
    let mut problems = Vec::new();
    for file in files_of(name, catalog) {
        let (found, what) = match catalog.get(&file) {
            None => match catalog.spelled_like(&file) {
                Some(near) => (Some(near.to_owned()), format!("is missing; there is {near}: rename it")),
                None => (None, "is missing".to_owned()),
            },
            Some(held) => match wrong(name, &file, held, checksums) {
                Some(what) => (Some(file.clone()), what),
                None => continue,
            },
        };
        problems.push(ImageProblem { file, found, what });
    }
    problems
}

/// What is wrong with a file that is there.
fn wrong(image: &str, file: &str, held: &FirmwareFile, checksums: &BTreeMap<String, String>) -> Option<String> {
    if held.size == 0 {
        return Some("is empty".to_owned());
    }
    if let Some(expected) = checksums.get(file).filter(|expected| Digest::from_hex(expected) != Some(held.digest)) {
        return Some(format!("has the SHA-256 {}, not {expected} as in checksums", held.digest));
    }
    if let Some(what) = image::implausible(held.first) {
        return Some(what.to_owned());
    }
    let application = format!("{image}.sb2");
    let sip = Image::parse(image).is_some_and(|image| image.protocol == Protocol::Sip);
    if file.ends_with(".loads") && held.parts.is_empty() {
        return Some("names no parts of an image: is it cut off, or another file?".to_owned());
    }
    if file.ends_with(".loads") && sip && !held.parts.contains(&application) {
        let parts = held.parts.join(", ");
        return Some(format!("names {parts} and not {application}: is it that of another image, renamed?"));
    }
    None
}

/// What names have in common that differ only by case, by the letter O for a zero, or by a zero too many or too few, as in 8-6 and
/// 08-6.
fn spelling(name: &str) -> String {
    let upper = name.to_ascii_uppercase().replace('O', "0");
    upper.split('-').map(|part| part.trim_start_matches('0')).collect::<Vec<_>>().join("-")
}

/// The image that `OS79XX.TXT` should name for a target.
pub fn bootstrap(target: &str) -> String {
    Image::parse(target).and_then(|image| image.loader()).unwrap_or_else(|| image::BOOTSTRAP.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, held: &Inventory, checksums: &BTreeMap<String, String>) -> Vec<String> {
        problems(name, &Catalog::new(vec![held]), checksums).iter().map(ToString::to_string).collect()
    }

    fn inventory(files: &[(&str, &[u8])]) -> Inventory {
        files.iter().map(|(name, bytes)| ((*name).to_owned(), FirmwareFile::new(name, bytes))).collect()
    }

    #[test]
    fn an_image_before_7_is_one_file() {
        let held = inventory(&[("P0S3-06-3-00.bin", b"x")]);
        assert_eq!(said("P0S3-06-3-00", &held, &BTreeMap::new()), Vec::<String>::new());
        assert_eq!(said("P0S30202", &held, &BTreeMap::new()), ["P0S30202.bin is missing"]);
    }

    #[test]
    fn an_image_from_7_on_is_what_its_loads_file_names() {
        let loads =
            b"\x01\x00\x02sig\x00\xffP0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\nLA_VERSION=PAS30830\n";
        let mut held = inventory(&[("P0S3-8-12-00.loads", loads), ("P003-8-12-00.sbn", b"a")]);
        assert_eq!(said("P0S3-8-12-00", &held, &BTreeMap::new()), ["P0S3-8-12-00.sb2 is missing"]);
        held.insert("P0S3-8-12-00.sb2".into(), FirmwareFile::new("P0S3-8-12-00.sb2", b"b"));
        assert!(problems("P0S3-8-12-00", &Catalog::new(vec![&held]), &BTreeMap::new()).is_empty());
    }

    #[test]
    fn near_misses_and_wrong_checksums_are_named() {
        let held = inventory(&[("POS3-06-3-00.bin", b"x"), ("P0S30202.bin", b"y")]);
        assert_eq!(
            said("P0S3-06-3-00", &held, &BTreeMap::new()),
            ["P0S3-06-3-00.bin is missing; there is POS3-06-3-00.bin: rename it"]
        );
        let held = inventory(&[("P0S3-8-6-00.bin", b"x"), ("P0S30202.bin", b"<!DOCTYPE html>")]);
        assert!(said("P0S3-08-6-00", &held, &BTreeMap::new())[0].contains("P0S3-08-6-00.loads is missing"));
        assert_eq!(Catalog::new(vec![&held]).spelled_like("P0S3-08-6-00.bin"), Some("P0S3-8-6-00.bin"));
        assert_eq!(
            said("P0S30202", &held, &BTreeMap::new()),
            ["P0S30202.bin is a web page, not firmware: was it an error that was saved?"]
        );
        let held = inventory(&[("P0S30202.bin", b"y")]);
        let checksums = BTreeMap::from([("P0S30202.bin".to_owned(), "0".repeat(64))]);
        assert!(said("P0S30202", &held, &checksums)[0].contains("as in checksums"));
    }

    #[test]
    fn names_that_are_almost_right_are_found() {
        for near in ["POS3-08-6-00.SB2", "p0s3-08-6-00.sb2", "P0S3-8-6-00.sb2", "P0S3-08-6-0.sb2", "PoS3-08-06-00.sb2"]
        {
            assert_eq!(Catalog::new(vec![&inventory(&[(near, b"x")])]).spelled_like("P0S3-08-6-00.sb2"), Some(near));
        }
        let other = inventory(&[("P0S3-08-7-00.sb2", b"x")]);
        assert_eq!(Catalog::new(vec![&other]).spelled_like("P0S3-08-6-00.sb2"), None);
    }

    #[test]
    fn a_loads_file_that_is_cut_off_or_of_another_image_is_named() {
        let other = b"\x01sig\nP003-08-11-00.sbn\nP0S3-08-11-00.sb2\n";
        for (bytes, words) in [(&b"\x01sig"[..], "names no parts"), (other, "and not P0S3-8-12-00.sb2")] {
            let files: [(&str, &[u8]); 5] = [
                ("P0S3-8-12-00.loads", bytes),
                ("P003-8-12-00.sbn", b"a"),
                ("P0S3-8-12-00.sb2", b"b"),
                ("P003-08-11-00.sbn", b"a"),
                ("P0S3-08-11-00.sb2", b"b"),
            ];
            let said = said("P0S3-8-12-00", &inventory(&files), &BTreeMap::new());
            assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
        }
    }

    #[test]
    fn the_bootstrap_follows_the_era() {
        assert_eq!(bootstrap("P0S3-06-3-00"), "P0S30202");
        assert_eq!(bootstrap("P0S3-07-4-00"), "P003-07-4-00");
    }
}
