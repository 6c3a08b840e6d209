//! `PhoneSite`: what the phones of one place share, and the TFTP server that they boot from.
//!
//! Long because each field has its description, which is the schema's, too.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::network;
use crate::phone::{dialplan, image, parameter, text};

use super::peer::MetricsPeer;
use super::pod::{PodTemplate, Resources};
use super::service::ServiceSpec;
use super::{Extra, FirmwareSource, ObjectRef, PhoneSiteStatus, Resync, SecretParameters, Settings, settings};

/// What the phones of a site share.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialtone.dev",
    version = "v1alpha1",
    kind = "PhoneSite",
    plural = "phonesites",
    namespaced,
    status = "PhoneSiteStatus",
    shortname = "psite",
    category = "dialtone",
    doc = "PhoneSite is a place with phones: the parameters that they share, their firmware, and the TFTP server that they boot from.",
    printcolumn(name = "Phones", type_ = "integer", json_path = ".status.phones.total", description = "How many phones the site has."),
    printcolumn(name = "Phones Ready", type_ = "integer", json_path = ".status.phones.ready", description = "How many of them are ready on the server's side."),
    printcolumn(name = "In Sync", type_ = "integer", json_path = ".status.phones.inSync", description = "How many of them fetched their newest configuration."),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address", description = "The TFTP server's address: what DHCP options 150 and 66 should say."),
    printcolumn(name = "Hostname", type_ = "string", json_path = ".status.hostname", description = "The load balancer's name, which DHCP option 66 may say.", priority = 1),
    printcolumn(name = "Firmware", type_ = "string", json_path = ".status.firmware.target", description = "The firmware image that phones should run."),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "Whether everything is done on the server's side."),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "Why it is ready, or why not.", priority = 1),
    printcolumn(name = "Servers", type_ = "string", json_path = ".status.servers", description = "TFTP pods that answer, of those that should run.", priority = 1),
    printcolumn(name = "Files", type_ = "integer", json_path = ".status.files.count", description = "How many files are served.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "How long ago the object was created."),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$') && self.metadata.name.size() <= 40").message("metadata.name: the name of a site becomes part of other objects' names: lower-case letters, digits and '-', beginning with a letter, at most 40 characters")
)]
#[serde(rename_all = "camelCase")]
pub struct PhoneSiteSpec {
    /// Parameters that all phones of the site share. Written to SIPDefault.cnf.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    #[schemars(schema_with = "settings::for_site")]
    pub settings: Settings,
    /// Parameters that settings does not know, by the phone's own names: they stand in SIPDefault.cnf as they are. A
    /// parameter that settings knows belongs there; setting it in both places is refused.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra_parameters: Extra,
    /// Parameters for SIPDefault.cnf whose values come from Secrets, by the phone's own names: for passwords that have no
    /// field of their own, such as a line1_password that all phones share.
    #[serde(default, skip_serializing_if = "SecretParameters::is_empty")]
    pub secret_parameters: SecretParameters,
    /// What is written for parameters that nobody set. A phone remembers every value that it was ever told. Reset: the
    /// documented default, so that what is in the manifests is what is on the phone; of parameters that came with firmware 8.0
    /// only where firmware.image, or what the phone was seen to run, knows them. Keep: nothing, so that the phone keeps what it has.
    /// Default: Reset.
    #[serde(default)]
    pub unset_parameters: UnsetParameters,
    /// The firmware that phones should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<SiteFirmware>,
    /// How dialled digits become calls. Served as <settings.dialTemplate>.xml.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial_plan: Option<DialPlan>,
    /// The rings to choose from at the phone. Served as RINGLIST.DAT.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub ring_list: Vec<Ring>,
    /// Other files that phones may fetch, such as the rings of ringList.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FileSource>,
    /// How running phones are told to fetch a change. Default: not at all; they take it when they restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync: Option<Resync>,
    /// The networks that the site's phones are in, such as 10.20.0.0/16. Anybody can fetch a file in a phone's name: resync
    /// sends nothing, and least of all a password, to an address outside of them; nor ever to link-local, multicast and loopback
    /// addresses, or to those of the cluster itself. Default: the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16,
    /// 100.64.0.0/10 and fc00::/7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 3, max = 49), regex(pattern = network::CIDR_PATTERN)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub phone_networks: Vec<String>,
    /// The TFTP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tftp: Option<TftpSpec>,
    /// Leave everything as it is: what is served goes on being served, and no change is applied until this is false again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What is written for parameters that nobody set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnsetParameters {
    /// The documented default.
    #[default]
    Reset,
    /// Nothing.
    Keep,
}

/// A site's firmware.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteFirmware {
    /// The image that phones should run, without extension. Written as image_version, but only once every TFTP pod holds
    /// the image's files. Example: P0S3-07-4-00. Default: phones keep what they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), regex(pattern = image::NAME_PATTERN))]
    pub image: Option<String>,
    /// What OS79XX.TXT names: the image that phones with firmware before 7.0 load first. Default: P0S30202 for an image
    /// before 7.0, through which phones older than 2.2 must pass, and the image's loader (P003-…) from 7.0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), regex(pattern = image::NAME_PATTERN))]
    pub bootstrap: Option<String>,
    /// Where the images' files come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<FirmwareSource>,
    /// The SHA-256 that a file must have, by file name, as 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$", "maxLength": 64}))]
    pub checksums: BTreeMap<String, String>,
    /// How many phones are told of an image at a time. Default: all at once. With a rollout each phone's own file names its
    /// image, never SIPDefault.cnf, XMLDefault.cnf.xml or (from 7.0 on) OS79XX.TXT, which all phones share: phones before 7.0
    /// that go to 7.0 or later need a bootstrap, which cannot be held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// How many phones are told of an image at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The most phones that are told of the image and do not run it yet. A phone that has not read of it within half an hour has
    /// another turn after the others; one that failed three times, or began and tells nothing for half an hour, no longer counts
    /// until it tries again. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_updating: Option<i64>,
    /// Let phones go on that have read of the image, and tell no others. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

impl Rollout {
    /// Whether it holds anything back.
    pub fn holds_back(&self) -> bool {
        self.paused || self.max_updating.is_some()
    }

    /// How many phones may be on their way.
    pub fn most(&self) -> usize {
        self.max_updating.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
    }
}

/// Where other files come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// ConfigMaps in the same namespace whose data and binaryData hold the files, each under the name that phones ask for.
    /// Files that dialtone writes itself, such as SIPDefault.cnf, are not taken from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub config_maps: Vec<ObjectRef>,
}

impl PhoneSiteSpec {
    /// The ConfigMaps whose files are served, the later winning over the earlier.
    pub fn config_maps(&self) -> impl Iterator<Item = &str> {
        let firmware = self.firmware.iter().filter_map(|firmware| firmware.source.as_ref());
        let firmware = firmware.flat_map(|source| &source.config_maps);
        firmware.chain(self.files.iter().flat_map(|files| &files.config_maps)).map(|map| map.name.as_str())
    }
}

/// How dialled digits become calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DialPlan {
    /// What phones call by themselves when the handset is lifted: a hotline or a warm line, on every line. Known from the published
    /// source of the phones' later SIP stack, not from a manual: try it on one phone first. Default: nothing; they wait for digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_hook: Option<OffHook>,
    /// The rules. The phone takes the one that matches with the most literal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub templates: Vec<DialRule>,
}

impl DialPlan {
    /// Whether there is nothing for a file.
    pub fn is_empty(&self) -> bool {
        self.off_hook.is_none() && self.templates.is_empty()
    }

    /// What stands in the file.
    pub fn written(&self) -> impl Iterator<Item = dialplan::Template<'_>> {
        self.off_hook.iter().map(OffHook::template).chain(self.templates.iter().map(DialRule::template))
    }
}

/// What a phone calls when its handset is lifted. Written as a rule with an empty MATCH.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct OffHook {
    /// The number. Written as Rewrite. At most 63 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = dialplan::ATTRIBUTE_PATTERN))]
    pub number: String,
    /// The seconds to wait for a key. 0 calls at once: a hotline, on which nobody can dial anything else, an emergency call
    /// neither. More makes a warm line: whoever presses a key in time dials as usual.
    #[schemars(range(min = 0, max = 3600))]
    pub timeout: i64,
    /// What ;user= says in the SIP address. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<DialUser>,
    /// Where the call goes: Default, Emergency (settings.proxyEmergency), or a host such as a gateway. Default: Default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = parameter::HOST_PATTERN))]
    pub route: Option<String>,
}

impl OffHook {
    fn template(&self) -> dialplan::Template<'_> {
        dialplan::Template {
            pattern: "",
            timeout: Some(self.timeout),
            user: self.user.map(DialUser::word),
            rewrite: Some(&self.number),
            route: self.route.as_deref(),
            tones: &[],
        }
    }
}

/// One rule of a dial plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct DialRule {
    /// The digits: "." is any one, "*" one or more, "," gives a second dial tone, "\\*" is a star. Written as MATCH. At most
    /// 63 characters.
    #[serde(rename = "match")]
    #[schemars(length(min = 1, max = 63), regex(pattern = dialplan::ATTRIBUTE_PATTERN))]
    pub pattern: String,
    /// Seconds to wait for more digits before the call is made; 0 calls at once. Default: the phone's own, 10 seconds in
    /// later firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub timeout: Option<i64>,
    /// What ;user= says in the SIP address. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<DialUser>,
    /// What to dial instead: "%s" is everything that was dialled, "%1" to "%5" what the wildcards stood for. At most 63
    /// characters. Default: what was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = dialplan::ATTRIBUTE_PATTERN))]
    pub rewrite: Option<String>,
    /// Where the call goes: Default, Emergency (settings.proxyEmergency), or a host such as a gateway. Default: Default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = parameter::HOST_PATTERN))]
    pub route: Option<String>,
    /// The second dial tones, one for each comma in match, such as Bellcore-Outside. At most 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(max = 63), regex(pattern = "^[A-Za-z0-9-]*$")))]
    pub tones: Vec<String>,
}

impl DialRule {
    /// The rule as the writer and the matcher take it.
    pub fn template(&self) -> dialplan::Template<'_> {
        dialplan::Template {
            pattern: &self.pattern,
            timeout: self.timeout,
            user: self.user.map(DialUser::word),
            rewrite: self.rewrite.as_deref(),
            route: self.route.as_deref(),
            tones: &self.tones,
        }
    }
}

/// What `;user=` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DialUser {
    /// `user=phone`
    Phone,
    /// `user=ip`
    IP,
}

impl DialUser {
    /// The word in the dial plan's file.
    pub const fn word(self) -> &'static str {
        match self {
            DialUser::Phone => "Phone",
            DialUser::IP => "IP",
        }
    }
}

/// One ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Ring {
    /// The name in the phone's menu. At most 31 characters.
    #[schemars(length(min = 1, max = 31), regex(pattern = text::PATTERN))]
    pub name: String,
    /// The file that holds it: raw 8 kHz µ-law.
    #[schemars(length(min = 1, max = 64), regex(pattern = parameter::FILE_NAME_PATTERN))]
    pub file: String,
}

/// The TFTP server of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TftpSpec {
    /// How many pods serve. Default: 2, so that phones boot while one is replaced; 1 with hostNetwork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16))]
    pub replicas: Option<i64>,
    /// Which UDP port answers. Single: the one that was asked, which works behind a Service, a load balancer and NAT.
    /// Ephemeral: a new one for each transfer, as RFC 1350 has it, which needs hostNetwork or direct routing to the pods.
    /// Default: Single.
    #[serde(default)]
    pub port_mode: PortMode,
    /// The largest window (RFC 7440) that a client may request: how many blocks are sent before an acknowledgement. With portMode
    /// Single, whoever forges a phone's address makes the server send so many blocks there for each packet. Default: 1 with
    /// portMode Single, which is all that the phones know; 16 with Ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub windowsize: Option<i64>,
    /// The Service that gives phones a stable address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,
    /// Serve on port 69 of the nodes themselves, without a Service. Needs a namespace that allows host networking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// Whether whoever drains a node waits until another pod serves (a PodDisruptionBudget of one pod). Auto: with two replicas or
    /// more the last pod that serves is not evicted; a single one is, because nothing could take its place and the drain would never
    /// end: phones that restart meanwhile wait. Always: a single one is not evicted either, and the drain waits until somebody
    /// raises replicas, deletes the pod or sets this to Never. Never: there is no budget. Default: Auto.
    #[serde(default)]
    pub disruption_budget: DisruptionBudget,
    /// Whether the site's pods are replaced before those of other sites when the operator was upgraded: those follow when its new pods
    /// serve, and none does if they do not. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// What the container asks for, as in a pod: requests and limits. Default: 10m CPU and 32Mi memory requested, and a
    /// memory limit of 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What the pods have of their own: a part of a PodTemplateSpec. Containers, volumes, accounts and host namespaces are
    /// dialtone's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Who may read the pods' metrics (TCP port 8070), as in the from of a NetworkPolicy, beside the operator's namespace and what the
    /// chart's networkPolicy.metricsFrom allows. With hostNetwork, where no NetworkPolicy applies, metrics are served at the node's
    /// address only if there is an entry here or there. Default: nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub metrics_from: Vec<MetricsPeer>,
}

/// Whether a drain of nodes leaves the last pod that serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DisruptionBudget {
    /// With several replicas.
    #[default]
    Auto,
    /// With a single one, too.
    Always,
    /// No.
    Never,
}

/// Which UDP port answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PortMode {
    /// The port that was asked.
    #[default]
    Single,
    /// A new port for each transfer.
    Ephemeral,
}
