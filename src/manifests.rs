//! Manifests from files, folders and stdin, for the commands that work without a cluster.

mod apply;
mod compare;
mod document;
mod doubt;
mod files;
mod origins;
mod repeated;
pub(crate) mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::Value;

use crate::api::{API_VERSION, GROUP, PhoneSite, SecretKey, SipPhone};
use crate::base::folder::Stamp;
use crate::base::text::printable;
use crate::base::url::without_login;
use crate::near::near;
use crate::phone::Mac;
use crate::provision::consent::{Withheld, of_map, of_secret};
use crate::provision::{Key, Reference};
use document::{check_keys, check_lost, check_site_name, check_size, drop_nulls, key, meant, named, other, typed};
use origins::{BLANK, Origins};
use repeated::Repeated;

/// The objects of a set of manifests. Sites and phones stand with the file that they come from.
#[derive(Default)]
pub struct Manifests {
    sites: BTreeMap<Key, (PhoneSite, String)>,
    phones: BTreeMap<Key, (SipPhone, String)>,
    secrets: BTreeMap<Key, BTreeMap<String, bytes::Bytes>>,
    /// Those of which nothing may be served.
    withheld: BTreeMap<(Reference, Key), Withheld>,
    maps: BTreeMap<Key, BTreeMap<String, bytes::Bytes>>,
    origins: Origins,
    /// Objects that there are, and that cannot be used, with the reason: nothing is concluded from their absence.
    unreadable: BTreeMap<(String, Key), String>,
    repeated: Repeated,
    /// The documents that cannot be used: file, object, field and reason.
    pub errors: Vec<String>,
    /// The namespace of objects that name none, if it is not `default`.
    namespace: Option<String>,
    notes: Vec<String>,
}

/// How paths with manifests are read, as kubectl reads them.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Whether folders in a folder are read, too.
    pub recursive: bool,
    /// The namespace of objects that name none, if it is not `default`.
    pub namespace: Option<String>,
}

impl Manifests {
    /// Reads files and folders; `-` is stdin.
    pub fn read(paths: &[PathBuf], manner: &Manner) -> anyhow::Result<Manifests> {
        let mut manifests = Manifests { namespace: manner.namespace.clone(), ..Manifests::default() };
        for path in paths {
            let below = files::read(path, manner.recursive, &mut |file, text| match text {
                Ok(text) => manifests.take(file, &text),
                Err(why) => manifests.broken(file, &why),
            })?;
            if below > 0 {
                let path = path.display();
                manifests.notes.push(format!(
                    "{path}: {below} files with manifests in folders below it were not read; -R reads them"
                ));
            }
        }
        Ok(manifests)
    }

    /// The state of the files at these paths, as far as somebody may be writing to them.
    pub fn stamps(paths: &[PathBuf], manner: &Manner) -> Vec<(PathBuf, Stamp)> {
        paths.iter().flat_map(|path| files::stamps(path, manner.recursive)).collect()
    }

    /// What a person may not expect of how these were read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads text.
    pub fn parse(name: &str, text: &str) -> Manifests {
        let mut manifests = Manifests::default();
        manifests.take(name, text);
        manifests
    }

    fn take(&mut self, file: &str, text: &str) {
        self.origins.file(file, text);
        match yaml::documents(text) {
            Ok(documents) => documents.into_iter().for_each(|document| self.document(file, document)),
            // The lines after the first show what stands there, which may be a password.
            Err(why) => self.broken(file, why.lines().next().unwrap_or_default()),
        }
    }

    /// Nothing of a file can be used.
    fn broken(&mut self, file: &str, why: &str) {
        let error = format!("{file}: {}", printable(why, MAX_ERROR));
        self.origins.break_off(file, error.clone());
        self.errors.push(error);
    }

    /// Notes what is wrong with a document: values of any length may stand in it, and every document may be wrong.
    fn error(&mut self, file: &str, what: &str) {
        match self.errors.len() {
            ..MAX_ERRORS => self.errors.push(format!("{file}: {}", printable(&without_login(what), MAX_ERROR))),
            MAX_ERRORS => self.errors.push(format!("{file}: there are more errors, which are not shown")),
            _ => {}
        }
    }

    fn document(&mut self, file: &str, mut document: Value) {
        if document.is_null() {
            return;
        }
        if document["kind"] == "List" && document["items"].is_array() {
            // Taken out, not copied: lists may hold lists.
            if let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) {
                if items.is_empty() || items.iter().any(Value::is_null) {
                    self.origins.other(file, BLANK.to_owned(), None);
                }
                items.into_iter().for_each(|item| self.document(file, item));
            }
            return;
        }
        let meta = document.get_mut("metadata").and_then(Value::as_object_mut);
        if let (Some(namespace), Some(meta)) = (&self.namespace, meta)
            && meta.get("namespace").is_none_or(Value::is_null)
        {
            meta.insert("namespace".to_owned(), namespace.clone().into());
        }
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let object = named(&document);
        let result = match (version.as_str(), kind.as_str()) {
            (v, "PhoneSite") if v == API_VERSION => self.site(file, document),
            (v, "SipPhone") if v == API_VERSION => self.phone(file, document),
            (v, kind) if v.split('/').next() == Some(GROUP) && !["PhoneSite", "SipPhone"].contains(&kind) => {
                Err(anyhow::anyhow!("{kind:?} is no kind of {GROUP}: these are PhoneSite and SipPhone"))
            }
            (v, "PhoneSite" | "SipPhone") => {
                Err(anyhow::anyhow!("{kind} of apiVersion {v:?}: it must be {API_VERSION}"))
            }
            ("v1", "Secret") => self.secret(file, document),
            ("v1", "ConfigMap") => self.map(file, document),
            // Objects of other kinds may stand in the same folder.
            (version, kind) => match meant(version, kind) {
                Some(meant) => Err(anyhow::anyhow!("{kind} of apiVersion {version:?}: did its author mean {meant}?")),
                None => {
                    self.origins.other(file, other(&document), document["metadata"]["name"].as_str());
                    Ok(())
                }
            },
        };
        if let Err(error) = result {
            let why = format!("{file}: {}", printable(&format!("{error:#}"), MAX_ERROR));
            // What is nearly the name of a kind was meant to be one.
            let kind = near(&kind, ["PhoneSite", "SipPhone"]).map_or(kind.clone(), str::to_owned);
            self.origins.wrong(file, why.clone());
            // One that stands there twice was read.
            let object = object.filter(|key| !self.repeated.has(&kind, key));
            self.unreadable.extend(object.map(|key| ((kind, key), why)));
            self.error(file, &format!("{error:#}"));
        }
    }

    fn site(&mut self, file: &str, mut document: Value) -> anyhow::Result<()> {
        check_size(&document)?;
        document.get_mut("spec").into_iter().for_each(drop_nulls);
        let spec = document["spec"].clone();
        let site: PhoneSite = typed(document)?;
        let key = key(&site.metadata)?;
        check_site_name(&key)?;
        check_lost("PhoneSite", &key, &spec, &site.spec)?;
        self.origins.object("PhoneSite", &key, file);
        let other = self.sites.insert(key.clone(), (site, file.to_owned()));
        self.repeated.note("PhoneSite", key, other)
    }

    fn phone(&mut self, file: &str, mut document: Value) -> anyhow::Result<()> {
        check_size(&document)?;
        document.get_mut("spec").into_iter().for_each(drop_nulls);
        let spec = document["spec"].clone();
        let phone: SipPhone = typed(document)?;
        let key = key(&phone.metadata)?;
        check_lost("SipPhone", &key, &spec, &phone.spec)?;
        self.origins.object("SipPhone", &key, file);
        let other = self.phones.insert(key.clone(), (phone, file.to_owned()));
        self.repeated.note("SipPhone", key, other)
    }

    fn secret(&mut self, file: &str, document: Value) -> anyhow::Result<()> {
        let secret: Secret = typed(document)?;
        let text = secret.string_data.unwrap_or_default().into_iter().map(|(name, text)| (name, text.into()));
        let data = secret.data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0.into()));
        let (key, data) = (key(&secret.metadata)?, data.chain(text).collect());
        check_keys("Secret", &key, &data)?;
        let why = of_secret(&key.name, secret.type_.as_deref(), secret.metadata.labels.as_ref(), false);
        self.withheld.extend(why.map(|why| ((Reference::Secret, key.clone()), why)));
        self.origins.object("Secret", &key, file);
        self.secrets.insert(key, data);
        Ok(())
    }

    fn map(&mut self, file: &str, document: Value) -> anyhow::Result<()> {
        let map: ConfigMap = typed(document)?;
        let text = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, text.into()));
        let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0.into()));
        let (key, data) = (key(&map.metadata)?, binary.chain(text).collect());
        check_keys("ConfigMap", &key, &data)?;
        let why = of_map(data.len(), map.metadata.labels.as_ref(), false);
        self.withheld.extend(why.map(|why| ((Reference::ConfigMap, key.clone()), why)));
        self.origins.object("ConfigMap", &key, file);
        self.maps.insert(key, data);
        Ok(())
    }

    /// The first object that was among earlier manifests, and is neither among these nor clearly gone.
    pub fn mislaid(&self, before: &Manifests) -> Option<String> {
        self.origins.mislaid(&before.origins).next().map(|(_, why)| why)
    }

    /// The phones of earlier manifests of which these say nothing that can be used, and why.
    pub fn doubtful_phones(&self, before: &Manifests) -> BTreeMap<Key, String> {
        let mislaid = self.origins.mislaid(&before.origins);
        let mislaid = mislaid.filter(|((kind, _), _)| *kind == "SipPhone").map(|((_, key), why)| (key.clone(), why));
        let mut phones: BTreeMap<Key, String> = mislaid.collect();
        let unreadable = self.unreadable.iter().filter(|((kind, _), _)| kind == "SipPhone");
        phones.extend(unreadable.map(|((_, key), why)| (key.clone(), why.clone())));
        phones.extend(self.repeated.of_kind("SipPhone").map(|(key, why)| (key.clone(), why.to_owned())));
        phones.retain(|key, _| before.phones.contains_key(key));
        phones
    }

    /// The phones that are new, and may be meant to take the place of one of earlier manifests that is missing here: they are in
    /// its file, or have its address.
    pub fn successors(&self, before: &Manifests, gone: &Key) -> Vec<&Key> {
        let Some((old, file)) = before.phones.get(gone) else { return Vec::new() };
        let mac = |phone: &SipPhone| phone.spec.mac.parse::<Mac>().ok();
        let takes =
            |phone: &SipPhone, from: &String| from == file || mac(phone).is_some_and(|own| Some(own) == mac(old));
        let new = self.phones.iter().filter(|(key, _)| !before.phones.contains_key(*key));
        new.filter(|(_, (phone, from))| takes(phone, from)).map(|(key, _)| key).collect()
    }

    /// Whether a phone is among them.
    pub fn has_phone(&self, key: &Key) -> bool {
        self.phones.contains_key(key)
    }

    /// Takes ConfigMaps of earlier manifests over that sites name and that are missing here. What there is to say of each.
    pub fn keep_named_maps(&mut self, before: &Manifests) -> Vec<String> {
        let mut kept = Vec::new();
        for (site, file, name) in self
            .sites
            .iter()
            .flat_map(|(key, (site, file))| site.spec.config_maps().map(move |name| (key, file, key.sibling(name))))
        {
            let Some(data) = before.maps.get(&name).filter(|_| !self.maps.contains_key(&name)) else { continue };
            kept.push((name.clone(), data.clone(), format!(
                "{file}: PhoneSite {site}: ConfigMap {name} is no longer among the manifests, and its files go on being served: put it back, or remove its name from the site"
            )));
        }
        kept.into_iter()
            .map(|(name, data, why)| {
                self.maps.insert(name, data);
                why
            })
            .collect()
    }

    /// The sites.
    pub fn sites(&self) -> impl Iterator<Item = &Key> {
        self.sites.keys()
    }

    /// How many phones name a site.
    pub fn phones_of(&self, site: &Key) -> usize {
        let names = |(key, (phone, _)): &(&Key, &(SipPhone, String))| key.sibling(&phone.spec.site_ref.name) == *site;
        self.phones.iter().filter(names).count()
    }

    /// Adds an object that does not come from a file.
    pub fn add(&mut self, from: &str, object: Value) {
        self.document(from, object);
    }

    /// The namespaces of all sites and phones.
    pub fn namespaces(&self) -> BTreeSet<Arc<str>> {
        self.sites.keys().chain(self.phones.keys()).map(|key| key.namespace.clone()).collect()
    }

    /// Drops the sites and phones outside of these namespaces.
    pub fn retain(&mut self, namespaces: &BTreeSet<Arc<str>>) {
        self.sites.retain(|key, _| namespaces.contains(&key.namespace));
        self.phones.retain(|key, _| namespaces.contains(&key.namespace));
    }

    /// The names and keys of all Secrets that sites and phones refer to.
    pub fn secret_keys(&self) -> BTreeSet<(Key, String)> {
        let of = |key: &Key, secret: SecretKey| (key.sibling(secret.name), secret.key);
        let sites = self.sites.iter().flat_map(|(key, (site, _))| {
            let settings = site.spec.settings.secrets().map(|(_, secret)| secret);
            let extra = site.spec.secret_parameters.0.values().cloned();
            settings.chain(extra).map(|secret| of(key, secret)).collect::<Vec<_>>()
        });
        let phones = self.phones.iter().flat_map(|(key, (phone, _))| {
            let settings = phone.spec.settings.secrets().map(|(_, secret)| secret);
            let lines = phone.spec.lines.iter().filter_map(|line| line.password_secret_ref.clone());
            let extra = phone.spec.secret_parameters.0.values().cloned();
            settings.chain(lines).chain(extra).map(|secret| of(key, secret)).collect::<Vec<_>>()
        });
        sites.chain(phones).collect()
    }

    /// The names of all ConfigMaps that sites refer to.
    pub fn map_keys(&self) -> BTreeSet<Key> {
        let of = |(key, (site, _)): (&Key, &(PhoneSite, String))| {
            site.spec.config_maps().map(|name| key.sibling(name)).collect::<Vec<_>>()
        };
        self.sites.iter().flat_map(of).collect()
    }

    /// Whether an object is there, and cannot be used.
    fn is_unreadable(&self, kind: &str, key: &Key) -> bool {
        self.unreadable.contains_key(&(kind.to_owned(), key.clone()))
    }

    /// The file that an object comes from.
    pub fn file_of(&self, kind: &str, key: &Key) -> &str {
        let file = match kind {
            "PhoneSite" => self.sites.get(key).map(|(_, file)| file),
            _ => self.phones.get(key).map(|(_, file)| file),
        };
        file.map_or("", String::as_str)
    }
}

/// The most errors that are kept.
const MAX_ERRORS: usize = 5000;
/// The longest of them, in bytes.
const MAX_ERROR: usize = 1000;
