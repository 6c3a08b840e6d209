//! What looks wrong in the files that phones get from ConfigMaps and folders: what is in them, and what names them.

use std::collections::BTreeSet;

use crate::api::{PhoneSiteSpec, UnsetParameters};
use crate::phone::file_name::{FileName, dial_plan, looked_for};
use crate::phone::{boot, ringlist, syncinfo};
use crate::provision::advice::{self, Advice};
use crate::provision::catalog::{Catalog, FirmwareFile, Origin};
use crate::provision::contents::Content;
use crate::provision::contents::dial_plan::{Routes, USUAL_NAME};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::plans::{self, Plans};
use crate::provision::render::values::Values;

/// The dial plan that a site's phones are told of, before defaults are filled in.
pub fn told<'a>(spec: &PhoneSiteSpec, values: &'a Values) -> Option<&'a str> {
    match values.field("dial_template") {
        Some(_) => values.given("dial_template"),
        None => (spec.unset_parameters == UnsetParameters::Reset).then_some(USUAL_NAME),
    }
}

/// Where the dial plan of a site's phones sends calls if it comes as a file, and where the rule for emergency calls stands, with the
/// file: in any other plan that phones may load, if not in this.
pub fn routes(plans: &Plans<'_, '_>, catalog: &Catalog<'_>) -> Option<(Routes, String, String)> {
    let plan = |(origin, name, file): (Origin, &str, &FirmwareFile)| match file.contents.content {
        Content::DialPlan(routes) if plans.may_load(name) => {
            let line = routes.emergency.unwrap_or_default();
            Some((name.to_owned(), (routes, format!("{origin}/{name}:{line}.route"))))
        }
        Content::DialPlan(_) | Content::Other | Content::Rings(_) | Content::Phone(_) => None,
    };
    let own = plans.told.and_then(|told| catalog.asked(&dial_plan(told))).map(|(name, _)| name);
    let mut found: Vec<_> = catalog.files().filter_map(plan).collect();
    found.sort_by_key(|(name, (routes, _))| (Some(name.as_str()) != own, routes.emergency.is_none()));
    let emergency = found.iter().find(|(_, (routes, _))| routes.emergency.is_some()).cloned();
    let (mut file, (mut routes, mut field)) = found.into_iter().next()?;
    if let Some((name, (other, place))) = emergency {
        (file, routes.emergency, field) = (name, other.emergency, place);
    }
    Some((routes, field, file))
}

/// What the files are looked at for.
#[derive(Clone, Copy)]
pub struct Asked<'a, 'c> {
    /// The site.
    pub spec: &'a PhoneSiteSpec,
    /// What its phones are told.
    pub values: &'a Values,
    /// The names of the files that dialtone writes.
    pub written: &'a [&'a str],
    /// The files from elsewhere.
    pub catalog: &'a Catalog<'c>,
    /// Whether there are no others, where nobody could look.
    pub knows_all: bool,
    /// Which phones load which dial plan.
    pub plans: Plans<'a, 'c>,
}

/// Says what looks wrong in the files of a site.
pub fn lint(asked: Asked<'_, '_>, found: &mut Vec<Diagnostic>) {
    let rings = rings(asked, found);
    contents(asked, &rings, found);
    template(asked, found);
    names(asked, found);
}

fn advise(found: &mut Vec<Diagnostic>, advice: Advice, field: impl Into<String>, what: impl std::fmt::Display) {
    found.push(Diagnostic::advice(advice, field, what));
}

impl Asked<'_, '_> {
    fn writes(&self, name: &str) -> bool {
        self.written.iter().any(|written| written.eq_ignore_ascii_case(name))
    }
}

/// Looks at the rings that lists name; returns the names of their files.
fn rings<'c>(asked: Asked<'_, 'c>, found: &mut Vec<Diagnostic>) -> BTreeSet<&'c str> {
    let typed = asked.spec.ring_list.iter().enumerate();
    let mut listed: Vec<(String, &str)> =
        typed.map(|(i, ring)| (format!("spec.ringList[{i}].file"), ring.file.as_str())).collect();
    if !asked.writes(ringlist::FILE) {
        for (origin, name, file) in asked.catalog.files() {
            if let Content::Rings(rings) = &file.contents.content {
                listed.extend(rings.iter().map(|(line, file)| (format!("{origin}/{name}:{line}.file"), file.as_str())));
            }
        }
    }
    let mut names = BTreeSet::new();
    for (field, ring) in listed {
        match asked.catalog.asked(ring) {
            Some((name, file)) => {
                names.insert(name);
                if !looked_for(ring).any(|asked| asked == name) {
                    advise(found, advice::FILE_CASE, &field, format!("is {ring}, and the file is {name}"));
                } else if let Some(problem) = ringlist::ring_problem(&file.first, file.size) {
                    advise(found, advice::RING_FORMAT, &field, format!("{ring} {problem}"));
                }
            }
            None if !asked.knows_all => {}
            None => advise(found, advice::RING_MISSING, &field, format!("{ring} is not among the site's files")),
        }
    }
    names
}

/// Says what was found in the files that phones can get. What is wrong with rings that lists name is said already.
fn contents(asked: Asked<'_, '_>, rings: &BTreeSet<&str>, found: &mut Vec<Diagnostic>) {
    let is_unread = |name: &str, file: &FirmwareFile| {
        matches!(file.contents.content, Content::DialPlan(_)) && !asked.plans.may_load(name)
    };
    for (origin, name, file) in asked.catalog.files().filter(|(_, name, _)| !asked.writes(name)) {
        if is_unread(name, file) {
            // Of what no phone loads nothing is said.
            continue;
        }
        let flaws = file.contents.flaws.iter();
        for flaw in flaws.filter(|flaw| flaw.advice != advice::RING_FORMAT || !rings.contains(name)) {
            advise(found, flaw.advice, format!("{origin}/{}", flaw.place(name)), &flaw.what);
        }
    }
}

/// Whether the dial plan that phones are told of is there, and phones are told of the one that is.
fn template(asked: Asked<'_, '_>, found: &mut Vec<Diagnostic>) {
    let Asked { spec, values, catalog, .. } = asked;
    let is_typed = spec.dial_plan.as_ref().is_some_and(|plan| !plan.is_empty());
    if is_typed {
        return;
    }
    let (told, field) = (told(spec, values), values.field("dial_template"));
    match (told.map(dial_plan), field) {
        (None, None) => {
            let usual = catalog.files().find(|(_, name, _)| name.eq_ignore_ascii_case(&dial_plan(USUAL_NAME)));
            if let Some((origin, name, _)) = usual.filter(|(_, name, _)| !asked.plans.is_named(name)) {
                advise(found, advice::DIAL_PLAN_NOT_TOLD, format!("{origin}/{name}"), "is served");
            }
        }
        (Some(plan), Some(field)) => match catalog.asked(&plan) {
            Some((name, _)) if !looked_for(&plan).any(|asked| asked == name) => {
                advise(found, advice::FILE_CASE, field, format!("asks for {plan}, and the file is {name}"));
            }
            Some((name, file)) if file.contents.content == Content::Other => {
                let what = format!("asks for {name}: phones pass it over: it is no dial plan");
                advise(found, advice::DIAL_RULE_IGNORED, field, what);
            }
            Some(_) => {}
            None if !asked.knows_all => {}
            None => advise(found, advice::DIAL_PLAN_MISSING, field, missing(told.unwrap_or_default(), catalog)),
        },
        // Nobody asked for a plan: that there is none is as it should be.
        (Some(_), None) | (None, Some(_)) => {}
    }
}

/// What to say of a dial plan that is not there.
pub fn missing(template: &str, catalog: &Catalog<'_>) -> String {
    plans::missing(&dial_plan(template), catalog.asked(template).map(|(name, _)| name))
}

/// Names that are nearly right, and files that phones never get.
fn names(asked: Asked<'_, '_>, found: &mut Vec<Diagnostic>) {
    let catalog = asked.catalog;
    let others = [ringlist::FILE, boot::OS79XX, boot::XML_DEFAULT, syncinfo::FILE].into_iter();
    let is_missing = |name: &&str| asked.knows_all && !asked.written.contains(name) && catalog.get(name).is_none();
    for name in others.filter(is_missing) {
        if let Some(near) = catalog.find_name(|key| key.eq_ignore_ascii_case(name)) {
            let what = format!("hold {near}, and phones ask for {name}");
            advise(found, advice::FILE_CASE, "spec.files.configMaps", what);
        }
    }
    // Only what people put into ConfigMaps can stand in the way of what is rendered.
    if asked.spec.config_maps().next().is_some() {
        for name in asked.written.iter().filter(|name| catalog.names().any(|key| key.eq_ignore_ascii_case(name))) {
            advise(found, advice::FILE_SHADOWED, "spec.files.configMaps", format!("hold {name}"));
        }
    }
    let has_list = asked.writes(ringlist::FILE)
        || catalog.find_name(|key| matches!(FileName::parse(key), FileName::RingList)).is_some();
    let of_others = |(_, name, _): &(Origin, &str, &FirmwareFile)| is_ring_list_of_others(name);
    for (origin, name, _) in catalog.files().filter(of_others).take(if has_list { 0 } else { 2 }) {
        advise(found, advice::RING_LIST_OF_OTHERS, format!("{origin}/{name}"), "is served");
    }
}

/// Whether a file lists rings for phones of another kind.
fn is_ring_list_of_others(name: &str) -> bool {
    ["ringlist.xml", "distinctiveringlist.xml"].iter().any(|other| name.eq_ignore_ascii_case(other))
}
