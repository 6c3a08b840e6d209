//! The firmware image that an object names, and `image_version` in its file.

use crate::api::Reason;
use crate::phone::image;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::values::Values;

/// Sets the image that a file names. `image` is the one that an object wants.
pub fn take_image(values: &mut Values, image: Option<&str>, named: Option<&str>, diagnostics: &mut Vec<Diagnostic>) {
    if image.is_none() && named.is_none() {
        return;
    }
    if let Some(field) = values.field("image_version") {
        let message = "is set in firmware.image too: remove one of them";
        diagnostics.push(Diagnostic::error(Reason::SetTwice, field, message));
    } else if let Some(named) = named {
        values.set("image_version", named);
    }
}

/// Checks an image's name: what is no name at all is an error.
pub fn check_image(path: &str, name: Option<&str>, diagnostics: &mut Vec<Diagnostic>) {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if let Some(name) = name.filter(|name| name.is_empty() || name.len() > image::NAME_MAX || !name.bytes().all(fine)) {
        diagnostics.push(Diagnostic::invalid(path, format!("is {name:?}; an image's name has letters, digits, '-' and '_' only, at most 60 of them, and no extension")));
    }
}
