//! The conditions of both kinds and their reasons: every name stands here and nowhere else.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
pub enum ConditionType {
    /// The object is understood and in conflict with no other.
    Accepted,
    /// Every TFTP pod holds its files.
    Served,
    /// Every TFTP pod holds the image's files.
    FirmwareStaged,
    /// The phone itself fetched the newest files.
    InSync,
    /// There is no change that the phone has to be notified of.
    Resynced,
    /// Others than the phone may speak in its name: from another address, or from where no phones are; stands only while that
    /// is so.
    AddressConflict,
    /// The operator was upgraded, and the site's TFTP pods are not those of its new version yet; stands only while that is so.
    UpdatePending,
    /// Everything is done on the server's side.
    Ready,
    /// Work is under way; stands only while it is.
    Reconciling,
    /// Work cannot go on until an object is changed; stands only while that is so.
    Stalled,
    /// `spec.suspend` is true; stands only while it is.
    Suspended,
}

impl ConditionType {
    /// The name in an object's status.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The reason of a condition, of an Event and of an error that an object has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
pub enum Reason {
    /// Accepted: nothing is wrong.
    Accepted,
    /// Accepted: something is likely not what was meant.
    AcceptedWithWarnings,
    /// Not accepted: a value that the phone cannot take, or that its files cannot hold.
    Invalid,
    /// Not accepted: one parameter set in two places of one object.
    SetTwice,
    /// Not accepted: a Secret that does not exist.
    SecretNotFound,
    /// Not accepted: a Secret without the key.
    SecretKeyNotFound,
    /// Not accepted: a Secret that is not for phones.
    SecretNotAllowed,
    /// Not accepted: a ConfigMap or volume of which nothing may be served.
    SourceNotAllowed,
    /// Not accepted: a PhoneSite that does not exist.
    SiteNotFound,
    /// Not accepted: a PhoneSite that has never been right.
    SiteInvalid,
    /// Not accepted: another, older SipPhone has the same MAC address.
    DuplicateMac,
    /// Not accepted: another, older SipPhone has a line of the same name on the same proxy.
    DuplicateLine,
    /// Not accepted: more files than a site can hold.
    SiteFull,
    /// Not accepted: a file that is larger than the firmware can load.
    FileTooLarge,
    /// Not accepted: an object of the site's name exists and has another owner.
    NameTaken,
    /// Not accepted: the API server does not allow an object of the site.
    Forbidden,
    /// Not accepted: the cluster's administrator does not allow something of it.
    NotAllowed,
    /// The API server, or the phone, refused a request.
    Refused,
    /// An object of the site could not be written.
    ApplyFailed,
    /// Every TFTP pod holds the newest files.
    Served,
    /// The site is suspended.
    Suspended,
    /// The last good files go on being served.
    LastGood,
    /// Not every TFTP pod holds the files, or the image, yet.
    Pending,
    /// No TFTP pod answers.
    NoServer,
    /// There are no files.
    NotRendered,
    /// Fewer TFTP pods answer than should.
    ServersMissing,
    /// The site's server has no address that phones can use yet.
    AddressPending,
    /// TFTP pods are missing: Pod Security refuses them.
    PodSecurity,
    /// TFTP pods are missing: a quota has no room for them.
    QuotaExceeded,
    /// TFTP pods are missing: something else in the cluster refuses them.
    PodsRefused,
    /// TFTP pods are missing: the name of an image is none.
    InvalidImage,
    /// TFTP pods are missing: an image cannot be pulled.
    ImagePullFailed,
    /// TFTP pods are missing: the kubelet cannot make or start a container.
    ContainerFailed,
    /// TFTP pods are missing: a container ends again and again.
    CrashLoop,
    /// TFTP pods are missing: no node takes them.
    Unschedulable,
    /// TFTP pods are missing: they have a node, and do not start there.
    NotStarted,
    /// TFTP pods are missing: they were ended.
    PodFailed,
    /// No firmware image is wanted.
    Unmanaged,
    /// Every TFTP pod holds the image, whole.
    Staged,
    /// An image is wanted and no source is named.
    NoSource,
    /// A source of firmware does not exist.
    SourceNotFound,
    /// A firmware file could not be fetched.
    FetchFailed,
    /// Files of the image are missing or wrong.
    Incomplete,
    /// The phone fetched its newest files.
    Fetched,
    /// The phone never fetched its file.
    NeverFetched,
    /// The phone was sent its newest file whole, and did not acknowledge the end: it may run it.
    Unacknowledged,
    /// The phone runs an older configuration.
    Outdated,
    /// The phone runs an older `SIPDefault.cnf`.
    CommonOutdated,
    /// What is served is not the newest.
    NotServed,
    /// There is nothing to notify the phone of.
    InSync,
    /// The phone was notified.
    Told,
    /// The phone was notified, no answer was heard, and it is waited for.
    Unheard,
    /// The phone was notified and did not come back.
    NotBack,
    /// Phones are notified in other hours only.
    OutsideWindow,
    /// Others come first.
    Waiting,
    /// The TFTP pods that an upgrade of the operator made did not come up in time.
    UpdateFailed,
    /// Another site's did not, and the update of sites has stopped.
    UpdateStopped,
    /// The phone was never seen.
    NoAddress,
    /// The phone's address is none that anything is sent to.
    AddressNotAllowed,
    /// The phone's file was fetched from two addresses within a short time.
    TwoAddresses,
    /// The phone takes an image and restarts by itself.
    Upgrading,
    /// The phone's telnet door is closed.
    TelnetOff,
    /// The phone did not answer.
    NoAnswer,
    /// The request could not be sent.
    NotSent,
    /// The phone did not take the password.
    LoginFailed,
    /// Everything is done on the server's side.
    Ready,
    /// Changes are applied again.
    Resumed,
    /// Somebody else changes an object again and again.
    Contested,
    /// The phone runs the image that it should.
    Upgraded,
    /// The phone began to take the image.
    UpgradeStarted,
    /// The phone did not take the image, or does not run it.
    UpgradeFailed,
}

impl Reason {
    /// The word in a status, an Event, a message and a metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_as_kubernetes_writes_them_and_come_back() {
        for reason in Reason::VARIANTS {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{reason:?}");
        }
        for kind in ConditionType::VARIANTS {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
    }
}
