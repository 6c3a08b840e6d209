//! Firmware that does not come from ConfigMaps: from a volume, from an image, from the web.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::super::options::Options;
use super::merge::merge;
use crate::api::{FirmwareSource, ImageSource, Origin, PhoneSiteSpec, UrlSource, VolumeSource, is_object_name};
use crate::base::digest::Digest;
use crate::base::network::{NOT_PUBLIC_V4, NOT_PUBLIC_V6, PUBLIC_V6};
use crate::phone::parameter::check_file_name;

/// Where fetched files are.
const FETCHED: &str = "/srv/fetched";
/// Where an image's files are.
const IMAGE: &str = "/srv/image";
/// Where a volume's files are.
const VOLUME: &str = "/srv/volume";
/// Where this program is for a container that has nothing but firmware.
const TOOL: &str = "/srv/tool";

/// A source's origins, each kind by itself, in the order in which their files win.
#[derive(Default)]
struct Roots<'a> {
    urls: Vec<&'a UrlSource>,
    image: Option<&'a ImageSource>,
    volume: Option<&'a VolumeSource>,
}

impl<'a> Roots<'a> {
    fn of(source: &'a FirmwareSource) -> Roots<'a> {
        let mut roots = Roots::default();
        for origin in source.origins() {
            match origin {
                // In the projected volume that every pod has.
                Origin::ConfigMap(_) => {}
                Origin::Url(url) => roots.urls.push(url),
                Origin::Image(image) => roots.image = Some(image),
                Origin::Volume(volume) => roots.volume = Some(volume),
            }
        }
        roots
    }
}

/// Adds volumes, what fills them, and the server's further roots to a pod.
pub(super) fn add(pod: &mut Value, source: &FirmwareSource, options: &Options) {
    let Roots { mut urls, image, volume } = Roots::of(source);
    // What an older definition has let in becomes no argument and no volume.
    urls.retain(|one| is_fetchable(one));
    let volume = volume.filter(|volume| is_object_name(&volume.claim_name));
    if !urls.is_empty() {
        fetch(pod, &urls, options);
    }
    if let Some(image) = image.filter(|image| is_beneath(image)) {
        let folder = image.path.as_deref().unwrap_or("/").trim_matches('/');
        if options.image_volumes.get() == Some(&true) {
            mount_image(pod, image, folder);
        } else {
            copy_image(pod, image, folder, options);
        }
    }
    if let Some(claim) = volume {
        let volume = json!({"claimName": claim.claim_name, "readOnly": true});
        push(&mut pod["volumes"], json!({"name": "volume", "persistentVolumeClaim": volume}));
        root(pod, "volume", VOLUME, VOLUME, claim.sub_path.as_deref());
    }
}

/// Whether name, digest and URL are what they should be: each is an argument of its own.
fn is_fetchable(one: &UrlSource) -> bool {
    let web = one.url.starts_with("http://") || one.url.starts_with("https://");
    let sum = Digest::from_hex(&one.sha256).is_some();
    web && sum && !one.has_login() && !one.file_name().is_empty() && check_file_name(one.file_name()).is_ok()
}

/// Whether the folder in an image is one that the schema allows: `..` would lead to what else the pod has.
fn is_beneath(image: &ImageSource) -> bool {
    image.path.as_deref().is_none_or(|path| path.split('/').all(|part| part != ".."))
}

/// Lets a container beside the server fetch files.
fn fetch(pod: &mut Value, urls: &[&UrlSource], options: &Options) {
    let files = urls.iter().flat_map(|one| [one.file_name().to_owned(), one.sha256.clone(), one.url.clone()]);
    let allowed = options.policy.firmware_networks.iter().map(|network| format!("--allow={network}"));
    let args = ["fetch".to_owned(), format!("--to={FETCHED}")].into_iter().chain(allowed);
    let args = args.chain(["--file".to_owned()]).chain(files);
    // It goes on beside the server: a web server that does not answer keeps no phone from its configuration.
    let fetch = container("fetch", &options.image, args.collect(), options, &[("fetched", FETCHED, false)]);
    push(&mut pod["initContainers"], with(fetch, &json!({"restartPolicy": "Always"})));
    push(&mut pod["volumes"], json!({"name": "fetched", "emptyDir": {"sizeLimit": "512Mi"}}));
    root(pod, "fetched", FETCHED, FETCHED, None);
}

fn mount_image(pod: &mut Value, image: &ImageSource, folder: &str) {
    let mut volume = json!({"reference": image.reference});
    if let Some(policy) = image.pull_policy {
        volume["pullPolicy"] = format!("{policy:?}").into();
    }
    push(&mut pod["volumes"], json!({"name": "image", "image": volume}));
    // Beneath the image, whatever its folder may be a link to.
    let place = if folder.is_empty() { IMAGE.to_owned() } else { format!("{IMAGE}/./{folder}") };
    root(pod, "image", IMAGE, &place, None);
}

/// The connections that pods may begin: to resolve names, and to fetch.
pub(super) fn egress(spec: &PhoneSiteSpec, options: &Options) -> Vec<Value> {
    let source = spec.firmware.as_ref().and_then(|firmware| firmware.source.as_ref());
    let port = |origin: Origin<'_>| match origin {
        Origin::Url(url) => is_fetchable(url).then(|| port(&url.url)),
        // The kubelet mounts and pulls these, not the pod.
        Origin::ConfigMap(_) | Origin::Image(_) | Origin::Volume(_) => None,
    };
    let ports: BTreeSet<u16> = source.into_iter().flat_map(FirmwareSource::origins).filter_map(port).collect();
    if ports.is_empty() {
        return Vec::new();
    }
    let names = ["UDP", "TCP"].map(|protocol| json!({"port": 53, "protocol": protocol}));
    let web = ports.iter().map(|port| json!({"port": port, "protocol": "TCP"}));
    vec![json!({"ports": names}), json!({"to": fetched_from(options), "ports": web.collect::<Vec<_>>()})]
}

/// The same networks as `dialtone fetch` connects to.
fn fetched_from(options: &Options) -> Vec<Value> {
    let text = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let public = [
        json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": text(&NOT_PUBLIC_V4)}}),
        json!({"ipBlock": {"cidr": PUBLIC_V6.to_string(), "except": text(&NOT_PUBLIC_V6)}}),
    ];
    let allowed = options.policy.firmware_networks.iter();
    public.into_iter().chain(allowed.map(|network| json!({"ipBlock": {"cidr": network.to_string()}}))).collect()
}

fn port(url: &str) -> u16 {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.split('/').next().unwrap_or_default();
    let named = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    named.unwrap_or(if scheme == "http" { 80 } else { 443 })
}

/// Lets the image copy its files itself, with this program lent to it: it may hold nothing but firmware.
fn copy_image(pod: &mut Value, image: &ImageSource, folder: &str, options: &Options) {
    let tool = format!("{TOOL}/dialtone");
    let lend = vec!["copy".to_owned(), "/proc/self/exe".to_owned(), tool.clone()];
    push(&mut pod["initContainers"], container("tool", &options.image, lend, options, &[("tool", TOOL, false)]));
    let args = vec!["copy".to_owned(), format!("/{folder}"), IMAGE.to_owned()];
    let mounts = [("tool", TOOL, true), ("image", IMAGE, false)];
    let mut copies = with(container("image", &image.reference, args, options, &mounts), &json!({"command": [tool]}));
    if let Some(fields) = copies.as_object_mut() {
        fields.remove("imagePullPolicy");
    }
    if let Some(policy) = image.pull_policy {
        copies["imagePullPolicy"] = format!("{policy:?}").into();
    }
    push(&mut pod["initContainers"], copies);
    push(&mut pod["volumes"], json!({"name": "tool", "emptyDir": {"sizeLimit": "128Mi"}}));
    push(&mut pod["volumes"], json!({"name": "image", "emptyDir": {"sizeLimit": "512Mi"}}));
    root(pod, "image", IMAGE, IMAGE, None);
}

/// A container that prepares files.
fn container(name: &str, image: &str, args: Vec<String>, options: &Options, mounts: &[(&str, &str, bool)]) -> Value {
    let mounts = mounts.iter().map(|(name, path, only)| json!({"name": name, "mountPath": path, "readOnly": only}));
    let mut container = json!({
        "name": name,
        "image": image,
        "args": args,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts.collect::<Vec<_>>(),
    });
    if let Some(policy) = &options.image_pull_policy {
        container["imagePullPolicy"] = policy.clone().into();
    }
    container
}

/// Mounts a volume for the server and lets it serve a folder of it.
fn root(pod: &mut Value, volume: &str, path: &str, folder: &str, sub_path: Option<&str>) {
    let mut mount = json!({"name": volume, "mountPath": path, "readOnly": true});
    if let Some(sub_path) = sub_path {
        mount["subPath"] = sub_path.into();
    }
    let server = &mut pod["containers"][0];
    push(&mut server["volumeMounts"], mount);
    push(&mut server["args"], format!("--root={folder}").into());
}

fn with(mut object: Value, more: &Value) -> Value {
    merge(&mut object, more);
    object
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = Value::Array(vec![item]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::options;
    use super::*;

    fn pod(source: &Value, image_volumes: bool) -> Value {
        let mut pod = json!({"containers": [{"args": ["tftp"], "volumeMounts": []}], "volumes": []});
        let source = serde_json::from_value(source.clone()).unwrap();
        add(&mut pod, &source, &Options { image_volumes: image_volumes.into(), ..options() });
        pod
    }

    #[test]
    fn a_volume_is_mounted_read_only() {
        let pod = pod(&json!({"persistentVolumeClaim": {"claimName": "fw", "subPath": "7960/8.12"}}), true);
        let claim = &pod["volumes"][0]["persistentVolumeClaim"];
        assert_eq!(*claim, json!({"claimName": "fw", "readOnly": true}));
        let mount = json!({"name": "volume", "mountPath": "/srv/volume", "readOnly": true, "subPath": "7960/8.12"});
        assert_eq!(pod["containers"][0]["volumeMounts"][0], mount);
        assert_eq!(pod["containers"][0]["args"], json!(["tftp", "--root=/srv/volume"]));
        assert!(pod.get("initContainers").is_none());
    }

    #[test]
    fn an_image_is_mounted_where_the_cluster_can_and_copied_where_it_cannot() {
        let source = json!({"image": {"reference": "example.com/fw:1", "path": "/phones/", "pullPolicy": "Never"}});
        let mounted = pod(&source, true);
        assert_eq!(mounted["volumes"][0]["image"], json!({"reference": "example.com/fw:1", "pullPolicy": "Never"}));
        assert_eq!(mounted["containers"][0]["args"][1], "--root=/srv/image/./phones");
        let copied = pod(&source, false);
        let [lends, copies] = copied["initContainers"].as_array().unwrap().as_slice() else { panic!("{copied}") };
        assert_eq!(lends["args"], json!(["copy", "/proc/self/exe", "/srv/tool/dialtone"]));
        assert_eq!((&copies["image"], &copies["imagePullPolicy"]), (&json!("example.com/fw:1"), &json!("Never")));
        assert_eq!(copies["command"], json!(["/srv/tool/dialtone"]));
        assert_eq!(copies["args"], json!(["copy", "/phones", "/srv/image"]));
        assert_eq!(copies["securityContext"]["readOnlyRootFilesystem"], true);
    }

    #[test]
    fn the_web_is_fetched_beside_the_server_and_only_its_ports_are_open() {
        let sum = "0".repeat(64);
        let urls = json!([{"url": "https://a.example/x/P0S30202.bin", "sha256": sum}, {"url": "http://b.example:8080/?f", "sha256": sum, "file": "b.bin"}]);
        let pod = pod(&json!({"urls": urls}), true);
        let fetch = &pod["initContainers"][0];
        assert_eq!(fetch["restartPolicy"], "Always");
        let first = ["fetch", "--to=/srv/fetched", "--file", "P0S30202.bin", &sum, "https://a.example/x/P0S30202.bin"];
        let args: Vec<&str> = fetch["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(args[..6], first);
        let spec: PhoneSiteSpec = serde_json::from_value(json!({"firmware": {"source": {"urls": urls}}})).unwrap();
        let web = json!([{"port": 443, "protocol": "TCP"}, {"port": 8080, "protocol": "TCP"}]);
        let mut options = options();
        options.policy.firmware_networks = vec!["10.1.2.0/24".parse().unwrap()];
        let egress = |spec| egress(spec, &options);
        assert_eq!(egress(&spec)[1]["ports"], web);
        let to = egress(&spec)[1]["to"].clone();
        let except = to[0]["ipBlock"]["except"].as_array().unwrap();
        for inside in ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"] {
            assert!(except.contains(&inside.into()), "{inside}");
        }
        assert_eq!(to[2], json!({"ipBlock": {"cidr": "10.1.2.0/24"}}));
        assert!(egress(&PhoneSiteSpec::default()).is_empty());
        let source = spec.firmware.unwrap().source.unwrap();
        let mut pod = json!({"containers": [{"args": ["tftp"], "volumeMounts": []}], "volumes": []});
        add(&mut pod, &source, &options);
        assert_eq!(pod["initContainers"][0]["args"][2], "--allow=10.1.2.0/24");
    }

    #[test]
    fn a_folder_that_leads_out_of_an_image_is_not_served() {
        for image_volumes in [true, false] {
            let pod = pod(&json!({"image": {"reference": "example.com/fw:1", "path": "/../token"}}), image_volumes);
            assert!(pod.get("initContainers").is_none() && pod["volumes"] == json!([]), "{pod}");
        }
    }

    #[test]
    fn what_is_no_file_name_or_no_claim_becomes_no_argument_and_no_volume() {
        let sum = "0".repeat(64);
        for (url, sha256, file) in [
            ("https://a.example/x", &*sum, Some("--once")),
            ("https://a.example/x", &sum, Some("../x")),
            ("https://a.example/x", &sum, Some("a/b")),
            ("https://a.example/-x", &sum, None),
            ("https://a.example/", &sum, None),
            ("https://joe:pw@a.example/x", &sum, None),
            ("--to=/srv/files", &sum, Some("a.bin")),
            ("https://a.example/x", "--once", None),
        ] {
            let source = json!({"urls": [{"url": url, "sha256": sha256, "file": file}], "persistentVolumeClaim": {"claimName": "../x"}});
            let pod = pod(&source, true);
            assert!(pod.get("initContainers").is_none() && pod["volumes"] == json!([]), "{pod}");
            let spec: PhoneSiteSpec = serde_json::from_value(json!({"firmware": {"source": source}})).unwrap();
            assert!(egress(&spec, &options()).is_empty());
        }
    }
}
