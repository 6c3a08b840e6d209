//! Where firmware files come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ObjectRef;
use super::reference::OBJECT_NAME_PATTERN;
use crate::phone::parameter;

/// A folder from the root on, without `..`; the rules beside it say the same in words.
const ABSOLUTE_FOLDER_PATTERN: &str = "^/([^.]|[.][^.])*[.]?$";
/// A folder below another one, without `..`.
const RELATIVE_FOLDER_PATTERN: &str = "^([.]|([^/.]|[.][^.])([^.]|[.][^.])*[.]?)$";

/// Where firmware files come from: any mix of these. Of files with one name, that of configMaps is served, then that of urls,
/// of image, and of persistentVolumeClaim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirmwareSource {
    /// ConfigMaps in the same namespace whose binaryData holds the files, each under its exact name, such as
    /// P0S3-07-4-00.sb2. A ConfigMap holds at most 1 MiB: give large files one each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub config_maps: Vec<ObjectRef>,
    /// Files from the web. Every TFTP pod fetches them by itself, and again whenever it is made anew; it serves phones
    /// meanwhile, and goes on trying if a server does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["url".to_string()]))]
    pub urls: Vec<UrlSource>,
    /// An OCI image that holds the files. It is mounted where all nodes can mount images (Kubernetes 1.35 with containerd 2.1 or
    /// CRI-O 1.33); otherwise an init container copies them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
    /// A volume that holds the files; it is mounted read-only. All TFTP pods must be able to mount it: ReadOnlyMany or
    /// ReadWriteMany, or one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<VolumeSource>,
}

/// One place that firmware comes from. Whoever treats sources differently matches all of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin<'a> {
    /// A ConfigMap, whose files the operator reads.
    ConfigMap(&'a ObjectRef),
    /// A file from the web.
    Url(&'a UrlSource),
    /// An OCI image.
    Image(&'a ImageSource),
    /// A volume.
    Volume(&'a VolumeSource),
}

impl Origin<'_> {
    /// Whether only the pods can see its files, and not the operator.
    pub const fn is_pod_side(&self) -> bool {
        match self {
            Origin::ConfigMap(_) => false,
            Origin::Url(_) | Origin::Image(_) | Origin::Volume(_) => true,
        }
    }
}

impl FirmwareSource {
    /// All origins, those first whose files win over files of the same name from later ones.
    pub fn origins(&self) -> impl Iterator<Item = Origin<'_>> {
        // Taken apart without `..`: a new kind of source cannot be forgotten here.
        let FirmwareSource { config_maps, urls, image, persistent_volume_claim } = self;
        let maps = config_maps.iter().map(Origin::ConfigMap);
        let urls = urls.iter().map(Origin::Url);
        let image = image.iter().map(Origin::Image);
        let volume = persistent_volume_claim.iter().map(Origin::Volume);
        maps.chain(urls).chain(image).chain(volume)
    }

    /// Whether some files can be seen in the pods only.
    pub fn is_pod_side(&self) -> bool {
        self.origins().any(|origin| origin.is_pod_side())
    }
}

/// One file from the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = ("has(self.file) || self.url.matches('/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$')", "url: its last part is no file name: set file to the name that phones ask for, such as P0S3-07-4-00.sb2"))]
#[x_kube(validation = ("!self.url.matches('^https?://[^/]*@')", "url: holds a user or a password, which many may read: serve the file to those who know its SHA-256, or use another source"))]
pub struct UrlSource {
    /// Where it is: http or https. Certificates are checked against Mozilla's list. Redirects are followed on the same host only.
    /// Hosts that are not of the public Internet must be allowed by the operator (the chart's sites.firmwareNetworks).
    #[schemars(length(min = 8, max = 1024), regex(pattern = "^https?://[!-~]+$"))]
    pub url: String,
    /// The SHA-256 that it must have, as 64 hexadecimal digits.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: String,
    /// The name that phones ask for. Default: the last part of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = parameter::FILE_NAME_PATTERN))]
    pub file: Option<String>,
}

impl UrlSource {
    /// Whether the URL holds a user or a password.
    pub fn has_login(&self) -> bool {
        let authority = self.url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        authority.is_some_and(|authority| authority.contains('@'))
    }

    /// The name that phones ask for.
    pub fn file_name(&self) -> &str {
        self.file.as_deref().unwrap_or_else(|| self.url.rsplit('/').next().unwrap_or_default())
    }
}

/// An OCI image with files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSource {
    /// The image. Example: registry.example.com/phones/firmware:8.12.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^[!-~]+$"))]
    pub reference: String,
    /// The folder in it. Default: /.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = ABSOLUTE_FOLDER_PATTERN))]
    #[x_kube(validation = ("self.startsWith('/') && !self.contains('..')", "path: must begin with / and have no .."))]
    pub path: Option<String>,
    /// When nodes pull it. Default: Always for the tag latest, otherwise IfNotPresent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
}

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// For each pod.
    Always,
    /// Once.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// A volume with files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSource {
    /// The PersistentVolumeClaim, in the same namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub claim_name: String,
    /// The folder in it. Default: its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = RELATIVE_FOLDER_PATTERN))]
    #[x_kube(validation = ("!self.startsWith('/') && !self.contains('..')", "subPath: must not begin with / nor have .."))]
    pub sub_path: Option<String>,
}
