//! Which objects take the place of others that are served: an object that is wrong takes no place.

use std::collections::BTreeMap;

use crate::manifests::Manifests;
use crate::phone::file_name::SIP_DEFAULT;
use crate::provision::{Fleet, Key};

/// From what is served to what the newest manifests say.
pub struct Succession<'a> {
    /// The manifests that are served.
    pub before: &'a Manifests,
    /// The fleet that serves them.
    pub fleet: &'a Fleet,
    /// The site that is served.
    pub served: &'a Key,
    /// The newest manifests.
    pub new: &'a Manifests,
    /// The site that they have.
    pub site: &'a Key,
}

impl Succession<'_> {
    /// Whether there is anything that may take another one's place.
    pub fn is_possible(&self) -> bool {
        self.is_other_site() || self.gone().any(|(phone, _)| !self.new.successors(self.before, phone).is_empty())
    }

    /// The phones whose files would go because what takes their place is wrong, and what is wrong with that. `trial` is a fleet of
    /// nothing but the newest manifests.
    pub fn doubts(&self, trial: &Fleet) -> BTreeMap<Key, String> {
        let files = trial.tree(self.site);
        let is_lost = |file: &String| !files.contains_key(file);
        let wrong_site = self.is_other_site().then(|| self.wrong(trial, "PhoneSite", self.site)).flatten();
        if let Some(wrong) = wrong_site.filter(|_| is_lost(&SIP_DEFAULT.to_owned())) {
            let wrong =
                format!("{wrong}; PhoneSite {}, which is gone, goes on being served until it is right", self.served);
            return self
                .phones()
                .map(|(phone, _)| (phone.clone(), wrong.clone()))
                .chain([(self.served.clone(), wrong.clone())])
                .collect();
        }
        let mut doubts = BTreeMap::new();
        for (phone, _) in self.phones().filter(|(_, file)| is_lost(file)) {
            let doubt = match self.new.has_phone(phone) {
                // What is served of it goes with its site.
                true if self.is_other_site() => self.wrong(trial, "SipPhone", phone).map(|wrong| {
                    format!("{wrong}; it was served by PhoneSite {}, which is not there any more", self.served)
                }),
                true => None,
                false => {
                    let successors = self.new.successors(self.before, phone);
                    let wrong = successors.into_iter().find_map(|new| self.wrong(trial, "SipPhone", new));
                    wrong.map(|wrong| {
                        let place = self.before.file_of("SipPhone", phone);
                        format!("{wrong}; it is new, and SipPhone {phone}, which is gone from {place}, goes on being served until it is right")
                    })
                }
            };
            doubts.extend(doubt.map(|doubt| (phone.clone(), doubt)));
        }
        doubts
    }

    /// Whether the site that is served is gone.
    fn is_other_site(&self) -> bool {
        !self.new.sites().any(|site| site == self.served)
    }

    /// The phones that are served, each with its file.
    fn phones(&self) -> impl Iterator<Item = (&Key, String)> {
        self.fleet.phones().filter_map(|phone| {
            let (_, file) = self.fleet.place_of(phone).filter(|(site, _)| site == self.served)?;
            Some((phone, file))
        })
    }

    /// Those that are gone.
    fn gone(&self) -> impl Iterator<Item = (&Key, String)> {
        self.phones().filter(|(phone, _)| !self.new.has_phone(phone))
    }

    /// The first error of an object.
    fn wrong(&self, trial: &Fleet, kind: &str, key: &Key) -> Option<String> {
        let mut all = trial.findings().filter(|(of, found, _)| *of == kind && *found == key);
        let error = all.find_map(|(_, _, found)| found.iter().find(|one| one.is_error()))?;
        Some(format!("{}: {kind} {key}: {error}", self.new.file_of(kind, key)))
    }
}
