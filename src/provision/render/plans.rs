//! Which dial plans there are for the phones of a site, and which of its phones load each.

use std::collections::BTreeMap;

use crate::phone::Mac;
use crate::phone::file_name::{FileName, dial_plan, looked_for};
use crate::provision::catalog::{Catalog, Origin};
use crate::provision::contents::Content;
use crate::provision::contents::dial_plan::{Routes, USUAL_NAME};
use crate::provision::contents::own_plan::{OwnPlan, OwnPlans};

/// What is known of a site's dial plans.
#[derive(Clone, Copy)]
pub struct Plans<'a, 'c> {
    /// The file that the site's own plan is written to.
    pub typed: Option<&'a str>,
    /// The files from elsewhere, if they were looked at.
    pub catalog: Option<&'a Catalog<'c>>,
    /// The plan that the site names; nothing if it does not.
    pub told: Option<&'a str>,
    /// Whether the site says which plan its phones load, or that they load none.
    pub is_said: bool,
    /// What its phones say.
    pub phones: &'a OwnPlans,
}

impl Plans<'_, '_> {
    /// The file that phones get for a plan's name.
    pub fn file_of(&self, template: &str) -> Option<String> {
        if template.is_empty() {
            return None;
        }
        let plan = dial_plan(template);
        let is_typed = |typed: &&str| looked_for(&plan).any(|name| name.eq_ignore_ascii_case(typed));
        let typed = self.typed.filter(is_typed).map(str::to_owned);
        typed.or_else(|| Some(self.catalog?.asked(&plan)?.0.to_owned()))
    }

    /// The phones that load a file as their dial plan.
    fn loaders(&self, file: &str) -> impl Iterator<Item = &OwnPlan> {
        let usual = self.told.or((!self.is_said).then_some(USUAL_NAME));
        let of_site = usual.and_then(|usual| self.file_of(usual));
        self.phones.iter().filter(move |phone| match &phone.template {
            Some(own) => self.file_of(own).as_deref() == Some(file),
            None => of_site.as_deref() == Some(file),
        })
    }

    /// Whether a phone names a file as its own dial plan.
    pub fn is_named(&self, file: &str) -> bool {
        self.phones
            .iter()
            .filter_map(|phone| phone.template.as_deref())
            .any(|own| self.file_of(own).as_deref() == Some(file))
    }

    /// Whether phones may load a file as their dial plan, as far as is known: all of them say something else if not.
    pub fn may_load(&self, file: &str) -> bool {
        let of_site = self.told.or((!self.is_said).then_some(USUAL_NAME)).and_then(|usual| self.file_of(usual));
        match of_site.as_deref() == Some(file) {
            true => self.phones.is_empty() || self.loaders(file).next().is_some(),
            // A plan that neither names may be for phones that are not declared here.
            false => !self.is_said || self.is_named(file),
        }
    }

    /// Whether all phones that load a plan have an emergency proxy of their own.
    pub fn have_emergency_proxies(&self, file: &str) -> bool {
        let mut loaders = self.loaders(file).peekable();
        loaders.peek().is_some() && loaders.all(|phone| phone.emergency)
    }
}

/// The files of a site that phones may name, as far as what is said of a phone depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesView {
    /// Whether there can be no others.
    knows_all: bool,
    /// All with the ending of a dial plan, and where those send calls that are one.
    plans: BTreeMap<String, Option<Routes>>,
    /// Files of single phones that come from ConfigMaps.
    own: BTreeMap<(Mac, bool), String>,
}

impl FilesView {
    /// The view of a site's files; `typed` is the one that its own plan is written to.
    pub fn new(catalog: &Catalog<'_>, knows_all: bool, typed: Option<(&str, Routes)>) -> FilesView {
        let mut view = FilesView { knows_all, ..FilesView::default() };
        for (origin, name, file) in catalog.files() {
            let place = || format!("{origin}/{name}");
            match FileName::parse(name) {
                FileName::Own(mac) if origin != Origin::Elsewhere => drop(view.own.insert((mac, false), place())),
                FileName::Sep(Some(mac)) if origin != Origin::Elsewhere => drop(view.own.insert((mac, true), place())),
                FileName::Xml(_) => {
                    let routes =
                        if let Content::DialPlan(routes) = file.contents.content { Some(routes) } else { None };
                    view.plans.insert(name.to_owned(), routes);
                }
                _ => {}
            }
        }
        view.plans.extend(typed.map(|(name, routes)| (name.to_owned(), Some(routes))));
        view
    }

    /// The dial plan that a phone gets for a name: its file, and where it sends calls if it is one. An error if there is none; nothing
    /// if that is not known.
    pub fn plan(&self, template: &str) -> Option<Result<(&str, Option<Routes>), String>> {
        let plan = dial_plan(template);
        let find = |wanted: &str| {
            looked_for(wanted).find_map(|name| {
                let near = || self.plans.iter().find(|(one, _)| one.eq_ignore_ascii_case(&name));
                self.plans.get_key_value(&name).or_else(near)
            })
        };
        match find(&plan) {
            Some((name, routes)) => Some(Ok((name, *routes))),
            None if !self.knows_all => None,
            None => Some(Err(missing(&plan, find(template).map(|(name, _)| name.as_str())))),
        }
    }

    /// Where a file of a phone stands that is written for it, too: its configuration, or what its loader reads.
    pub fn shadowed(&self, file: &str) -> Option<&str> {
        let name = FileName::parse(file);
        self.own.get(&(name.mac()?, matches!(name, FileName::Sep(_)))).map(String::as_str)
    }
}

/// What to say of a dial plan that is not there; `bare` is the file that has the name without the ending.
pub fn missing(plan: &str, bare: Option<&str>) -> String {
    match bare {
        Some(name) => format!("asks for {plan}, and the file is {name}: it is written without .xml"),
        None => format!("asks for {plan}, which is not among the site's files"),
    }
}
