//! A site's own files: what all of its phones share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{PhoneSiteSpec, Rollout, UnsetParameters};
use crate::phone::dialplan;
use crate::phone::image::{self, Image, Release};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{Parameter, Place, check_file_name, check_host};
use crate::phone::{Mac, boot, ringlist, syncinfo, text};

use super::File;
use super::advice;
use super::diagnostic::{Diagnostic, reason};
use super::firmware;
use super::lint;
use super::resync::Hours;
use super::values::{Secrets, Values};
use crate::base::digest::Digest;

/// What a phone's own file depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneBase {
    /// What is written for parameters that nobody set.
    pub unset: UnsetParameters,
    /// The image that phones should run.
    pub image: Option<String>,
    /// How phones are held back, if they are.
    pub rollout: Option<Rollout>,
    /// What people set on the site although it has its place on a phone, such as a line's display name that all share.
    pub shared: BTreeSet<&'static str>,
    /// Whether the site sets a password of its own for telnet and the console.
    pub password: bool,
    /// The SIP server of each line, and its port.
    pub proxies: [Option<Proxy>; MAX_LINES],
}

/// A SIP server's address and port, which the lines of a site share.
pub type Proxy = Arc<(String, String)>;

/// A site that can be served.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// What its phones' files depend on.
    pub base: PhoneBase,
    /// The files that all phones share.
    pub files: Vec<File>,
    /// Whether one of them holds a password.
    pub secret: bool,
    /// What `OS79XX.TXT` names, if it is served.
    pub bootstrap: Option<String>,
    /// The ConfigMaps with firmware.
    pub sources: Vec<String>,
    /// What firmware files must hash to.
    pub checksums: BTreeMap<String, String>,
    /// Whether some firmware files can be seen in the pods only.
    pub outside: bool,
    /// When phones may be told to fetch a change; at any time if nobody says.
    pub hours: Option<Hours>,
}

impl SitePlan {
    /// `SIPDefault.cnf`.
    pub fn common(&self) -> Option<&File> {
        self.files.iter().find(|file| file.name == boot::SIP_DEFAULT)
    }
}

/// The release that an image's name tells.
pub fn release(image: Option<&str>) -> Option<Release> {
    image.and_then(Image::parse).and_then(|image| image.release)
}

/// Renders a site; `notifies` if one of its phones is told of changes by SIP NOTIFY. `None` while a Secret is unread; errors are among `found`, and then the plan must not be served.
pub fn plan(
    spec: &PhoneSiteSpec,
    staged: &BTreeSet<String>,
    notifies: bool,
    secrets: &Secrets<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<SitePlan> {
    let firmware_spec = spec.firmware.clone().unwrap_or_default();
    let image = firmware_spec.image;
    check_image("spec.firmware.image", image.as_deref(), found);
    check_image("spec.firmware.bootstrap", firmware_spec.bootstrap.as_deref(), found);
    for (file, sum) in &firmware_spec.checksums {
        if Digest::from_hex(sum).is_none() {
            found.push(Diagnostic::invalid(
                format!("spec.firmware.checksums.{file}"),
                "must be a SHA-256 of 64 hexadecimal digits",
            ));
        }
    }

    let mut values = Values::default();
    values.take_settings(&spec.settings, Place::Site, secrets, found);
    values.take_extra(&spec.extra_parameters, Place::Site, found);
    values.take_secret_parameters(&spec.secret_parameters, secrets, found);
    let rollout = firmware_spec.rollout.filter(Rollout::holds_back);
    // What all phones share names no image that some of them are to wait for.
    let told = image.as_deref().filter(|image| rollout.is_none() && staged.contains(*image));
    take_image(&mut values, image.as_deref(), told, found);
    let dial_rules = spec.dial_plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
    lint::site(spec, &values, found);
    if spec.unset_parameters == UnsetParameters::Reset {
        if !dial_rules.is_empty() && values.get("dial_template").is_none_or(str::is_empty) {
            values.set("dial_template", DIAL_TEMPLATE);
        }
        let common = |p: &Parameter| matches!(p.place, Place::Either | Place::Site) || p.name == "tftp_cfg_dir";
        values.reset(release(image.as_deref()), common);
    }

    let common = common_file(&mut values, release(image.as_deref()), found);
    let mut files = vec![File::new(boot::SIP_DEFAULT, common)];
    if !dial_rules.is_empty() {
        let name = values.given("dial_template").filter(|name| check_file_name(name).is_ok()).unwrap_or(DIAL_TEMPLATE);
        let file = format!("{name}.xml");
        if is_taken(&file) {
            let field = values.field("dial_template").unwrap_or("spec.settings.dialTemplate");
            found.push(Diagnostic::invalid(
                field,
                format!("is {name:?}, and {file} is another file of its own: choose another name"),
            ));
        }
        files.push(File::new(file, dial_plan(dial_rules, found)));
    }
    if !spec.ring_list.is_empty() {
        files.push(File::new(ringlist::FILE, ring_list(spec, found)));
    }
    if notifies {
        files.push(File::new(syncinfo::FILE, syncinfo::write()));
    }
    // A phone is told of a loader's era only when its files are there; the 2.2 image is only a stepping stone.
    let bootstrap = firmware_spec.bootstrap.or_else(|| {
        let image = image.as_deref()?;
        let uses_loader = Image::parse(image).is_some_and(|image| image.uses_loader());
        (!uses_loader || told.is_some()).then(|| firmware::bootstrap(image))
    });
    if let Some(bootstrap) = &bootstrap {
        files.push(File::new(boot::OS79XX, boot::os79xx(bootstrap)));
    }
    if let Some(image) = told.filter(|image| Image::parse(image).is_some_and(|image| image.uses_loader())) {
        files.push(File::new(boot::XML_DEFAULT, boot::xml_default(image)));
    }

    let password = values.field("phone_password").is_some() && values.given("phone_password") != Some("cisco");
    let of_phones = |p: &Parameter| matches!(p.place, Place::Phone | Place::Elsewhere) && p.name != "image_version";
    let shared = values.by_people().filter(|(p, ..)| of_phones(p)).map(|(p, ..)| p.name.as_str()).collect();
    let base = PhoneBase { unset: spec.unset_parameters, image, rollout, shared, password, proxies: proxies(&values) };
    let sources = spec.config_maps().map(str::to_owned).collect();
    let hours = hours(spec, found);
    let source = firmware_spec.source.unwrap_or_default();
    let outside = source.is_pod_side();
    let (secret, mut checksums) = (values.secret, firmware_spec.checksums);
    for (i, one) in source.urls.iter().enumerate() {
        let (path, file) = (format!("spec.firmware.source.urls[{i}]"), one.file_name());
        if let Err(problem) = check_file_name(file) {
            found.push(Diagnostic::invalid(format!("{path}.file"), problem));
        }
        match checksums.insert(file.to_owned(), one.sha256.clone()) {
            Some(before) if !before.eq_ignore_ascii_case(&one.sha256) => {
                let what = format!("is another one than that of {file} elsewhere in spec.firmware");
                found.push(Diagnostic::invalid(format!("{path}.sha256"), what));
            }
            _ => {}
        }
    }
    let plan = SitePlan { base, files, secret, bootstrap, sources, checksums, outside, hours };
    (!values.unread).then_some(plan)
}

/// Whether phones ask for a file of this name for something other than a dial plan.
fn is_taken(file: &str) -> bool {
    [syncinfo::FILE, boot::XML_DEFAULT].iter().any(|own| own.eq_ignore_ascii_case(file))
        || Mac::from_file_name(file).is_some()
}

/// When phones may be told to fetch a change.
fn hours(spec: &PhoneSiteSpec, found: &mut Vec<Diagnostic>) -> Option<Hours> {
    let window = spec.resync.as_ref()?.window.as_ref()?;
    let usual = spec.settings.0.get("timeZone").and_then(serde_json::Value::as_str);
    match Hours::new(window, usual) {
        Ok(hours) => Some(hours),
        Err((field, problem)) => {
            found.push(Diagnostic::invalid(format!("spec.resync.window.{field}"), problem));
            None
        }
    }
}

/// The proxies of all lines: where a line has none of its own, the phone takes that of line 1.
fn proxies(values: &Values) -> [Option<Proxy>; MAX_LINES] {
    let proxy = |n: usize| {
        let address = values.get(&format!("proxy{n}_address")).filter(|a| !a.is_empty())?;
        let port = values.get(&format!("proxy{n}_port")).unwrap_or("5060");
        Some(Proxy::new((address.to_owned(), port.to_owned())))
    };
    let first = proxy(1);
    std::array::from_fn(|i| proxy(i + 1).or_else(|| first.clone()))
}

/// The dial plan's file, without extension, if nobody named another.
pub const DIAL_TEMPLATE: &str = "dialplan";

/// The most bytes of `SIPDefault.cnf` that firmware before 5.0 was seen to load.
const OLD_BUDGET: usize = 4096;
/// Beyond this no phone was seen to load it.
const BUDGET: usize = 8192;

/// Writes `SIPDefault.cnf` within what the firmware can load.
fn common_file(values: &mut Values, firmware: Option<Release>, found: &mut Vec<Diagnostic>) -> Vec<u8> {
    let old = firmware.is_some_and(|release| release < Release::new(5, 0));
    let gone = if old { values.fit(OLD_BUDGET) } else { Vec::new() };
    if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
        let what = format!("leaves out {} defaults, {first} to {last}", gone.len());
        found.push(Diagnostic::advice(advice::COMMON_FILE_TRIMMED, "spec.settings", what));
    }
    let file = values.write();
    let what = format!("make a SIPDefault.cnf of {} bytes", file.len());
    if old && file.len() - values.extra_size().min(file.len()) > OLD_BUDGET {
        let message =
            format!("{what}; firmware before 5.0 loads at most {OLD_BUDGET}: remove some, or run newer firmware");
        found.push(Diagnostic::error(reason::FILE_TOO_LARGE, "spec.settings", message));
    } else if file.len() > if old { OLD_BUDGET } else { BUDGET } {
        found.push(Diagnostic::advice(advice::COMMON_FILE_LARGE, "spec.settings", what));
    }
    file
}

/// Names the image that phones are told of. `image` is the one that an object wants.
pub fn take_image(values: &mut Values, image: Option<&str>, told: Option<&str>, found: &mut Vec<Diagnostic>) {
    if image.is_none() && told.is_none() {
        return;
    }
    if let Some(field) = values.field("image_version") {
        let message = "is set in firmware.image too: remove one of them";
        found.push(Diagnostic::error(reason::SET_TWICE, field, message));
    } else if let Some(told) = told {
        values.set("image_version", told);
    }
}

/// Checks an image's name: what is no name at all is an error.
pub fn check_image(path: &str, name: Option<&str>, found: &mut Vec<Diagnostic>) {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if let Some(name) = name.filter(|name| name.is_empty() || name.len() > image::NAME_MAX || !name.bytes().all(fine)) {
        found.push(Diagnostic::invalid(path, format!("is {name:?}; an image's name has letters, digits, '-' and '_' only, at most 60 of them, and no extension")));
    }
}

fn dial_plan(rules: &[crate::api::DialRule], found: &mut Vec<Diagnostic>) -> Vec<u8> {
    for (i, rule) in rules.iter().enumerate() {
        let mut check = |field: &str, problem: Result<(), String>| {
            if let Err(problem) = problem {
                found.push(Diagnostic::invalid(format!("spec.dialPlan.templates[{i}].{field}"), problem));
            }
        };
        if rule.pattern.is_empty() {
            check("match", Err("is empty".to_owned()));
        }
        check("match", dialplan::check_attribute(&rule.pattern));
        if let Some(rewrite) = &rule.rewrite {
            check("rewrite", dialplan::check_attribute(rewrite));
        }
        if let Some(route) = &rule.route {
            check("route", check_host(route).and_then(|()| dialplan::check_attribute(route)));
        }
        if rule.timeout.is_some_and(|seconds| !(0..=3600).contains(&seconds)) {
            check("timeout", Err("must be from 0 to 3600 seconds".to_owned()));
        }
        if rule.tones.len() > 3 {
            check("tones", Err("has more than 3 tones".to_owned()));
        }
        for tone in &rule.tones {
            check("tones", dialplan::check_attribute(tone));
        }
    }
    let bytes = dialplan::write(rules.iter().map(crate::api::DialRule::template));
    if bytes.len() > dialplan::MAX_SIZE {
        found.push(Diagnostic::invalid(
            "spec.dialPlan.templates",
            format!("make a file of {} bytes; phones read at most {}: remove rules", bytes.len(), dialplan::MAX_SIZE),
        ));
    }
    bytes
}

fn ring_list(spec: &PhoneSiteSpec, found: &mut Vec<Diagnostic>) -> Vec<u8> {
    for (i, ring) in spec.ring_list.iter().enumerate() {
        let not_empty = |text: &str| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(()) };
        let name = not_empty(&ring.name).and_then(|()| text::check(&ring.name, 31).map_err(|e| e.to_string()));
        let file = not_empty(&ring.file).and_then(|()| check_file_name(&ring.file));
        for (field, checked) in [("name", name), ("file", file)] {
            if let Err(problem) = checked {
                found.push(Diagnostic::invalid(format!("spec.ringList[{i}].{field}"), problem));
            }
        }
    }
    ringlist::write(spec.ring_list.iter().map(|ring| ringlist::Ring { name: &ring.name, file: &ring.file }))
}
