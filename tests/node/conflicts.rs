//! Objects that are in each other's way, and firmware that is not there yet.

use std::time::{Duration, Instant};

use dialtone::phone::Model::{Cp7940, Cp7960};

use super::stage::*;
use super::support::{apply, condition, get, kube, kubectl, wait_for};

pub fn conflicts_disturb_nobody() {
    step("a second phone with the same MAC, and one with the same line, are told so; the first ones go on");
    settle();
    let before = get(SPACE, &["sipphone", "one"]);
    // The creation time has a resolution of seconds, and the older one shall be older.
    std::thread::sleep(Duration::from_millis(1100));
    apply(SPACE, &phone("twin", "00-0A-8A-12-34-56", "7960", "Twin", "8200", ""));
    apply(SPACE, &phone("rival", "000A8A123460", "7960", "Rival", "8105", ""));
    for (name, reason) in [("twin", "DuplicateMac"), ("rival", "DuplicateLine")] {
        wait_for(reason, 20, || {
            let phone = get(SPACE, &["sipphone", name]);
            (condition(&phone, "Accepted") == ("False".to_owned(), reason.to_owned())).then_some(())
        });
        let conditions = get(SPACE, &["sipphone", name])["status"]["conditions"].to_string();
        assert!(conditions.contains("SipPhone one"), "the message names the other object: {conditions}");
        assert!(conditions.contains("Stalled"), "{conditions}");
        let (_, _) = wait_for("an Event", 10, || {
            let events = kube(&[
                "get",
                "events",
                "-n",
                SPACE,
                "--field-selector",
                &format!("involvedObject.name={name}"),
                "-o",
                "json",
            ]);
            events.contains(reason).then_some(())
        });
    }
    assert_eq!(get(SPACE, &["sipphone", "one"])["status"], before["status"]);
    assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    assert!(!boot_phone(service(), "000A8A123460", Cp7960).booted);
    kube(&["delete", "sipphone", "twin", "rival", "-n", SPACE]);

    step("a phone of a site that does not exist waits for it");
    apply(SPACE, &phone("lost", "000A8A123461", "7960", "Lost", "8300", "").replace("{name: hq}", "{name: nowhere}"));
    wait_for("SiteNotFound", 20, || {
        (condition(&get(SPACE, &["sipphone", "lost"]), "Accepted").1 == "SiteNotFound").then_some(())
    });
    kube(&["delete", "sipphone", "lost", "-n", SPACE]);

    step("a phone that is deleted is no longer served");
    kube(&["delete", "sipphone", "two", "-n", SPACE]);
    for (_, pod) in pods() {
        wait_for("the file to be gone", 10, || {
            file(&boot_as(pod, "000A8A123457", Cp7940, "P0S3-06-3-00"), "SIP000A8A123457.cnf").is_none().then_some(())
        });
    }
    apply(SPACE, &two());
    wait_ready("two");
}

pub fn firmware_is_staged_before_phones_are_told() {
    boot_all();
    step("firmware: nothing is said to phones before every pod holds the image, whole");
    let told = || {
        let outcome = boot_as(service(), "000A8A123456", Cp7960, "P0S3-06-3-00");
        outcome.flash.get("image_version").map(str::to_owned)
    };
    let with =
        SITE.replace("  tftp:", "  firmware: {image: P0S3-06-2-00, source: {configMaps: [{name: firmware}]}}\n  tftp:");
    apply(SPACE, &with);
    let reason = |wanted: &str| {
        wait_for(wanted, 60, || {
            let site = get(SPACE, &["phonesite", "hq"]);
            (condition(&site, "FirmwareStaged").1 == wanted).then_some(())
        });
    };
    reason("SourceNotFound");
    assert_eq!(told(), None);
    let folder = tempfile::tempdir().unwrap();
    let image: Vec<u8> = (0..200_000u32).map(|n| (n * 7) as u8).collect();
    let path = folder.path().join("image");
    std::fs::write(&path, &image).unwrap();
    let create = |name: &str| {
        let from = format!("--from-file={name}={}", path.display());
        let yaml = kube(&["create", "configmap", "firmware", "-n", SPACE, &from, "--dry-run=client", "-o", "yaml"]);
        let output = kubectl(&["apply", "--server-side", "-f", "-"], Some(&yaml));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    create("POS3-06-2-00.bin");
    reason("Incomplete");
    let site = get(SPACE, &["phonesite", "hq"])["status"]["conditions"].to_string();
    assert!(site.contains("POS3-06-2-00.bin"), "the near miss is named: {site}");
    assert_eq!(told(), None);
    create("P0S3-06-2-00.bin");
    let began = Instant::now();
    reason("Staged");
    assert!(began.elapsed() < Duration::from_secs(30), "the pods are told to look: the kubelet alone takes a minute");
    wait_for("phones to be told", 20, || (told().as_deref() == Some("P0S3-06-2-00")).then_some(()));
    let outcome = boot_as(service(), "000A8A123456", Cp7960, "P0S3-06-3-00");
    assert_eq!(file(&outcome, "P0S3-06-2-00.bin"), Some(image));
    assert_eq!(outcome.running, "P0S3-06-2-00");
    assert_eq!(file(&outcome, "OS79XX.TXT").as_deref(), Some(&b"P0S30202\n"[..]));
    wait_for("the phone to be seen with its new image", 20, || {
        let firmware = get(SPACE, &["sipphone", "one"])["status"]["firmware"].clone();
        (firmware["stage"] == "Current" && firmware["running"] == "P0S3-06-2-00").then_some(())
    });

    step("a rollout: one phone at a time is told, the others wait");
    apply(SPACE, &with.replace("image: P0S3-06-2-00", "image: P0S3-06-2-00, rollout: {maxUpdating: 1}"));
    let stages =
        || ["one", "two", "three"].map(|name| get(SPACE, &["sipphone", name])["status"]["firmware"]["stage"].clone());
    wait_for("the second phone to have its turn", 30, || {
        let all = stages();
        (all[0] == "Current"
            && all.iter().filter(|stage| *stage == "Staged").count() == 1
            && all.iter().filter(|stage| *stage == "Waiting").count() == 1)
            .then_some(())
    });
    // Whoever has no turn is told nothing; in the end both have had theirs.
    wait_for("both to have upgraded", 90, || {
        let done = stages().map(|stage| stage == "Current");
        if !done[1] {
            boot_as(service(), "000A8A123457", Cp7940, "P0S3-06-3-00");
        }
        if !done[2] {
            boot_as(service(), "000A8A123458", Cp7960, "P0S3-06-3-00");
        }
        std::thread::sleep(Duration::from_secs(4));
        (done[1] && done[2]).then_some(())
    });
    apply(SPACE, SITE);
    wait_for("firmware to be unmanaged", 60, || {
        let site = get(SPACE, &["phonesite", "hq"]);
        (condition(&site, "FirmwareStaged").1 == "Unmanaged" && condition(&site, "Ready").0 == "True").then_some(())
    });
    // Another set of firmware ConfigMaps is another pod template.
    kube(&["rollout", "status", "deployment/dialtone-hq", "-n", SPACE, "--timeout=60s"]);
    wait_for("two pods", 60, || (pods().len() == 2).then_some(()));
}
