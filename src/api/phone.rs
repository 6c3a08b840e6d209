//! `SipPhone`: one phone on somebody's desk.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::phone::{Mac, Model, image, parameter, text};

use super::{Extra, ObjectRef, PhoneResync, SecretKey, SecretParameters, Settings, SipPhoneStatus, settings};

/// What a phone should be.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "dialtone.dev",
    version = "v1alpha1",
    kind = "SipPhone",
    plural = "sipphones",
    namespaced,
    status = "SipPhoneStatus",
    shortname = "phone",
    category = "dialtone",
    doc = "SipPhone is one Cisco 7940 or 7960 phone. Its configuration is rendered from this object and from its PhoneSite, served over TFTP, and its status says what the phone really fetched.",
    selectable = ".spec.siteRef.name",
    selectable = ".spec.mac",
    selectable = ".spec.model",
    printcolumn(name = "Site", type_ = "string", json_path = ".spec.siteRef.name", description = "The PhoneSite that the phone belongs to."),
    printcolumn(name = "Label", type_ = "string", json_path = ".spec.label", description = "The text in the corner of the phone's display."),
    printcolumn(name = "Line", type_ = "string", json_path = ".status.lines[0].name", description = "The line on the first key that has one."),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "Whether everything is done on the server's side."),
    printcolumn(name = "InSync", type_ = "string", json_path = ".status.conditions[?(@.type=='InSync')].status", description = "Whether the phone itself fetched its newest configuration."),
    printcolumn(name = "Firmware", type_ = "string", json_path = ".status.firmware.stage", description = "How far the firmware is."),
    printcolumn(name = "Last Seen", type_ = "date", json_path = ".status.lastSeen", description = "How long ago the phone last fetched a file."),
    printcolumn(name = "MAC", type_ = "string", json_path = ".spec.mac", description = "The phone's Ethernet address.", priority = 1),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model", description = "The phone's model.", priority = 1),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address", description = "The phone's address when it was last seen.", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "Why it is ready, or why not.", priority = 1),
    printcolumn(name = "Running", type_ = "string", json_path = ".status.firmware.running", description = "The firmware image that the phone was seen to run.", priority = 1),
    printcolumn(name = "Percent", type_ = "integer", json_path = ".status.firmware.percent", description = "How much of the image it has, while it takes it.", priority = 1),
    printcolumn(name = "Target", type_ = "string", json_path = ".status.firmware.target", description = "The firmware image that the phone should run.", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "How long ago the object was created."),
    validation = Rule::new("!has(self.spec.lines) || self.spec.model == '7960' || size(self.spec.lines) <= 2").message("spec.lines: a 7940 has 2 line appearances; a 7960 has 6"),
    validation = Rule::new("!has(self.spec.lines) || self.spec.model == '7960' || self.spec.lines.all(a, !has(a.key) || a.key <= 2)").message("spec.lines: a 7940 has 2 line keys; a 7960 has 6")
)]
#[serde(rename_all = "camelCase")]
pub struct SipPhoneSpec {
    /// The PhoneSite in the same namespace that the phone belongs to. It may be changed: a phone that moves gets the other
    /// site's files from then on.
    pub site_ref: ObjectRef,
    /// The phone's Ethernet address, as printed on its back: 000A8A123456, 00:0a:8a:12:34:56, 00-0A-8A-12-34-56 or
    /// 000a.8a12.3456. It names the phone's file, SIPxxxxxxxxxxxx.cnf with the twelve digits. It may be changed: that is how a broken phone is replaced.
    #[schemars(length(min = 12, max = 17), regex(pattern = Mac::PATTERN))]
    #[x_kube(validation = ("!self.matches('^.[13579bBdDfF]')", "mac: this is a group address, which no phone has; see the label on the phone's back"))]
    #[x_kube(validation = ("!self.matches('^[0:.-]+$')", "mac: this is all zeros, which no phone has; see the label on the phone's back"))]
    pub mac: String,
    /// The phone's model. A 7940 has 2 line appearances, a 7960 has 6.
    pub model: Model,
    /// The text in the upper right corner of the display. Written as phone_label. At most 11 characters. Default: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 11), regex(pattern = text::PATTERN))]
    pub label: Option<String>,
    /// The line appearances, from the top: the first is on key 1 and becomes line1_name, and so on. At most 2 on a 7940, 6 on
    /// a 7960. A line's key puts it on another key and so leaves keys free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    #[x_kube(validation = ("self.all(a, self.exists_one(b, a.name == b.name && (has(a.proxy) ? [a.proxy] : []) == (has(b.proxy) ? [b.proxy] : [])))", "lines: two lines of one phone have the same name on the same proxy; a line's name must be unique"))]
    #[x_kube(validation = ("self.all(a, !has(a.key) || a.key < 1 || self.exists_one(b, has(b.key) && b.key == a.key) && (a.key > size(self) || has(self[a.key - 1].key)))", "lines: two lines are on one key; a line without a key is on that of its place in the list"))]
    pub lines: Vec<Line>,
    /// Parameters for this phone, which override those of the site. Some make sense on a phone only.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    #[schemars(schema_with = "settings::for_phone")]
    pub settings: Settings,
    /// Parameters that settings does not know, by the phone's own names: they stand in the phone's file as they are. A
    /// parameter that settings knows belongs there; setting it in both places is refused.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra_parameters: Extra,
    /// Parameters whose values come from Secrets, by the phone's own names: for passwords that have no field of their own,
    /// such as the line3_password of a line that lines does not name.
    #[serde(default, skip_serializing_if = "SecretParameters::is_empty")]
    pub secret_parameters: SecretParameters,
    /// What differs from the site's firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<PhoneFirmware>,
    /// What differs from the site's resync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync: Option<PhoneResync>,
}

impl SipPhoneSpec {
    /// The lines in the order of the list, each with the number of its key, which may be one that the phone does not have.
    pub fn keyed_lines(&self) -> impl Iterator<Item = (i64, &Line)> {
        (1..).zip(&self.lines).map(|(place, line)| (line.key.unwrap_or(place), line))
    }
}

/// One line appearance: what the Interaction Administrator calls a station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The key beside the display that the line is on, counted from the top: 1 or 2 on a 7940, 1 to 6 on a 7960. It is the N of
    /// lineN_name and of proxyN_address. With it a line can stand on a later key and leave the ones before it free. Default: the
    /// line's place in the list, so that the first line is on key 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub key: Option<i64>,
    /// The user part of the line's SIP address, such as "7101", unique among the phones on one proxy. Written as
    /// lineN_name. No blanks: the phone does not escape them and sends broken SIP. At most 127 characters.
    #[schemars(length(min = 1, max = 127), regex(pattern = "^[^@<>\"]*$"))]
    #[x_kube(
        validation = ("!self.contains(' ')", "name: a line's name must not contain blanks: the phone sends broken SIP messages if it does"),
        validation = ("self.matches('^[ !#-~¡-ÿ]*$')", "name: a line's name has printable characters of ISO 8859-1 only")
    )]
    pub name: String,
    /// The label beside the line's key. Written as lineN_shortname. At most 31 characters. Default: the display name if
    /// there is one, otherwise the line's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 31), regex(pattern = text::PATTERN))]
    pub short_name: Option<String>,
    /// The display name in the From header. Written as lineN_displayname. At most 31 characters. Default: the line's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 31), regex(pattern = text::PATTERN))]
    pub display_name: Option<String>,
    /// The user name for authentication. Written as lineN_authname. At most 128 characters. Default: the phone uses that of
    /// line 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = text::PATTERN))]
    pub auth_name: Option<String>,
    /// The Secret with the password for authentication. Written as lineN_password. At most 31 characters. A phone with a
    /// password is rendered into a Secret, never into a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKey>,
    /// The line's SIP server. Written as proxyN_address and proxyN_port into the phone's file, where N is the line's key.
    /// Default: the site's settings.proxyNAddress and settings.proxyNPort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// The URL in the Contact header. Written as lineN_contact. At most 127 characters. Default: empty. Seen in working files,
    /// but not in a manual for this phone: try it on one phone first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 127), regex(pattern = text::PATTERN))]
    pub contact: Option<String>,
}

/// A SIP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Proxy {
    /// A host name or IPv4 address.
    #[schemars(length(min = 1, max = 127), regex(pattern = parameter::HOST_PATTERN))]
    pub address: String,
    /// The UDP port. Default: 5060, or the site's port for the line if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
}

/// What a phone's firmware has of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct PhoneFirmware {
    /// The image that this phone should run instead of the site's, without extension: a canary. Written as image_version.
    /// Example: P0S3-07-4-00.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60), regex(pattern = image::NAME_PATTERN))]
    pub image: Option<String>,
}
