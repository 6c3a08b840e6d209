//! What people write and read: the kinds `PhoneSite` and `SipPhone`, and what the API server checks by itself.

mod check;
mod condition;
pub mod crd;
mod labels;
mod peer;
mod phone;
mod pod;
mod reference;
mod resync;
mod scheduling;
mod service;
pub mod settings;
mod site;
mod source;
mod status;

pub use check::{Checked, Violation, violations};
pub use condition::{ConditionType, Reason};
pub use peer::MetricsPeer;
pub use phone::{Line, PhoneFirmware, Proxy, SipPhone, SipPhoneSpec};
pub use pod::{PodSecurity, PodTemplate};
pub use reference::{
    EXTRA_COUNT, EXTRA_VALUE_MAX, Extra, ObjectRef, SECRET_COUNT, SecretKey, SecretParameters, is_object_name,
};
pub use resync::{Day, PhoneResync, Resync, ResyncMethod, Window};
pub use scheduling::Affinity;
pub use service::{IpFamily, IpFamilyPolicy, ServiceSpec, ServiceType};
pub use settings::Settings;
pub use site::{
    DialPlan, DialRule, DialUser, DisruptionBudget, FileSource, OffHook, PhoneSite, PhoneSiteSpec, PortMode, Ring,
    Rollout, SiteFirmware, TftpSpec, UnsetParameters,
};
pub use source::{FirmwareSource, ImageSource, Origin, PullPolicy, UrlSource, VolumeSource};
pub use status::{
    FileCounts, LineStatus, PhoneCounts, PhoneFirmwareStatus, PhoneSiteStatus, ResyncStatus, SipPhoneStatus,
    SiteFirmwareStatus, Stage, StageCount, Unclaimed,
};

/// The API group of both kinds.
pub const GROUP: &str = "dialtone.dev";
/// The `apiVersion` of both kinds. The derives on the kinds need the version as a literal; a test holds them to this one.
pub const API_VERSION: &str = "dialtone.dev/v1alpha1";
/// The annotation of a phone, or of a site for all of its phones, with which somebody asks for a restart: those are told that
/// have not fetched their files since that time. It stands outside spec, so that what is in git does not undo it.
pub const RESYNC_AT: &str = "dialtone.dev/resync-at";
/// The label of objects that dialtone made, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "dialtone");
/// The label with which the owner of a Secret, ConfigMap or PersistentVolumeClaim allows dialtone to serve of it, and its value.
/// An operator that demands consent serves nothing of others.
pub const CONSENT: (&str, &str) = ("dialtone.dev/serve", "true");

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Resource as _;

    #[test]
    fn both_kinds_have_the_one_api_version() {
        for version in [PhoneSite::api_version(&()), SipPhone::api_version(&())] {
            assert_eq!(version, API_VERSION);
            assert!(API_VERSION.starts_with(GROUP));
        }
    }
}
