//! How running phones are told to fetch a change.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How running phones are told to fetch a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resync {
    /// Never: phones take changes when they restart. Notify: the operator sends each phone that has not fetched its newest
    /// files a SIP NOTIFY with "Event: check-sync"; the phone restarts once it has been idle for 20 seconds. Telnet: the
    /// operator logs in with settings.phonePasswordSecretRef and says "reset", which needs telnetLevel Privileged and ends calls at
    /// once. Only phones whose files changed are told. Default: Never.
    #[serde(default)]
    pub method: ResyncMethod,
    /// The most phones that have been told and have not come back yet; a phone that does not come back within 3 minutes no
    /// longer counts, and is told again after 5 minutes, 10, 20 and so on up to 6 hours. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent: Option<i64>,
    /// When phones may be told. Default: at any time. The annotation dialtone.dev/resync-at does not wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// How a phone is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ResyncMethod {
    /// Not at all.
    #[default]
    Never,
    /// SIP NOTIFY.
    Notify,
    /// Telnet.
    Telnet,
}

impl ResyncMethod {
    /// Whether phones that are notified so read `syncinfo.xml`, which their site then has to serve.
    pub const fn needs_syncinfo(self) -> bool {
        match self {
            ResyncMethod::Notify => true,
            ResyncMethod::Never | ResyncMethod::Telnet => false,
        }
    }
}

/// What a phone's resync has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PhoneResync {
    /// How this phone is told, instead of what the site says: Never, Notify or Telnet.
    pub method: ResyncMethod,
}

/// A part of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it begins, as HH:MM. Example: "22:00".
    #[schemars(length(min = 5, max = 5), regex(pattern = TIME_PATTERN))]
    pub from: String,
    /// When it ends, as HH:MM; earlier than from, it ends on the next day. Example: "05:30".
    #[schemars(length(min = 5, max = 5), regex(pattern = TIME_PATTERN))]
    pub to: String,
    /// On which days it begins. Default: on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub days: Vec<Day>,
    /// The time zone, by its name in the tz database, such as Europe/Berlin. Default: settings.timeZone if that is such a
    /// name, otherwise UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_+/-]*$"))]
    pub time_zone: Option<String>,
}

const TIME_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}
