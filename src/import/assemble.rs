//! Assembles the objects.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::args::Args;
use super::carry::{Files, MAP_SIZE};
use super::convert::{Draft, Style, is_given};
use super::files::{self, Plan};
use super::hoist;
use super::model::Models;
use super::named::{self, Names};
use super::prefix::PREFIX;
use super::report;
use super::tree::{Config, Note, Tree, Weight};
use crate::api::{API_VERSION, PhoneSiteSpec, SipPhoneSpec};
use crate::phone::file_name::{SIP_DEFAULT, dial_plan};
use crate::phone::image::Image;
use crate::phone::parameter::Place;
use crate::phone::{FileName, Mac, Model};
use crate::provision::DIAL_TEMPLATE;
use crate::provision::catalog::{Catalog, inventory};

/// The manifests of a tree, as YAML.
pub fn manifests(tree: &mut Tree, args: &Args) -> anyhow::Result<String> {
    let style = Style { tidy: args.tidy };
    let mut common = tree.common.clone().unwrap_or_default();
    plain_names(tree, &mut common);
    let mut configs = tree.phones.clone();
    let mut names = Names::default();
    let plans = plans(tree, &mut names, &mut common, &mut configs);
    if tree.common.is_none() {
        let why = "is not there; phones keep what they have of the common parameters";
        tree.notes.push(Note::file(SIP_DEFAULT, why));
    }
    report::left_overs(tree);
    let mut site = Draft::new(&common);
    let mut phones: Vec<(Mac, Model, Draft)> = Vec::new();
    let mut models = Models::new(&args.model);
    for (mac, config) in configs {
        let model = models.of(tree, mac, &config);
        let mut draft = Draft::new(&config);
        draft.take_phone(model, &object_name(mac), &mut tree.notes);
        draft.take_rest(Place::Phone, &object_name(mac), style, &mut tree.notes);
        phones.push((mac, model, draft));
    }
    site.take_rest(Place::Site, &secret_name(&args.site), style, &mut tree.notes);
    tree.notes.extend(models.notes());
    if args.hoist && phones.len() > 1 {
        hoist::hoist(&mut site, phones.iter_mut().map(|(_, _, draft)| draft).collect(), &common, &mut tree.notes);
    }
    untype_duplicates(&common, &mut phones, &mut tree.notes);
    let drafts = phones.iter().map(|(mac, _, draft)| (object_name(*mac), draft));
    for (object, draft) in drafts.chain([(args.site.clone(), &site)]) {
        tree.told.extend(draft.told.iter().map(|parameter| (object.clone(), parameter.clone())));
    }

    let files = files::take(tree, &mut names, &plans, args.firmware);
    let mut text = String::new();
    site_objects(args, tree, site, files, &mut phones, &mut text)?;
    for (mac, model, draft) in phones {
        phone_objects(args, mac, model, draft, &mut text)?;
    }
    Ok(text)
}

/// dialtone serves phones' own files under their plain names, in any folder: a prefix that begins a name must go.
fn plain_names(tree: &mut Tree, common: &mut Config) {
    if !tree.prefix().hides_names() {
        return;
    }
    if let Some((name, prefix, line)) = common.values.get_mut(PREFIX) {
        let why = format!(
            "{name} is {prefix:?}: it becomes empty, because dialtone serves each phone's file under its plain name"
        );
        tree.notes.push(Note::line(&common.file, *line, why).weighing(Weight::Minor));
        prefix.clear();
    }
}

/// An object of one of our kinds; its fields have the order of the type, which is made for reading.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<S> {
    api_version: String,
    kind: &'static str,
    metadata: Value,
    spec: S,
}

fn document<S: Serialize + DeserializeOwned>(
    args: &Args,
    kind: &'static str,
    name: &str,
    spec: Map<String, Value>,
    text: &mut String,
) -> anyhow::Result<()> {
    let spec: S = serde_json::from_value(spec.into())?;
    let document = Document { api_version: API_VERSION.to_owned(), kind, metadata: metadata(args, name), spec };
    push(text, &document)
}

fn push(text: &mut String, object: &impl Serialize) -> anyhow::Result<()> {
    text.push_str("---\n");
    text.push_str(&serde_saphyr::to_string(object)?);
    Ok(())
}

/// Two phones cannot have one line on one proxy: the later one's becomes extra parameters.
fn untype_duplicates(common: &Config, phones: &mut [(Mac, Model, Draft)], notes: &mut Vec<Note>) {
    let port_of_site = |n: usize| common.get(&format!("proxy{n}_port")).unwrap_or("5060").to_owned();
    let of_site = |n: usize| {
        let address = common.get(&format!("proxy{n}_address")).filter(|address| !address.is_empty())?;
        Some((address.to_ascii_lowercase(), port_of_site(n)))
    };
    let mut taken: BTreeMap<(String, Option<(String, String)>), String> = BTreeMap::new();
    for (_, _, draft) in phones {
        let mut claims = Vec::new();
        for (key, line) in &draft.lines {
            let own = |n: usize| {
                let proxy = draft.lines.get(&n)?.get("proxy")?;
                let port = proxy["port"].as_i64().map_or_else(|| port_of_site(n), |port| port.to_string());
                Some((proxy["address"].as_str()?.to_ascii_lowercase(), port))
            };
            let proxy = |n: usize| own(n).or_else(|| of_site(n));
            let name = line.get("name").and_then(Value::as_str).unwrap_or_default();
            claims.push((name.to_owned(), proxy(*key).or_else(|| proxy(1))));
        }
        match claims.iter().find_map(|claim| taken.get(claim).map(|other| (claim, other))) {
            Some(((name, _), other)) => {
                let why = format!(
                    "{other} has a line {name} on the same proxy too; this one's lines are kept as they are in extraParameters"
                );
                notes.push(Note::file(&draft.file, why));
                draft.untype_lines();
            }
            None => taken.extend(claims.into_iter().map(|claim| (claim, draft.file.clone()))),
        }
    }
}

/// The dial plans that configuration files name, the site's first. Where a plan is served under another name than before,
/// `dial_template` says so from here on.
fn plans(tree: &mut Tree, names: &mut Names, common: &mut Config, phones: &mut BTreeMap<Mac, Config>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for (of_site, config) in std::iter::once((true, common)).chain(phones.values_mut().map(|config| (false, config))) {
        match config.values.get_mut(DIAL_TEMPLATE_PARAMETER) {
            Some((_, template, _)) if is_given(template) => {
                let plan = Plan { template: template.clone(), by: config.file.clone(), of_site };
                if let Some(next) = names.template(tree, template) {
                    *template = next;
                }
                let file = |plan: &Plan| named::find(tree, &dial_plan(&plan.template));
                let is_same = |other: &Plan| {
                    other.template == plan.template || file(&plan).is_some_and(|own| file(other) == Some(own))
                };
                if !plans.iter().any(is_same) {
                    plans.push(plan);
                }
            }
            // Who says that there is none wants none.
            Some(_) => {}
            None if of_site && tree.find(&dial_plan(DIAL_TEMPLATE)).is_some() => {
                plans.push(Plan { template: DIAL_TEMPLATE.to_owned(), by: String::new(), of_site });
            }
            None => {}
        }
    }
    plans
}

/// The parameter that names a dial plan.
const DIAL_TEMPLATE_PARAMETER: &str = "dial_template";

fn site_objects(
    args: &Args,
    tree: &mut Tree,
    mut site: Draft,
    files: Files,
    phones: &mut [(Mac, Model, Draft)],
    text: &mut String,
) -> anyhow::Result<()> {
    secret(args, &secret_name(&args.site), &site, text)?;
    let maps = |kind: &str, parts: Vec<BTreeMap<String, Vec<u8>>>| -> Vec<(String, Value)> {
        let number = |i: usize| if i == 0 { String::new() } else { format!("-{}", i + 1) };
        let named = |(i, files)| (format!("{}-{kind}{}", args.site, number(i)), files);
        parts
            .into_iter()
            .enumerate()
            .map(named)
            .map(|(name, files)| (name.clone(), config_map(args, &name, files)))
            .collect()
    };
    let mut spec = files.spec;
    let firmware = files.firmware;
    let inventory = inventory(&firmware);
    let catalog = Catalog::new(vec![&inventory]);
    for draft in std::iter::once(&mut site).chain(phones.iter_mut().map(|(_, _, draft)| draft)) {
        if let Some(image) = draft.image().filter(|image| files::is_whole(image, &catalog)).map(str::to_owned) {
            draft.extra.remove("image_version");
            draft.settings.insert(IMAGE.to_owned(), image.into());
        }
    }
    let firmware_maps = maps("firmware", files::pack(firmware, MAP_SIZE));
    if !firmware_maps.is_empty() {
        let names: Vec<Value> = firmware_maps.iter().map(|(name, _)| json!({"name": name})).collect();
        spec.entry("firmware").or_insert_with(|| json!({}))["source"] = json!({"configMaps": names});
    }
    if let Some(image) = site.settings.remove(IMAGE) {
        spec.entry("firmware").or_insert_with(|| json!({}))["image"] = image;
    }
    let mut others = files.others;
    if let Some(image) = spec.get("firmware").and_then(|firmware| firmware["image"].as_str()) {
        // dialtone writes the loaders' files of its phones itself.
        let uses_loader = Image::parse(image).is_some_and(|image| image.uses_loader());
        let is_own = |mac: Mac| phones.iter().any(|(own, ..)| *own == mac);
        let names_image = |name: &str| match FileName::parse(name) {
            FileName::XmlDefault => true,
            FileName::Sep(mac) => mac.is_some_and(is_own),
            _ => false,
        };
        let (gone, kept): (BTreeMap<_, _>, _) =
            others.into_iter().partition(|(name, _)| uses_loader && names_image(name));
        others = kept;
        for name in gone.into_keys() {
            let why = format!("not used: dialtone manages the image, {image}, and writes this file itself");
            tree.notes.push(Note::file(&name, why));
        }
    }
    let mut parts = files::pack(others.clone(), files::SMALL_MAP_SIZE);
    if parts.len() > FILE_MAPS {
        parts = files::pack(others, MAP_SIZE);
    }
    let other_maps = maps("files", parts);
    if !other_maps.is_empty() {
        let names: Vec<Value> = other_maps.iter().map(|(name, _)| json!({"name": name})).collect();
        spec.insert("files".to_owned(), json!({"configMaps": names}));
    }
    for (_, map) in firmware_maps.into_iter().chain(other_maps) {
        push(text, &map)?;
    }
    spec.insert("unsetParameters".to_owned(), "Keep".into());
    parameters(&mut spec, site, &secret_name(&args.site));
    document::<PhoneSiteSpec>(args, "PhoneSite", &args.site, spec, text)
}

/// The most ConfigMaps that a site takes files from.
const FILE_MAPS: usize = 16;

/// The temporary key in `settings` of an image that dialtone will manage; no setting has such a name.
const IMAGE: &str = "firmware.image";

fn phone_objects(args: &Args, mac: Mac, model: Model, mut draft: Draft, text: &mut String) -> anyhow::Result<()> {
    let name = object_name(mac);
    secret(args, &name, &draft, text)?;
    let mut spec = Map::new();
    spec.insert("siteRef".to_owned(), json!({"name": args.site}));
    spec.insert("mac".to_owned(), mac.to_string().into());
    spec.insert("model".to_owned(), model.name().into());
    if let Some(label) = draft.label.take() {
        spec.insert("label".to_owned(), label.into());
    }
    if !draft.lines.is_empty() {
        spec.insert("lines".to_owned(), draft.take_lines().into());
    }
    if let Some(image) = draft.settings.remove(IMAGE) {
        spec.insert("firmware".to_owned(), json!({"image": image}));
    }
    parameters(&mut spec, draft, &name);
    document::<SipPhoneSpec>(args, "SipPhone", &name, spec, text)
}

fn parameters(spec: &mut Map<String, Value>, draft: Draft, secret: &str) {
    if !draft.settings.is_empty() {
        spec.insert("settings".to_owned(), draft.settings.into());
    }
    if !draft.extra.is_empty() {
        spec.insert("extraParameters".to_owned(), json!(draft.extra));
    }
    if !draft.secret_parameters.is_empty() {
        let named = |name: String| (name.clone(), json!({"name": secret, "key": name}));
        let parameters: Map<String, Value> = draft.secret_parameters.into_iter().map(named).collect();
        spec.insert("secretParameters".to_owned(), parameters.into());
    }
}

fn metadata(args: &Args, name: &str) -> Value {
    match &args.namespace {
        Some(namespace) => json!({"name": name, "namespace": namespace}),
        None => json!({"name": name}),
    }
}

fn secret(args: &Args, name: &str, draft: &Draft, text: &mut String) -> anyhow::Result<()> {
    if draft.secrets.is_empty() {
        return Ok(());
    }
    let object =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(args, name), "stringData": draft.secrets});
    push(text, &object)
}

fn config_map(args: &Args, name: &str, files: BTreeMap<String, Vec<u8>>) -> Value {
    let data: BTreeMap<String, k8s_openapi::ByteString> =
        files.into_iter().map(|(name, bytes)| (name, k8s_openapi::ByteString(bytes))).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(args, name), "binaryData": data})
}

/// The name of a phone's objects.
fn object_name(mac: Mac) -> String {
    format!("phone-{}", mac.to_string().to_ascii_lowercase())
}

fn secret_name(site: &str) -> String {
    format!("{site}-passwords")
}
