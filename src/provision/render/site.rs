//! A site's own files: what all of its phones share.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::{DialPlan, PhoneSiteSpec, Reason, Rollout, UnsetParameters};
use crate::phone::dialplan;
use crate::phone::file_name::{dial_plan as dial_plan_file, looked_for};
use crate::phone::image::{Image, Release};
use crate::phone::parameter::{Parameter, Place, check_file_name};
use crate::phone::{FileName, boot, ringlist, syncinfo, text};

use super::{dial_rules, lint, lint_files, reachable};
use crate::base::digest::Digest;
use crate::provision::File;
use crate::provision::advice;
use crate::provision::catalog::{self, Catalog, FirmwareFile};
use crate::provision::contents::Content;
use crate::provision::contents::dial_plan::{self, USUAL_NAME as DIAL_TEMPLATE};
use crate::provision::contents::own_plan::OwnPlans;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::networks::PhoneNetworks;
use crate::provision::render::doubt::Owner;
use crate::provision::render::image_field::{check_image, take_image};
use crate::provision::render::plan::{CommonFiles, PhoneBase, Rendering, SitePlan, release};
use crate::provision::render::plans::{FilesView, Plans};
use crate::provision::render::reach::Reach;
use crate::provision::render::secret_value::Secrets;
use crate::provision::render::values::Values;
use crate::provision::render::view::SiteView;
use crate::provision::resync::Hours;

/// What a site is rendered from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its spec.
    pub spec: &'a PhoneSiteSpec,
    /// The images that files may name.
    pub staged: &'a BTreeSet<String>,
    /// Whether one of its phones is notified of changes by SIP NOTIFY.
    pub notifies: bool,
    /// The files that phones get from its sources; nothing while one has not been read.
    pub catalog: Option<&'a Catalog<'a>>,
    /// Whether those are all: of a name that is not among them nothing follows otherwise.
    pub knows_all: bool,
    /// What its phones say themselves of the dial plan.
    pub phones: &'a OwnPlans,
}

/// Renders a site. What its phones depend on is known also of one that cannot be served.
pub fn render(input: Input<'_>, secrets: &Secrets<'_>) -> (Rendering<SitePlan>, PhoneBase) {
    let Input { spec, staged, notifies, catalog, knows_all, phones } = input;
    let mut found = Vec::new();
    let diagnostics = &mut found;
    let firmware_spec = spec.firmware.clone().unwrap_or_default();
    let image = firmware_spec.image;
    check_image("spec.firmware.image", image.as_deref(), diagnostics);
    check_image("spec.firmware.bootstrap", firmware_spec.bootstrap.as_deref(), diagnostics);
    for (file, sum) in &firmware_spec.checksums {
        if Digest::from_hex(sum).is_none() {
            diagnostics.push(Diagnostic::invalid(
                format!("spec.firmware.checksums.{file}"),
                "must be a SHA-256 of 64 hexadecimal digits",
            ));
        }
    }

    let mut values = Values::default();
    values.take_settings(&spec.settings, Owner::Site, secrets, diagnostics);
    values.take_extra(&spec.extra_parameters, Owner::Site, diagnostics);
    values.take_secret_parameters(&spec.secret_parameters, Owner::Site, secrets, diagnostics);
    let rollout = firmware_spec.rollout.filter(Rollout::holds_back);
    // What all phones share names no image that some of them are to wait for.
    let named = image.as_deref().filter(|image| rollout.is_none() && staged.contains(*image));
    take_image(&mut values, image.as_deref(), named, diagnostics);
    let plan = spec.dial_plan.as_ref().filter(|plan| !plan.is_empty());
    let told = lint_files::told(spec, &values).map(str::to_owned);
    // A plan in a folder is found without it too.
    let base = |name: &String| looked_for(name).last().filter(|name| check_file_name(name).is_ok());
    let template = told.as_ref().and_then(base).unwrap_or_else(|| DIAL_TEMPLATE.to_owned());
    let plan_file = plan.map(|_| dial_plan_file(&template));
    let phones = declared(phones, catalog);
    // Where everything is written, the site's own plan is named too.
    let usual = (plan.is_some() && spec.unset_parameters == UnsetParameters::Reset).then_some(DIAL_TEMPLATE);
    let plans = Plans {
        typed: plan_file.as_deref(),
        catalog,
        told: told.as_deref().or(usual),
        is_said: values.field("dial_template").is_some(),
        phones: &phones,
    };
    let routes = lint::site(spec, &values, &plans, knows_all, diagnostics);
    let mut view = SiteView::new(&values, routes);
    let typed = plan.map(|plan| dial_plan::Routes::of(&plan.written().collect::<Vec<_>>()));
    view.files = catalog.map(|catalog| FilesView::new(catalog, knows_all, plan_file.as_deref().zip(typed)));
    view.asks_phones = phones.iter().any(|phone| !phone.is_silent());
    let view = Arc::new(view);
    if spec.unset_parameters == UnsetParameters::Reset {
        if plan.is_some() && values.get("dial_template").is_none_or(str::is_empty) {
            values.set("dial_template", DIAL_TEMPLATE);
        }
        let common = |p: &Parameter| matches!(p.place, Place::Either | Place::Site) || p.name == "tftp_cfg_dir";
        values.reset(release(image.as_deref()).unwrap_or(Release::ASSUMED), common);
    }

    let common = common_file(&mut values, release(image.as_deref()), diagnostics);
    let mut files = vec![File::new(boot::SIP_DEFAULT, common)];
    if let (Some(plan), Some(file)) = (plan, plan_file.clone()) {
        if is_taken(&file) {
            let field = values.field("dial_template").unwrap_or("spec.settings.dialTemplate");
            diagnostics.push(Diagnostic::invalid(
                field,
                format!("is {template:?}, and {file} is another file of its own: choose another name"),
            ));
        }
        files.push(File::new(file, written_plan(plan, diagnostics)));
    }
    if !spec.ring_list.is_empty() {
        files.push(File::new(ringlist::FILE, ring_list(spec, diagnostics)));
    }
    if notifies {
        files.push(File::new(syncinfo::FILE, syncinfo::write()));
    }
    // A loader is named only when its files are there; the 2.2 image is only a stepping stone.
    let bootstrap = firmware_spec.bootstrap.or_else(|| {
        let image = image.as_deref()?;
        let uses_loader = Image::parse(image).is_some_and(|image| image.uses_loader());
        (!uses_loader || named.is_some()).then(|| catalog::bootstrap(image))
    });
    if let Some(bootstrap) = &bootstrap {
        files.push(File::new(boot::OS79XX, boot::os79xx(bootstrap)));
    }
    if let Some(image) = named.filter(|image| Image::parse(image).is_some_and(|image| image.uses_loader())) {
        files.push(File::new(boot::XML_DEFAULT, boot::xml_default(image)));
    }

    spec.tftp.iter().for_each(|tftp| reachable::check(tftp, diagnostics));
    let base = PhoneBase { unset: spec.unset_parameters, image, rollout, site: view };
    let hours = hours(spec, diagnostics);
    let networks = PhoneNetworks::new(&spec.phone_networks).unwrap_or_else(|(i, problem)| {
        diagnostics.push(Diagnostic::invalid(format!("spec.phoneNetworks[{i}]"), problem));
        PhoneNetworks::default()
    });
    let source = firmware_spec.source.unwrap_or_default();
    let mut checksums = firmware_spec.checksums;
    for (i, one) in source.urls.iter().enumerate() {
        let (path, file) = (format!("spec.firmware.source.urls[{i}]"), one.file_name());
        if file.is_empty() {
            let what = "the URL's last part is no file name: set file to the name that phones ask for";
            diagnostics.push(Diagnostic::invalid(format!("{path}.file"), what));
        } else if let Err(problem) = check_file_name(file) {
            diagnostics.push(Diagnostic::invalid(format!("{path}.file"), problem));
        }
        if one.has_login() {
            let what = "holds a user or a password, which many may read: serve the file to those who know its SHA-256, or use another source";
            diagnostics.push(Diagnostic::invalid(format!("{path}.url"), what));
        }
        match checksums.insert(file.to_owned(), one.sha256.clone()) {
            Some(before) if !before.eq_ignore_ascii_case(&one.sha256) => {
                let what = format!("is another one than that of {file} elsewhere in spec.firmware");
                diagnostics.push(Diagnostic::invalid(format!("{path}.sha256"), what));
            }
            _ => {}
        }
    }
    if let Some(catalog) = catalog.filter(|_| !values.pending) {
        let written = files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>();
        let asked = lint_files::Asked { spec, values: &values, written: &written, catalog, knows_all, plans };
        lint_files::lint(asked, diagnostics);
    }
    let plan = SitePlan {
        base: base.clone(),
        image: values.given("image_version").map(str::to_owned),
        reach: Reach::of(&values),
        files: CommonFiles { files: files.into(), secret: values.secret },
        bootstrap,
        config_maps: spec.config_maps().map(str::to_owned).collect(),
        checksums,
        pod_side: source.is_pod_side(),
        hours,
        networks,
    };
    (Rendering::new((!values.pending).then_some(plan), found), base)
}

/// What all phones say: those that are declared, and those whose files come from elsewhere.
fn declared(phones: &OwnPlans, catalog: Option<&Catalog<'_>>) -> OwnPlans {
    let from_files = catalog.into_iter().flat_map(Catalog::files);
    let of_file = |file: &FirmwareFile| match &file.contents.content {
        Content::Phone(own) => Some(own.clone()),
        Content::Other | Content::DialPlan(_) | Content::Rings(_) => None,
    };
    phones.iter().cloned().chain(from_files.filter_map(|(_, _, file)| of_file(file))).collect()
}

/// Whether phones ask for a file of this name for something other than a dial plan.
fn is_taken(file: &str) -> bool {
    let name = FileName::parse(file);
    matches!(name, FileName::SyncInfo | FileName::XmlDefault) || name.mac().is_some()
}

/// When phones may be notified of a change.
fn hours(spec: &PhoneSiteSpec, diagnostics: &mut Vec<Diagnostic>) -> Option<Hours> {
    let window = spec.resync.as_ref()?.window.as_ref()?;
    let usual = spec.settings.0.get("timeZone").and_then(serde_json::Value::as_str);
    match Hours::new(window, usual) {
        Ok(hours) => Some(hours),
        Err((field, problem)) => {
            diagnostics.push(Diagnostic::invalid(format!("spec.resync.window.{field}"), problem));
            None
        }
    }
}

/// The most bytes of `SIPDefault.cnf` that firmware before 5.0 was seen to load.
const OLD_BUDGET: usize = 4096;
/// Beyond this no phone was seen to load it.
const BUDGET: usize = 8192;

/// Writes `SIPDefault.cnf` within what the firmware can load.
fn common_file(values: &mut Values, firmware: Option<Release>, diagnostics: &mut Vec<Diagnostic>) -> Vec<u8> {
    let old = firmware.is_some_and(|release| release < Release::new(5, 0));
    let gone = if old { values.fit(OLD_BUDGET) } else { Vec::new() };
    if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
        let what = format!("leaves out {} defaults, {first} to {last}", gone.len());
        diagnostics.push(Diagnostic::advice(advice::COMMON_FILE_TRIMMED, "spec.settings", what));
    }
    let file = values.write();
    let what = format!("make a SIPDefault.cnf of {} bytes", file.len());
    if old && file.len() - values.extra_size().min(file.len()) > OLD_BUDGET {
        let message =
            format!("{what}; firmware before 5.0 loads at most {OLD_BUDGET}: remove some, or run newer firmware");
        diagnostics.push(Diagnostic::error(Reason::FileTooLarge, "spec.settings", message));
    } else if file.len() > if old { OLD_BUDGET } else { BUDGET } {
        diagnostics.push(Diagnostic::advice(advice::COMMON_FILE_LARGE, "spec.settings", what));
    }
    file
}

fn written_plan(plan: &DialPlan, diagnostics: &mut Vec<Diagnostic>) -> Vec<u8> {
    for (rule, part, problem) in dial_rules::problems(plan) {
        diagnostics.push(Diagnostic::invalid(dial_rules::field(plan, rule, part), problem));
    }
    let bytes = dialplan::write(plan.written());
    if bytes.len() > dialplan::MAX_SIZE {
        diagnostics.push(Diagnostic::error(
            Reason::FileTooLarge,
            "spec.dialPlan.templates",
            format!("make a file of {} bytes; phones read at most {}: remove rules", bytes.len(), dialplan::MAX_SIZE),
        ));
    }
    bytes
}

fn ring_list(spec: &PhoneSiteSpec, diagnostics: &mut Vec<Diagnostic>) -> Vec<u8> {
    for (i, ring) in spec.ring_list.iter().enumerate() {
        let not_empty = |text: &str| if text.is_empty() { Err("is empty".to_owned()) } else { Ok(()) };
        let name = not_empty(&ring.name).and_then(|()| text::check(&ring.name, 31).map_err(|e| e.to_string()));
        let file = not_empty(&ring.file).and_then(|()| check_file_name(&ring.file));
        for (field, checked) in [("name", name), ("file", file)] {
            if let Err(problem) = checked {
                diagnostics.push(Diagnostic::invalid(format!("spec.ringList[{i}].{field}"), problem));
            }
        }
    }
    ringlist::write(spec.ring_list.iter().map(|ring| ringlist::Ring { name: &ring.name, file: &ring.file }))
}
