//! What the operator says back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// What is known of a phone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SipPhoneStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The name of the phone's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// What was rendered: sha256 of the file. For a file with a password in it, a keyed hash of it (HMAC-SHA-256), so that
    /// nobody can test guesses of the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// What the TFTP pods hold; absent while they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_hash: Option<String>,
    /// What the phone last took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_hash: Option<String>,
    /// The SIPDefault.cnf that the phone took together with it, told by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_common_hash: Option<String>,
    /// When the phone last fetched a file; written at most every ten minutes unless something else changed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string", "format" = "date-time"))]
    pub last_seen: Option<String>,
    /// The phone's address then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The phone's firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<PhoneFirmwareStatus>,
    /// When the phone was last told to fetch a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync: Option<ResyncStatus>,
    /// Its lines, from the top, as they are entered elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineStatus>,
    /// Accepted: the object is understood and in conflict with no other. Served: every TFTP pod holds the file.
    /// FirmwareStaged: every TFTP pod holds the image's files. InSync: the phone itself fetched the newest file; false while
    /// it is unplugged. Ready: Accepted, Served and FirmwareStaged; what a GitOps health check should wait for. Resynced, where
    /// spec.resync says how phones are told of changes: there is nothing to tell; otherwise why the phone has not taken the
    /// change yet. AddressConflict stands only while somebody else may speak in the phone's name: its file was fetched from two
    /// addresses within ten minutes, or asked for from outside spec.phoneNetworks. Reconciling and Stalled stand only while they are true: work is under way, or cannot go on until somebody
    /// changes an object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,
}

/// When a phone was told to fetch a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResyncStatus {
    /// When it was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string", "format" = "date-time"))]
    pub told_at: Option<String>,
    /// How often it was told in vain since it last fetched what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<i64>,
}

/// A phone's firmware.
// Many fields because each is one that a status shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneFirmwareStatus {
    /// The image that the phone should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The image that the phone was seen to run; absent until it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// What was seen that tells so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_seen: Option<String>,
    /// How far it is. Unmanaged: no image is wanted. Pending: not every TFTP pod holds the image. Waiting: held back by the
    /// site's rollout. Staged: the phone is told of it when it restarts. Offered: it read a configuration that names it.
    /// Downloading: it takes the image's files. Installing: it took all of them. Current: it runs the image. Failed: it did
    /// not take all of a file, or was not seen to run what it took; left as soon as it tries again.
    pub stage: Stage,
    /// The file that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How many bytes of the image's files it has, told in steps of 20 percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<i64>,
    /// How many bytes the image's files have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<i64>,
    /// The same in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i64>,
    /// The files of images that it took whole and does not run yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub taken: Vec<String>,
    /// How often it failed since it last ran what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<i64>,
    /// What was seen, or what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when the stage is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string", "format" = "date-time"))]
    pub since: Option<String>,
    /// The last request that this speaks of, by its time; later ones that changed nothing are not noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string", "format" = "date-time"))]
    pub observed: Option<String>,
}

/// How far a phone's firmware is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    IntoStaticStr,
    VariantArray,
)]
pub enum Stage {
    /// No image is wanted.
    #[default]
    Unmanaged,
    /// Not every TFTP pod holds the image.
    Pending,
    /// Held back by the site's rollout.
    Waiting,
    /// Every TFTP pod holds the image, and the phone is told of it when it restarts.
    Staged,
    /// It read a configuration that names the image.
    Offered,
    /// It takes the image's files.
    Downloading,
    /// It took all of them.
    Installing,
    /// It runs the image.
    Current,
    /// It did not take all of a file, or was not seen to run what it took.
    Failed,
}

/// One line, as it is entered in the Interaction Administrator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineStatus {
    /// The key beside the display that the line is on, counted from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<i64>,
    /// The line's name.
    pub name: String,
    /// The station's connection address: the line's name at the phone's address. Absent until the phone was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station_connection: Option<String>,
    /// The station's identification address in the preferred form: the line's name.
    pub station_identification: String,
    /// The station's identification address in the full form: sip:name@proxy:port. Absent without a proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station_identification_uri: Option<String>,
}

/// What is known of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneSiteStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The TFTP server's IPv4 address for phones: what DHCP options 150 and 66 should say; with a port where the Service has
    /// one on the nodes. Absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name that the load balancer gives beside the address, or instead of one: option 66 may say it, and option 150 cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// TFTP pods that answer, of those that should run: "2/2".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<String>,
    /// How many phones there are, and how far they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phones: Option<PhoneCounts>,
    /// The site's firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<SiteFirmwareStatus>,
    /// The hash of SIPDefault.cnf: sha256, or a keyed hash if it holds a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_hash: Option<String>,
    /// What is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounts>,
    /// How many phones asked this site for their configuration within the last hour although no SipPhone declares them; at most
    /// 2048 are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclaimed_count: Option<i64>,
    /// Phones that asked this site for their configuration within the last hour and that no SipPhone declares; at most 64: first
    /// those that wait for one, then those that asked last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mac".to_string()]))]
    pub unclaimed: Vec<Unclaimed>,
    /// Accepted: the object is understood. Served: every TFTP pod holds the common files. FirmwareStaged: every TFTP pod
    /// holds the image's files. Ready: all three, the TFTP pods answer, and phones have an address. Reconciling, Stalled and
    /// Suspended stand only while they are true; UpdatePending while the operator was upgraded and the pods are not those of its
    /// new version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_string()]))]
    pub conditions: Vec<Condition>,
}

/// How many phones there are, and how far they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneCounts {
    /// All phones that name the site.
    pub total: i64,
    /// Those that are understood and in conflict with no other.
    pub accepted: i64,
    /// Those whose newest file every TFTP pod holds.
    pub served: i64,
    /// Those with everything done on the server's side.
    pub ready: i64,
    /// Those that fetched their newest file.
    pub in_sync: i64,
}

/// A site's firmware.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteFirmwareStatus {
    /// The image that phones should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The images that every TFTP pod was seen to hold whole, and that phones are told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub staged: Vec<String>,
    /// What OS79XX.TXT names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// How many phones are at each stage of their upgrade; phones that should run no image in particular are not counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["stage".to_string()]))]
    pub stages: Vec<StageCount>,
}

/// How many phones are at a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct StageCount {
    /// The stage.
    pub stage: Stage,
    /// How many phones.
    pub phones: i64,
}

/// What is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct FileCounts {
    /// How many files dialtone rendered for the site.
    pub count: i64,
    /// How many ConfigMaps hold them.
    #[serde(rename = "configMaps")]
    pub config_maps: i64,
    /// How many Secrets hold them.
    pub secrets: i64,
}

/// A phone that nobody declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unclaimed {
    /// Its Ethernet address, from the name of the file that it asked for.
    pub mac: String,
    /// Its address when it asked last.
    pub address: String,
    /// When it first asked.
    #[schemars(extend("type" = "string", "format" = "date-time"))]
    pub first_seen: String,
    /// Whether it asked again and again, as a phone without a configuration does every 31 seconds. One that asked only once may
    /// be a stranger's packet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
}
