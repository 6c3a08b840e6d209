//! Names of parameters that people write by the phone's own name, where no schema knows them.

use crate::phone::find;
use crate::provision::advice;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::slips;

/// What there is to say of a name that no phone knows, and that its author did not mean. So many more are compared with those that
/// phones know.
pub(super) fn doubt_name(name: &str, path: &str, suggestions: &mut usize, diagnostics: &mut Vec<Diagnostic>) {
    if find(name).is_some() || *suggestions == 0 {
        return;
    }
    *suggestions -= 1;
    if let Some(meant) = slips::meant(name) {
        let what = format!("is no name that phones know (did you mean {meant}?)");
        diagnostics.push(Diagnostic::advice(advice::MISSPELLED, path, what));
    }
}
