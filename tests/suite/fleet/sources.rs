//! Firmware that only the pods see: from a volume, an image, or the web.

use dialtone::base::report::FileProblem;
use dialtone::provision::Infra;
use dialtone::provision::catalog::FirmwareFile;

use super::*;

const IMAGE: &str = "P0S3-8-12-00";
const FILES: [(&str, &[u8]); 3] = [
    ("P0S3-8-12-00.loads", b"\x01sig\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\n"),
    ("P003-8-12-00.sbn", b"loader"),
    ("P0S3-8-12-00.sb2", b"application"),
];

fn wanting(source: Value) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    let firmware = json!({"image": IMAGE, "source": source});
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": firmware}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.take_work();
    fleet
}

fn tells(fleet: &mut Fleet, pod: &str, files: &[(&str, &[u8])], problems: &[(&str, &str)]) {
    write_all(fleet);
    let problem = |(file, message): &(&str, &str)| FileProblem { file: (*file).into(), message: (*message).into() };
    let problems: Vec<FileProblem> = problems.iter().map(problem).collect();
    let firmware = files.iter().map(|(name, bytes)| ((*name).to_owned(), FirmwareFile::new(name, bytes)));
    fleet.pod_firmware(&key("hq"), pod, true, firmware.collect(), &[], &problems);
    let ours = fleet.tree(&key("hq"));
    let ours = ours.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes)));
    let theirs = files.iter().map(|(name, bytes)| ((*name).to_owned(), Digest::of(bytes)));
    fleet.pod_holds(&key("hq"), pod, true, ours.chain(theirs).collect(), &[]);
}

fn staged(fleet: &mut Fleet) -> (String, String) {
    let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
    let found = status.conditions.iter().find(|c| c.type_ == "FirmwareStaged").unwrap();
    (found.reason.clone(), found.message.clone())
}

#[test]
fn an_image_is_staged_when_every_pod_has_all_of_it() {
    let mut fleet = wanting(json!({"persistentVolumeClaim": {"claimName": "fw"}}));
    fleet.set_infra(&key("hq"), Infra { wanted: 2, ..Infra::default() });
    assert_eq!(staged(&mut fleet).0, "Pending", "nobody has looked into the volume yet");
    tells(&mut fleet, "a", &FILES[..2], &[]);
    let (reason, message) = staged(&mut fleet);
    assert_eq!(reason, "Incomplete");
    assert!(message.contains("P0S3-8-12-00.sb2 is missing in PersistentVolumeClaim fw"), "{message}");
    tells(&mut fleet, "a", &FILES, &[]);
    assert_eq!(staged(&mut fleet).0, "Pending", "the second pod has not told yet");
    tells(&mut fleet, "b", &FILES[..2], &[]);
    assert_eq!(staged(&mut fleet).0, "Pending", "the second pod has not all of it");
    let other: Vec<(&str, &[u8])> = FILES.iter().map(|(name, _)| (*name, &b"\x01another build"[..])).collect();
    tells(&mut fleet, "b", &other, &[]);
    assert_eq!(staged(&mut fleet).0, "Pending", "the pods hold different files");
    assert!(!text(&fleet, "SIPDefault.cnf").unwrap().contains(&format!("image_version: {IMAGE}")));
    tells(&mut fleet, "b", &FILES, &[]);
    assert_eq!(staged(&mut fleet).0, "Staged");
    assert!(text(&fleet, "SIPDefault.cnf").unwrap().contains(&format!("image_version: {IMAGE}")));
    tells(&mut fleet, "a", &FILES, &[]);
    tells(&mut fleet, "b", &FILES, &[]);
    assert!(fleet.pods_hold_all(&key("hq")), "the kubelet need not look for what it does not bring");
}

#[test]
fn what_could_not_be_fetched_is_named_with_the_reason() {
    let sum = "0".repeat(64);
    let url = |file: &str| json!({"url": format!("https://example.com/{file}"), "sha256": sum});
    let mut fleet = wanting(json!({"urls": [url("P0S3-8-12-00.loads"), url("other.bin")]}));
    let problems = [
        ("P0S3-8-12-00.loads", "https://example.com/P0S3-8-12-00.loads: http status: 404"),
        ("other.bin", "P0S3-8-12-00.loads: gone"),
    ];
    tells(&mut fleet, "a", &[], &problems);
    let (reason, message) = staged(&mut fleet);
    assert_eq!(reason, "FetchFailed");
    assert!(message.contains("http status: 404") && !message.contains("other.bin"), "{message}");
    tells(&mut fleet, "a", &FILES, &[]);
    let (reason, message) = staged(&mut fleet);
    assert_eq!(reason, "Incomplete", "a volume may hold something else than the URL promised");
    assert!(message.contains("not 0000"), "{message}");
}

#[test]
fn a_config_map_wins_and_is_still_the_kubelets_business() {
    let mut fleet = wanting(json!({"configMaps": [{"name": "f"}], "image": {"reference": "example.com/fw:1"}}));
    let map: BTreeMap<String, FirmwareFile> =
        [("P0S3-8-12-00.sb2".to_owned(), FirmwareFile::new("P0S3-8-12-00.sb2", FILES[2].1))].into();
    fleet.set_firmware(&key("f"), Some(map));
    tells(&mut fleet, "a", &FILES, &[]);
    assert_eq!(staged(&mut fleet).0, "Staged");
    tells(&mut fleet, "a", &FILES, &[]);
    assert!(fleet.pods_hold_all(&key("hq")));
    let newer = FirmwareFile::new("P0S3-8-12-00.sb2", b"newer");
    fleet.set_firmware(&key("f"), Some([("P0S3-8-12-00.sb2".to_owned(), newer)].into()));
    fleet.take_work();
    assert_eq!(staged(&mut fleet).0, "Pending");
    assert!(!fleet.pods_hold_all(&key("hq")), "the kubelet should look");
}

#[test]
fn two_urls_for_one_name_are_refused() {
    let url = |n: u8| json!({"url": format!("https://example.com/{n}/a.bin"), "sha256": n.to_string().repeat(64)});
    let mut fleet = wanting(json!({"urls": [url(1), url(2)]}));
    let status = fleet.new_site_status(&key("hq"), Timestamp::UNIX_EPOCH).unwrap().1;
    let said = &status.conditions[0].message;
    assert!(said.contains("spec.firmware.source.urls[1].sha256") && said.contains("a.bin elsewhere"), "{said}");
}
