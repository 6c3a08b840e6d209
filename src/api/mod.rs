//! What people write and read: the kinds `PhoneSite` and `SipPhone`, and what the API server checks by itself.

mod condition;
pub mod crd;
mod phone;
mod reference;
mod resync;
pub mod settings;
mod site;
mod source;
mod status;

pub use condition::{ConditionType, Reason};
pub use phone::{Line, PhoneFirmware, Proxy, SipPhone, SipPhoneSpec};
pub use reference::{EXTRA_COUNT, EXTRA_VALUE_MAX, Extra, ObjectRef, SECRET_COUNT, SecretKey, SecretParameters};
pub use resync::{Day, PhoneResync, Resync, ResyncMethod, Window};
pub use settings::Settings;
pub use site::{
    DialPlan, DialRule, DialUser, FileSource, PhoneSite, PhoneSiteSpec, PortMode, Ring, Rollout, ServiceSpec,
    ServiceType, SiteFirmware, TftpSpec, UnsetParameters,
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
