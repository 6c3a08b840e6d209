//! Which phone a person means: pure.

use crate::api::Unclaimed;
use crate::near::near;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};
use crate::phone::Mac;

use super::super::objects::{name, namespace};

/// What was found.
pub(super) enum Found {
    /// A phone, by its place.
    Phone(usize),
    /// A phone that no SipPhone declares, and the site that it asked, by its place.
    Unclaimed(usize, Unclaimed),
    /// Several phones.
    Several(Vec<usize>),
    /// None; and a name that was likely meant.
    None(Option<String>),
}

/// Finds a phone by its name, its MAC address, a line or its address, in this order.
pub(super) fn find(wanted: &str, phones: &[TrimmedPhone], sites: &[TrimmedSite]) -> Found {
    let wanted = wanted.trim();
    let mac: Option<Mac> = wanted.parse().ok();
    let has_mac = |phone: &TrimmedPhone| mac.is_some() && mac_of(phone) == mac;
    let has_line = |phone: &TrimmedPhone| {
        let user = wanted.strip_prefix("sip:").unwrap_or(wanted);
        let user = user.split_once('@').map_or(user, |(user, _)| user);
        phone.spec.0.as_ref().is_ok_and(|spec| spec.lines.iter().any(|line| line.name == user))
    };
    let has_address =
        |phone: &TrimmedPhone| phone.status.0.as_ref().is_ok_and(|status| status.address.as_deref() == Some(wanted));
    let is_named = |phone: &TrimmedPhone| name(&phone.metadata) == wanted;
    let ways: [&dyn Fn(&TrimmedPhone) -> bool; 4] = [&is_named, &has_mac, &has_line, &has_address];
    for way in ways {
        let found: Vec<usize> = (0..phones.len()).filter(|place| way(&phones[*place])).collect();
        match found.as_slice() {
            [] => {}
            [one] => return Found::Phone(*one),
            _ => return Found::Several(found),
        }
    }
    for (place, site) in sites.iter().enumerate() {
        let Ok(status) = &site.status.0 else { continue };
        let same = |one: &&Unclaimed| one.address == wanted || mac.is_some() && one.mac.parse::<Mac>().ok() == mac;
        if let Some(one) = status.unclaimed.iter().find(same) {
            return Found::Unclaimed(place, one.clone());
        }
    }
    let names = phones.iter().map(|phone| name(&phone.metadata));
    let lines = phones.iter().filter_map(|phone| phone.spec.0.as_ref().ok()).flat_map(|spec| &spec.lines);
    let known: Vec<&str> = names.chain(lines.map(|line| line.name.as_str())).collect();
    // Of numbers the nearest is some other phone's.
    let is_number = wanted.bytes().all(|c| c.is_ascii_digit() || c == b'.' || c == b':');
    Found::None(near(wanted, known).filter(|_| !is_number).map(str::to_owned))
}

fn mac_of(phone: &TrimmedPhone) -> Option<Mac> {
    phone.spec.0.as_ref().ok()?.mac.parse().ok()
}

/// Whether a phone names a site.
pub(super) fn is_site_of(phone: &TrimmedPhone, site: &TrimmedSite) -> bool {
    namespace(&phone.metadata) == namespace(&site.metadata)
        && phone.spec.0.as_ref().is_ok_and(|spec| spec.site_ref.name == name(&site.metadata))
}

/// That there is no such phone, and what to do.
pub(super) fn not_found(wanted: &str, meant: Option<&str>, namespace: &str) -> String {
    let meant = match meant {
        Some(meant) => format!(": did you mean {meant}?"),
        None => "; `kubectl get sipphones -o wide` lists them, and `kubectl dialtone status` the phones that ask and that no SipPhone declares".to_owned(),
    };
    format!("no phone in namespace {namespace} has the name, the MAC address, a line or the address {wanted:?}{meant}")
}
