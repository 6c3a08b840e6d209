//! What to do about a phone, from what its status says: pure.

use super::super::objects::condition;
use super::super::status::PhoneView;
use crate::api::{ConditionType, PhoneSiteStatus, Reason, ResyncMethod, SipPhoneStatus, Stage};

/// What to do, most important first; nothing if all is well.
pub(super) fn next(
    phone: &PhoneView,
    status: &SipPhoneStatus,
    site: Option<&PhoneSiteStatus>,
    method: ResyncMethod,
) -> Vec<String> {
    let mut all = Vec::new();
    let PhoneView { namespace, name, site: site_name, .. } = phone;
    let Some(site) = site else {
        return vec![format!(
            "make the PhoneSite {site_name} in namespace {namespace}, or let spec.siteRef of the phone name one that there is: kubectl get phonesites -n {namespace}"
        )];
    };
    let observed = status.observed_generation.is_some_and(|generation| generation >= 0);
    if !observed || phone.reason == "NotObserved" {
        return vec!["see whether an operator runs and looks after this namespace: kubectl dialtone check".to_owned()];
    }
    let reason =
        |kind| condition(&status.conditions, kind).map(|one| (one.status == "True", one.reason.parse::<Reason>().ok()));
    let is_false = |kind| reason(kind).filter(|(holds, _)| !holds).map(|(_, reason)| reason);
    if let Some(why) = is_false(ConditionType::Accepted) {
        all.push(refused(why, namespace, name, site_name));
    }
    if let Some(why) = is_false(ConditionType::Served) {
        all.extend(not_served(why, namespace, site_name));
    }
    if let Some(why) = is_false(ConditionType::FirmwareStaged) {
        all.extend(not_staged(why, namespace, site_name));
    }
    if let Some((true, why)) = reason(ConditionType::AddressConflict) {
        all.push(match why {
            Some(Reason::TwoAddresses) => "find out which of the two addresses is the phone's: it was asked for from both within ten minutes; nothing is sent to either meanwhile".to_owned(),
            _ => format!("somebody outside spec.phoneNetworks of {site_name} asks in the phone's name: add the network if phones are in it"),
        });
    }
    let told = reason(ConditionType::Resynced).filter(|(holds, _)| !holds).and_then(|(_, reason)| reason);
    match is_false(ConditionType::InSync).flatten() {
        Some(Reason::NeverFetched) => {
            let address = site.address.as_deref().unwrap_or("the site's address");
            all.push(format!(
                "let the phone find {address}: DHCP options 66 and 150 (kubectl dialtone dhcp {site_name}{}), and UDP port 69 must get through",
                within(namespace)
            ));
            all.push(format!(
                "ask as the phone would, from its network: dialtone phone --server {address} --mac {}",
                phone.mac
            ));
            all.push("look at the MAC address on the phone's back; one that asks and is not declared stands in kubectl dialtone status".to_owned());
        }
        Some(Reason::Unacknowledged) => all.push(
            "wait: it counts as fetched as soon as the phone asks for its ring list, its dial plan or firmware".to_owned(),
        ),
        Some(Reason::Outdated | Reason::CommonOutdated) => all.push(match (told, method) {
            (Some(why), _) => not_notified(why, name, namespace, site_name),
            (None, ResyncMethod::Never) => format!(
                "restart the phone: {}; or set spec.resync.method of {site_name} to Notify, so that phones take changes by themselves",
                resync(name, namespace)
            ),
            (None, _) => format!("restart the phone, if it does not do so by itself: {}", resync(name, namespace)),
        }),
        _ => {}
    }
    if let Some(firmware) = status.firmware.as_ref() {
        match firmware.stage {
            Stage::Failed => all.push(format!(
                "see why the upgrade failed ({}), and restart the phone to try again: {}",
                firmware.message.as_deref().unwrap_or("it did not take all of a file"),
                resync(name, namespace)
            )),
            Stage::Waiting => {
                all.push("wait: the site's rollout upgrades other phones first (spec.firmware.rollout)".to_owned())
            }
            Stage::Staged if phone.in_sync => {
                all.push(format!("restart the phone, which loads the image then: {}", resync(name, namespace)))
            }
            Stage::Downloading | Stage::Installing | Stage::Offered => {
                all.push("leave the phone its power: it takes an image".to_owned());
            }
            Stage::Unmanaged | Stage::Pending | Stage::Staged | Stage::Current => {}
        }
    }
    all
}

fn within(namespace: &str) -> String {
    if namespace == "default" { String::new() } else { format!(" -n {namespace}") }
}

fn resync(name: &str, namespace: &str) -> String {
    format!("kubectl dialtone resync {name}{}", within(namespace))
}

fn refused(why: Option<Reason>, namespace: &str, name: &str, site: &str) -> String {
    let at = within(namespace);
    match why {
        Some(Reason::SecretNotFound | Reason::SecretKeyNotFound) => {
            format!("make the Secret, or its key, that the message names: kubectl get secrets{at}")
        }
        Some(Reason::SecretNotAllowed | Reason::SourceNotAllowed) => {
            "let the object's owner label it dialtone.dev/serve=true, or name another one".to_owned()
        }
        Some(Reason::SiteNotFound) => format!("make the PhoneSite {site}, or name another one in spec.siteRef"),
        Some(Reason::SiteInvalid) => format!("put the site right: kubectl dialtone status {site}{at}"),
        Some(Reason::DuplicateMac | Reason::DuplicateLine) => {
            "change this phone or the one that the message names: the older of the two goes on being served".to_owned()
        }
        Some(Reason::SiteFull) => "move phones to another site: this one holds no more files".to_owned(),
        _ => format!("put right what the message says: kubectl edit sipphone {name}{at}"),
    }
}

fn not_served(why: Option<Reason>, namespace: &str, site: &str) -> Option<String> {
    let at = within(namespace);
    match why {
        Some(Reason::NoServer) => {
            Some(format!("see why no TFTP pod of {site} answers: kubectl dialtone logs {site}{at}"))
        }
        Some(Reason::Pending) => {
            Some(format!("wait a few seconds for the pods; if it lasts: kubectl dialtone status {site}{at}"))
        }
        Some(Reason::Suspended) => {
            Some(format!("set spec.suspend of {site} to false when changes may be applied again"))
        }
        // What refuses the spec is said already.
        _ => None,
    }
}

fn not_staged(why: Option<Reason>, namespace: &str, site: &str) -> Option<String> {
    let at = within(namespace);
    match why {
        Some(Reason::NoSource) => {
            Some(format!("say in spec.firmware.source of {site} where the image's files come from"))
        }
        Some(Reason::SourceNotFound | Reason::FetchFailed | Reason::Incomplete) => {
            Some(format!("put the image's files right, which the message names: kubectl describe phonesite {site}{at}"))
        }
        _ => None,
    }
}

fn not_notified(why: Reason, name: &str, namespace: &str, site: &str) -> String {
    let resync = resync(name, namespace);
    match why {
        Reason::Told | Reason::Unheard => {
            "wait up to three minutes: it was notified, and restarts once it has been idle".to_owned()
        }
        Reason::Waiting => "wait: others are notified first (spec.resync.maxConcurrent)".to_owned(),
        Reason::OutsideWindow => format!("wait for the hours of spec.resync.window, or do not: {resync}"),
        Reason::Upgrading => "wait: it takes an image and restarts by itself".to_owned(),
        Reason::NotServed => "wait until the pods serve its newest file".to_owned(),
        Reason::Suspended => format!("set spec.suspend of {site} to false"),
        Reason::NoAddress => "restart the phone by hand: it was never seen, so its address is not known".to_owned(),
        Reason::AddressNotAllowed => {
            format!("add the phone's network to spec.phoneNetworks of {site}, if phones are in it")
        }
        Reason::TwoAddresses => "find out which of the two addresses is the phone's".to_owned(),
        Reason::TelnetOff => {
            "set settings.telnetLevel to Privileged and restart the phone by hand once, or use the method Notify"
                .to_owned()
        }
        Reason::LoginFailed => {
            "put settings.phonePasswordSecretRef right: the phone has another password; restart it by hand once"
                .to_owned()
        }
        Reason::NoAnswer | Reason::NotBack | Reason::NotSent | Reason::Refused => {
            format!("see whether the phone is plugged in and reachable from the cluster, then: {resync}")
        }
        _ => format!("restart the phone: {resync}"),
    }
}
