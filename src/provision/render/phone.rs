//! One phone's own files.

use crate::api::{SipPhoneSpec, UnsetParameters};
use crate::phone::image::{Image, Release};
use crate::phone::mac::InvalidMac;
use crate::phone::parameter::{Parameter, Place};
use crate::phone::{FileName, Mac, boot};

use super::phone_lint;
use crate::provision::File;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::doubt::Owner;
use crate::provision::render::image_field::{check_image, take_image};
use crate::provision::render::lines::{take_lines, take_text};
use crate::provision::render::plan::{PhoneBase, PhonePlan, Rendering, release};
use crate::provision::render::reach::Reach;
use crate::provision::render::secret_value::Secrets;
use crate::provision::render::values::Values;

/// The image that a phone should run.
pub fn target<'a>(spec: &'a SipPhoneSpec, base: &'a PhoneBase) -> Option<&'a str> {
    spec.firmware.as_ref().and_then(|f| f.image.as_deref()).or(base.image.as_deref())
}

/// What a phone is known of beside its spec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The image that its files name.
    pub offered: Option<&'a str>,
    /// The image that it was seen to run.
    pub runs: Option<&'a str>,
}

/// Renders a phone. Its files follow from `base`, which is what its site serves; `judged` is the newest that is known of the site,
/// whether or not it can be served, and what is said of the phone speaks of that.
pub fn render(
    spec: &SipPhoneSpec,
    mac: &Result<Mac, InvalidMac>,
    base: &PhoneBase,
    judged: Option<&PhoneBase>,
    known: Known<'_>,
    secrets: &Secrets<'_>,
) -> Rendering<PhonePlan> {
    let mut found = Vec::new();
    let diagnostics = &mut found;
    let mac = check_mac(mac, diagnostics);
    let image = spec.firmware.as_ref().and_then(|f| f.image.as_deref());
    check_image("spec.firmware.image", image, diagnostics);

    let mut values = Values::default();
    take_lines(spec, base, &mut values, secrets, diagnostics);
    match spec.label.as_deref() {
        Some(label) => take_text(&mut values, "phone_label", "spec.label", label, diagnostics),
        None if base.unset == UnsetParameters::Reset => values.set("phone_label", ""),
        None => {}
    }
    let owner = Owner::Phone(spec.model);
    values.take_settings(&spec.settings, owner, secrets, diagnostics);
    values.take_extra(&spec.extra_parameters, owner, diagnostics);
    values.take_secret_parameters(&spec.secret_parameters, owner, secrets, diagnostics);
    let target = target(spec, base);
    let in_own_file = image.is_some() || base.rollout.is_some();
    let offered = known.offered;
    let named = offered.filter(|_| in_own_file);
    take_image(&mut values, image, named, diagnostics);
    phone_lint::phone(spec, &values, judged, diagnostics);
    if base.unset == UnsetParameters::Reset {
        // What the site's own firmware does not know, the site's file does not reset.
        let site = release(base.image.as_deref()).unwrap_or(Release::ASSUMED);
        let newer = |p: &Parameter| p.place == Place::Either && p.since > site;
        // What was seen adds to what is assumed, and takes nothing away: the site's file says that to all its phones anyway.
        let seen = release(known.runs).unwrap_or(Release::ASSUMED).max(Release::ASSUMED);
        let own = release(target).unwrap_or(seen);
        values.reset(own, |p| p.place == Place::Phone || newer(p));
        values.leave_to_site(|name| base.site.shares(name));
    }

    let plan = mac.filter(|_| !values.pending).map(|mac| {
        let mut files = vec![File::new(mac.config_file(), values.write())];
        if let Some(image) = offered.filter(|image| Image::parse(image).is_some_and(|image| image.uses_loader())) {
            files.push(File::new(FileName::Sep(Some(mac)).to_string(), boot::sep_xml(spec.model, image)));
        }
        phone_lint::shadowed(&files, judged, diagnostics);
        let image = values.given("image_version").map(str::to_owned);
        PhonePlan {
            mac,
            files: files.into(),
            secret: values.secret,
            image,
            reach: Reach::of_phone(&values, |name| base.site.shares(name) || !name.starts_with("line")),
        }
    });
    Rendering::new(plan, found)
}

fn check_mac(mac: &Result<Mac, InvalidMac>, diagnostics: &mut Vec<Diagnostic>) -> Option<Mac> {
    let problem = match mac {
        Ok(mac) if mac.is_group() => format!("{mac} is a group address, which no phone has"),
        Ok(mac) if mac.is_zero() => {
            format!("{mac} is all zeros, which no phone has: see the label on the phone's back")
        }
        Ok(mac) => return Some(*mac),
        Err(problem) => problem.to_string(),
    };
    diagnostics.push(Diagnostic::invalid("spec.mac", problem));
    None
}
