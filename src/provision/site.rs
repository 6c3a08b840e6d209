//! A site's own files: what all of its phones share.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{PhoneSiteSpec, UnsetParameters};
use crate::phone::dialplan::{self, Template};
use crate::phone::image::{self, Image, Release};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{Place, check_file_name, check_host};
use crate::phone::{boot, ringlist, text};

use super::File;
use super::diagnostic::{Diagnostic, reason};
use super::digest::Digest;
use super::firmware;
use super::values::{Secrets, Values};

/// What a phone's own file depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneBase {
    /// What is written for parameters that nobody set.
    pub unset: UnsetParameters,
    /// The image that phones should run.
    pub image: Option<String>,
    /// The SIP server of each line, and its port.
    pub proxies: [Option<(String, String)>; MAX_LINES],
}

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
}

impl SitePlan {
    /// The digest of `SIPDefault.cnf`.
    pub fn common(&self) -> Option<Digest> {
        self.files.iter().find(|f| f.name == boot::SIP_DEFAULT).map(|f| f.digest)
    }
}

/// The release that an image's name tells.
pub fn release(image: Option<&str>) -> Option<Release> {
    image.and_then(Image::parse).and_then(|image| image.release)
}

/// Renders a site. `None` while a Secret is unread; errors are among `found`, and then the plan must not be served.
pub fn plan(
    spec: &PhoneSiteSpec,
    staged: &BTreeSet<String>,
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
    values.take_extra(&spec.extra_parameters, found);
    let told = image.as_deref().filter(|image| staged.contains(*image));
    if let Some(image) = told {
        values.set("image_version", image);
    }
    // Phones look for their own file where this says; everything is served from one folder.
    values.set("tftp_cfg_dir", "");
    let dial_rules = spec.dial_plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
    if !dial_rules.is_empty() && values.get("dial_template").is_none_or(str::is_empty) {
        values.set("dial_template", "dialplan");
    }
    if spec.unset_parameters == UnsetParameters::Reset {
        values.reset(release(image.as_deref()), |p| matches!(p.place, Place::Either | Place::Site));
    }

    let mut files = vec![File::new(boot::SIP_DEFAULT, values.write())];
    if !dial_rules.is_empty() {
        let name = values.get("dial_template").unwrap_or("dialplan");
        files.push(File::new(format!("{name}.xml"), dial_plan(dial_rules, found)));
    }
    if !spec.ring_list.is_empty() {
        files.push(File::new(ringlist::FILE, ring_list(spec, found)));
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

    let base = PhoneBase { unset: spec.unset_parameters, image, proxies: proxies(&values) };
    let sources = firmware_spec.source.map(|s| s.config_maps.into_iter().map(|c| c.name).collect()).unwrap_or_default();
    let plan = SitePlan { base, files, secret: values.secret, bootstrap, sources, checksums: firmware_spec.checksums };
    (!values.unread).then_some(plan)
}

/// The proxies of all lines: where a line has none of its own, the phone takes that of line 1.
fn proxies(values: &Values) -> [Option<(String, String)>; MAX_LINES] {
    let proxy = |n: usize| {
        let address = values.get(&format!("proxy{n}_address")).filter(|a| !a.is_empty())?;
        let port = values.get(&format!("proxy{n}_port")).unwrap_or("5060");
        Some((address.to_owned(), port.to_owned()))
    };
    let first = proxy(1);
    std::array::from_fn(|i| proxy(i + 1).or_else(|| first.clone()))
}

/// Checks an image's name: what is no name at all is an error, what phones would not find is a warning.
pub fn check_image(path: &str, name: Option<&str>, found: &mut Vec<Diagnostic>) {
    let Some(name) = name else { return };
    if name.is_empty()
        || name.len() > image::NAME_MAX
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        found.push(Diagnostic::invalid(path, format!("is {name:?}; an image's name has letters, digits, '-' and '_' only, at most 60 of them, and no extension")));
    } else if let Some(meant) = image::did_you_mean(name) {
        found.push(Diagnostic::warning(
            reason::IMAGE_NAME,
            path,
            format!("is {name:?}; Cisco's images are named with the digit 0: did you mean {meant}?"),
        ));
    } else if Image::parse(name).is_none() {
        found.push(Diagnostic::warning(
            reason::IMAGE_NAME,
            path,
            format!("is {name:?}, which does not look like an image for these phones, such as P0S3-07-4-00"),
        ));
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
    let bytes = dialplan::write(rules.iter().map(|rule| Template {
        pattern: &rule.pattern,
        timeout: rule.timeout,
        user: rule.user.map(crate::api::DialUser::word),
        rewrite: rule.rewrite.as_deref(),
        route: rule.route.as_deref(),
        tones: &rule.tones,
    }));
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
        if let Err(problem) = text::check(&ring.name, 31) {
            found.push(Diagnostic::invalid(format!("spec.ringList[{i}].name"), problem.to_string()));
        }
        if let Err(problem) = check_file_name(&ring.file) {
            found.push(Diagnostic::invalid(format!("spec.ringList[{i}].file"), problem));
        }
    }
    ringlist::write(spec.ring_list.iter().map(|ring| ringlist::Ring { name: &ring.name, file: &ring.file }))
}
