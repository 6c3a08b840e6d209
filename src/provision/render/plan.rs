//! What rendering an object leads to: files that can be served, or why there are none.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Reason, Rollout, UnsetParameters, Violation};
use crate::phone::Mac;
use crate::phone::image::{Image, Release};
use crate::provision::File;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::networks::PhoneNetworks;
use crate::provision::render::reach::Reach;
use crate::provision::render::view::SiteView;
use crate::provision::resync::Hours;

/// The most findings that are kept of one object: nobody reads more, and every object may have as many as it has fields.
const MAX_FINDINGS: usize = 256;

/// What came of rendering an object. Files that must not be served cannot be had from it.
#[derive(Clone, Debug)]
pub enum Rendering<T> {
    /// Something that the object refers to has not been read yet.
    Pending(Vec<Diagnostic>),
    /// The object cannot be used as it is: one of the diagnostics is an error.
    Refused(Vec<Diagnostic>),
    /// It can be served; the diagnostics are advice.
    Ready(T, Vec<Diagnostic>),
}

impl<T> Rendering<T> {
    /// The outcome that follows from the diagnostics; `plan` is missing while a dependency is pending.
    pub fn new(plan: Option<T>, mut diagnostics: Vec<Diagnostic>) -> Rendering<T> {
        if diagnostics.len() > MAX_FINDINGS {
            // Errors decide.
            diagnostics.sort_by_key(|one| !one.is_error());
            diagnostics.truncate(MAX_FINDINGS);
        }
        match plan {
            _ if diagnostics.iter().any(Diagnostic::is_error) => Rendering::Refused(diagnostics),
            None => Rendering::Pending(diagnostics),
            Some(plan) => Rendering::Ready(plan, diagnostics),
        }
    }

    /// The same with what was found beyond the object itself.
    pub fn with(self, more: impl IntoIterator<Item = Diagnostic>) -> Rendering<T> {
        let (plan, mut diagnostics) = match self {
            Rendering::Pending(diagnostics) | Rendering::Refused(diagnostics) => (None, diagnostics),
            Rendering::Ready(plan, diagnostics) => (Some(plan), diagnostics),
        };
        diagnostics.extend(more);
        Rendering::new(plan, diagnostics)
    }

    /// The same with what the schema refuses of the object, but for fields that are known to be wrong: that says more.
    pub fn with_violations(self, violations: &[Violation]) -> Rendering<T> {
        if violations.is_empty() {
            return self;
        }
        let (Rendering::Pending(known) | Rendering::Refused(known) | Rendering::Ready(_, known)) = &self;
        let is_known = |violation: &Violation| {
            let of_itself =
                |known: &&Diagnostic| matches!(known.error_reason(), Some(Reason::Invalid | Reason::SetTwice));
            let mut errors = known.iter().filter(of_itself);
            errors.any(|error| error.field.starts_with(&violation.field) || violation.field.starts_with(&error.field))
        };
        let more: Vec<_> = violations.iter().filter(|one| !is_known(one)).map(Diagnostic::refused).collect();
        self.with(more)
    }

    /// What can be served.
    pub fn ready(&self) -> Option<&T> {
        match self {
            Rendering::Ready(plan, _) => Some(plan),
            Rendering::Pending(_) | Rendering::Refused(_) => None,
        }
    }
}

/// What is known of an object since it was rendered last.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It was not rendered, or waits for a dependency: nothing can be said of it yet but what is known already.
    Pending(Vec<Diagnostic>),
    /// It was rendered.
    Rendered {
        /// What is wrong or doubtful with it.
        diagnostics: Vec<Diagnostic>,
        /// Whether what is served is that of the newest spec.
        up_to_date: bool,
    },
}

impl Standing {
    /// What is wrong or doubtful with the object.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Standing::Pending(diagnostics) | Standing::Rendered { diagnostics, .. } => diagnostics,
        }
    }

    /// The same with one more error.
    pub fn with_error(self, error: Diagnostic) -> Standing {
        match self {
            Standing::Pending(mut diagnostics) => {
                diagnostics.push(error);
                Standing::Pending(diagnostics)
            }
            Standing::Rendered { mut diagnostics, .. } => {
                diagnostics.push(error);
                Standing::Rendered { diagnostics, up_to_date: false }
            }
        }
    }

    /// Whether nothing can be said of the object yet.
    pub fn is_pending(&self) -> bool {
        matches!(self, Standing::Pending(_))
    }

    /// Whether what is served is that of the newest spec.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, Standing::Rendered { up_to_date: true, .. })
    }
}

/// One line, as other systems know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineIdentity {
    /// The line's name.
    pub name: Arc<str>,
    /// Its SIP server and port.
    pub proxy: Option<Proxy>,
}

/// One line and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneLine {
    /// The key that it is on.
    pub key: i64,
    /// Who it is.
    pub identity: LineIdentity,
    /// Whether it is not among the lines of the spec, and stands in its extra parameters.
    pub is_extra: bool,
}

/// A SIP server's address and port, which the lines of a site share.
pub type Proxy = Arc<(String, String)>;

/// What a phone's own file takes over from its site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneBase {
    /// What is written for parameters that no spec sets.
    pub unset: UnsetParameters,
    /// The image that phones should run.
    pub image: Option<String>,
    /// How phones are held back, if they are.
    pub rollout: Option<Rollout>,
    /// What people set on the site.
    pub site: Arc<SiteView>,
}

/// A site that can be served.
#[derive(Clone, Debug)]
pub struct SitePlan {
    /// What its phones' files depend on.
    pub base: PhoneBase,
    /// The files that all phones share.
    pub files: CommonFiles,
    /// The image that `SIPDefault.cnf` names.
    pub image: Option<String>,
    /// How a running phone can be reached, as far as `SIPDefault.cnf` says.
    pub reach: Reach,
    /// What `OS79XX.TXT` names, if it is served.
    pub bootstrap: Option<String>,
    /// The ConfigMaps with firmware.
    pub config_maps: Vec<String>,
    /// What firmware files must hash to.
    pub checksums: BTreeMap<String, String>,
    /// Whether some firmware files can be seen in the pods only.
    pub pod_side: bool,
    /// When phones may be notified of a change; at any time if the spec does not say.
    pub hours: Option<Hours>,
    /// Where phones may be.
    pub networks: PhoneNetworks,
}

/// The files that all phones of a site share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonFiles {
    /// The files.
    pub files: Arc<[File]>,
    /// Whether one of them holds a password.
    pub secret: bool,
}

impl CommonFiles {
    /// The file of this name.
    pub fn get(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }
}

/// A phone that can be served.
#[derive(Clone, Debug)]
pub struct PhonePlan {
    /// Its address.
    pub mac: Mac,
    /// Its files; the first is `SIP<MAC>.cnf`.
    pub files: Arc<[File]>,
    /// Whether one of them holds a password.
    pub secret: bool,
    /// The image that its file names.
    pub image: Option<String>,
    /// How the running phone can be reached, as far as its own file says.
    pub reach: Reach,
}

impl PhonePlan {
    /// `SIP<MAC>.cnf`.
    pub fn own_file(&self) -> Option<&File> {
        self.files.first()
    }
}

/// The release in an image's name.
pub fn release(image: Option<&str>) -> Option<Release> {
    image.and_then(Image::parse).and_then(|image| image.release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::advice;

    #[test]
    fn of_many_findings_the_errors_are_kept() {
        let advice = || Diagnostic::advice(advice::NO_LINES, "spec.lines", "is empty");
        let mut found: Vec<_> = std::iter::repeat_with(advice).take(10 * MAX_FINDINGS).collect();
        found.push(Diagnostic::invalid("spec.mac", "is wrong"));
        let Rendering::Refused(kept) = Rendering::new(Some(()), found) else { panic!("it has an error") };
        assert!(kept.len() == MAX_FINDINGS && kept[0].is_error());
    }

    #[test]
    fn an_error_takes_the_files_away_and_advice_does_not() {
        let error = || Diagnostic::invalid("spec.mac", "is wrong");
        let advice = || Diagnostic::advice(advice::NO_LINES, "spec.lines", "is empty");
        assert!(matches!(Rendering::new(Some(()), vec![advice()]), Rendering::Ready((), _)));
        assert!(matches!(Rendering::new(Some(()), vec![error()]), Rendering::Refused(_)));
        assert!(matches!(Rendering::<()>::new(None, vec![error()]), Rendering::Refused(_)), "an error is final");
        assert!(matches!(Rendering::<()>::new(None, vec![advice()]), Rendering::Pending(_)));
        let ready = Rendering::new(Some(()), Vec::new());
        assert!(ready.clone().with([advice()]).ready().is_some());
        assert!(ready.with([error()]).ready().is_none());
    }
}
