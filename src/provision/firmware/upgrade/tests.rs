//! Long because it is one phone's upgrade, told request by request, in every order that was seen or feared.

use super::*;
use crate::api::Stage;
use crate::phone::FileName;
use crate::phone::image::Image;
use crate::provision::firmware::staging::Staging;
use proptest::prelude::*;

const OLD: &str = "P0S3-08-11-00";
const NEW: &str = "P0S3-8-12-00";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// A phone and all that it asks for; what its status says after each request.
struct Phone {
    upgrade: Upgrade,
    target: &'static str,
    offered: bool,
    time: i64,
    stages: Vec<Stage>,
}

impl Phone {
    fn new(target: &'static str) -> Phone {
        Phone { upgrade: Upgrade::default(), target, offered: true, time: 0, stages: Vec::new() }
    }

    fn parts(&self) -> Vec<(String, u64)> {
        match Image::parse(self.target).unwrap().loader() {
            Some(loader) => vec![
                (format!("{}.loads", self.target), 458),
                (format!("{loader}.sbn"), 130_956),
                (format!("{}.sb2", self.target), 756_524),
            ],
            None => vec![(format!("{}.bin", self.target), 700_000)],
        }
    }

    fn status(&self) -> crate::api::PhoneFirmwareStatus {
        let parts = self.parts();
        let offered = self.offered.then_some(self.target);
        let staging = Staging { stage: Stage::Staged, reason: crate::api::Reason::Staged, message: String::new() };
        let wanted = Wanted { target: Some(self.target), staging: &staging, offered, paused: false, parts: &parts };
        stage(&self.upgrade, &wanted, at(self.time))
    }

    fn sees(&mut self, seen: BootEvent) -> &mut Phone {
        self.time += 1;
        self.upgrade.follow(&seen, at(self.time));
        let stage = self.status().stage;
        if self.stages.last() != Some(&stage) {
            self.stages.push(stage);
        }
        self
    }

    /// Asks for a small file, which is there or not.
    fn asks(&mut self, name: &str, there: bool) -> &mut Phone {
        let end = if there { Ok(()) } else { Err("not there".to_owned()) };
        match meaning(FileName::parse(name), 100, 100, Some(end)) {
            Some(seen) => self.sees(seen),
            None => self,
        }
    }

    /// Takes a part, to its end or so far.
    fn takes(&mut self, name: &str, upto: u64, end: Option<Result<(), String>>) -> &mut Phone {
        let total = self.parts().iter().find(|(part, _)| part == name).map_or(500_000, |(_, size)| *size);
        for sent in (512..upto.min(total)).step_by(50_000) {
            self.sees(meaning(FileName::parse(name), sent, total, None).unwrap());
        }
        match end {
            Some(end) => self.sees(meaning(FileName::parse(name), upto.min(total), total, Some(end)).unwrap()),
            None => self,
        }
    }

    fn whole(&mut self, name: &str) -> &mut Phone {
        self.takes(name, u64::MAX, Some(Ok(())))
    }

    fn own(&mut self, named: &str) -> &mut Phone {
        self.sees(BootEvent::Own(Named::Image(named.to_owned())))
    }

    fn loader(&mut self, loads: &str) -> &mut Phone {
        self.asks("CTLSEP000A8A123456.tlv", false)
            .asks("SEP000A8A123456.cnf.xml", true)
            .asks(&format!("{loads}.loads"), true)
    }
}

#[test]
fn the_application_notes_order() {
    let mut phone = Phone::new("P0S3-06-3-00");
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00");
    assert_eq!(phone.status().stage, Stage::Offered);
    phone.whole("P0S3-06-3-00.bin");
    assert_eq!(phone.status().stage, Stage::Installing);
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00");
    assert_eq!(phone.status().stage, Stage::Installing, "it might ask for the image again");
    phone.asks("RINGLIST.DAT", false);
    assert_eq!(phone.status().running.as_deref(), Some("P0S3-06-3-00"));
    assert_eq!(phone.stages, [Stage::Staged, Stage::Offered, Stage::Downloading, Stage::Installing, Stage::Current]);
}

#[test]
fn the_bootstrap_comes_before_the_image() {
    let mut phone = Phone::new("P0S3-06-3-00");
    phone.asks("OS79XX.TXT", true).whole("P0S30202.bin");
    assert_eq!(phone.status().stage, Stage::Staged, "the stepping stone is not the target");
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00").whole("P0S3-06-3-00.bin");
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00").asks("dialplan.xml", true);
    assert_eq!(phone.stages, [Stage::Staged, Stage::Offered, Stage::Downloading, Stage::Installing, Stage::Current]);
}

#[test]
fn a_provisioned_8_12_as_in_the_log() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).asks("SIPDefault.cnf", true);
    let status = phone.status();
    assert_eq!((status.stage, status.running.as_deref()), (Stage::Current, Some(NEW)));
    assert!(status.message.unwrap().contains("needed none of its parts"));
    phone.own(NEW).asks("RINGLIST.DAT", true).asks("dialplan.xml", true);
    assert_eq!(phone.stages, [Stage::Staged, Stage::Offered, Stage::Current]);
    assert!(phone.status().running_seen.unwrap().contains("needed none of its parts"));
}

#[test]
fn from_sccp_to_8_12_as_in_the_log() {
    let mut phone = Phone::new(NEW);
    let pass = |phone: &mut Phone| {
        phone.asks("CTLSEP000A8A123456.tlv", false).asks("SEP000A8A123456.cnf.xml", false);
        phone.asks("SIP000A8A123456.cnf", false).asks("MGC000A8A123456.cnf", false).asks("XMLDefault.cnf.xml", true);
        phone.asks("P0S3-8-12-00.loads", true);
    };
    pass(&mut phone);
    phone.whole("P003-8-12-00.sbn");
    let status = phone.status();
    assert_eq!(
        (status.stage, status.percent),
        (Stage::Downloading, Some(0)),
        "130,956 of 887,480 bytes are 14 percent"
    );
    pass(&mut phone);
    phone.takes("P0S3-8-12-00.sb2", 400_000, None);
    assert_eq!((phone.status().percent, phone.status().file.as_deref()), (Some(40), Some("P0S3-8-12-00.sb2")));
    phone.whole("P0S3-8-12-00.sb2");
    assert_eq!(phone.status().stage, Stage::Installing);
    phone.asks("SIPDefault.cnf", true);
    let all = [Stage::Staged, Stage::Offered, Stage::Downloading, Stage::Installing, Stage::Current];
    assert_eq!(phone.stages, all);
    assert_eq!(phone.status().running.as_deref(), Some(NEW));
}

#[test]
fn the_loop_in_the_wild_is_counted() {
    let mut phone = Phone::new(NEW);
    for n in 1..=8 {
        phone.loader(NEW).takes(
            "P003-8-12-00.sbn",
            60_000,
            Some(Err("it fell silent after 60000 of 130956 bytes".to_owned())),
        );
        let status = phone.status();
        assert_eq!((status.stage, status.failures), (Stage::Failed, Some(n)));
        assert!(status.message.unwrap().contains("60000 of 130956"));
    }
    phone.loader(NEW).takes("P003-8-12-00.sbn", 60_000, None);
    assert_eq!(phone.status().stage, Stage::Downloading, "it tries again");
}

#[test]
fn a_restart_in_the_middle_is_a_failure() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).takes("P0S3-8-12-00.sb2", 300_000, None);
    phone.asks("CTLSEP000A8A123456.tlv", false);
    let status = phone.status();
    assert_eq!(status.stage, Stage::Failed);
    assert!(status.message.unwrap().contains("it restarted after 250512 of 756524 bytes of P0S3-8-12-00.sb2"));
    phone
        .asks("SEP000A8A123456.cnf.xml", true)
        .asks("P0S3-8-12-00.loads", true)
        .whole("P0S3-8-12-00.sb2")
        .asks("SIPDefault.cnf", true);
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Current, None));
}

#[test]
fn a_phone_that_never_comes_back_fails_after_a_while() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).whole("P0S3-8-12-00.sb2");
    assert_eq!(phone.status().stage, Stage::Installing);
    phone.time += 601;
    assert_eq!(phone.status().stage, Stage::Failed);
    phone.asks("SIPDefault.cnf", true);
    assert_eq!(phone.status().stage, Stage::Current, "better late than never");
}

#[test]
fn a_phone_that_never_comes_for_the_second_part_fails_after_a_while_and_is_counted() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).whole("P003-8-12-00.sbn");
    phone.time += 600;
    assert_eq!(phone.status().stage, Stage::Downloading);
    assert_eq!(phone.upgrade.due_in(at(phone.time)), Some(1), "it is looked at again by then");
    phone.time += 1;
    let status = phone.status();
    assert_eq!((status.stage, status.failures), (Stage::Failed, Some(1)));
    assert!(status.message.unwrap().contains("took P003-8-12-00.sbn and did not come for the rest"));
    phone.loader(NEW).takes("P0S3-8-12-00.sb2", 100_000, None);
    let status = phone.status();
    assert_eq!((status.stage, status.failures), (Stage::Downloading, Some(1)), "it came after all");
    assert!(status.message.unwrap().contains("did not come for the rest"), "the status tells why it counts a failure");
}

#[test]
fn a_phone_that_takes_the_image_again_and_again_does_not_keep_it() {
    let mut legacy = Phone::new("P0S3-06-3-00");
    let mut later = Phone::new(NEW);
    later.loader(NEW).whole("P003-8-12-00.sbn");
    for n in 0..4 {
        let failures = (n > 0).then_some(n);
        legacy.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00").whole("P0S3-06-3-00.bin");
        assert_eq!((legacy.status().stage, legacy.status().failures), (Stage::Installing, failures));
        later.loader(NEW).whole("P0S3-8-12-00.sb2");
        assert_eq!((later.status().stage, later.status().failures), (Stage::Installing, failures));
    }
    later.loader(NEW).takes("P0S3-8-12-00.sb2", 100_000, None);
    let why = later.status().message.unwrap();
    assert!(why.contains("took P0S3-8-12-00.sb2 whole, restarted, and asks for it again"), "{why}");
    later.whole("P0S3-8-12-00.sb2").asks("SIPDefault.cnf", true);
    assert_eq!((later.status().stage, later.status().failures), (Stage::Current, None));
}

#[test]
fn an_image_that_is_not_there_is_no_image_that_runs() {
    let mut phone = Phone::new("P0S3-06-3-00");
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00");
    let missing = meaning(FileName::parse("P0S3-06-3-00.bin"), 0, 0, Some(Err("it was refused".to_owned())));
    phone.sees(missing.unwrap()).asks("RINGLIST.DAT", true);
    let status = phone.status();
    assert_eq!((status.stage, status.running), (Stage::Failed, None));
    assert_eq!(status.message.as_deref(), Some("it asked for P0S3-06-3-00.bin, which is not there"));
    let mut later = Phone::new(NEW);
    let missing = meaning(FileName::parse("P0S3-8-12-00.loads"), 0, 0, Some(Err("it was refused".to_owned())));
    later.asks("CTLSEP000A8A123456.tlv", false).asks("SEP000A8A123456.cnf.xml", true).sees(missing.unwrap());
    assert_eq!(later.status().message.as_deref(), Some("it asked for P0S3-8-12-00.loads, which is not there"));
}

#[test]
fn a_transfer_that_is_given_up_and_repeated_in_one_boot_counts_once_and_ends_well() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW);
    phone.takes("P0S3-8-12-00.sb2", 200_000, Some(Err("it gave up after 200000 of 756524 bytes".to_owned())));
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Failed, Some(1)));
    phone.takes("P0S3-8-12-00.sb2", 300_000, None);
    // The server gives up an attempt of which the phone has forgotten.
    phone.sees(
        meaning(FileName::parse("P0S3-8-12-00.sb2"), 512, 756_524, Some(Err("it fell silent".to_owned()))).unwrap(),
    );
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Downloading, Some(1)));
    phone.whole("P0S3-8-12-00.sb2");
    phone.sees(
        meaning(FileName::parse("P0S3-8-12-00.sb2"), 1_024, 756_524, Some(Err("it fell silent".to_owned()))).unwrap(),
    );
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Installing, Some(1)));
    phone.asks("SIPDefault.cnf", true);
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Current, None));
}

#[test]
fn a_loads_file_that_is_given_up_and_taken_again_in_one_boot_is_no_reason_for_doubt() {
    let lost =
        || meaning(FileName::parse("P0S3-8-12-00.loads"), 0, 458, Some(Err("it fell silent".to_owned()))).unwrap();
    let mut phone = Phone::new(NEW);
    phone.asks("CTLSEP000A8A123456.tlv", false).sees(lost());
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Failed, Some(1)));
    phone.asks("P0S3-8-12-00.loads", true).whole("P003-8-12-00.sbn").asks("CTLSEP000A8A123456.tlv", false);
    phone.sees(lost()).asks("P0S3-8-12-00.loads", true).whole("P0S3-8-12-00.sb2").asks("SIPDefault.cnf", true);
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Current, None));
    // The next time it needs no part.
    phone.asks("CTLSEP000A8A123456.tlv", false).sees(lost()).asks("P0S3-8-12-00.loads", true);
    phone.asks("SIPDefault.cnf", true);
    assert_eq!((phone.status().stage, phone.status().failures), (Stage::Current, None));
}

#[test]
fn an_attempt_that_a_pod_gives_up_long_after_the_phone_went_to_another_is_no_failure() {
    let lost =
        |file: &str| meaning(FileName::parse(file), 512, 100_000, Some(Err("it fell silent".to_owned()))).unwrap();
    let mut later = Phone::new(NEW);
    later.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).takes("P0S3-8-12-00.sb2", 300_000, None);
    let before = later.status();
    later.sees(lost("P0S3-8-12-00.loads")).sees(lost("P003-8-12-00.sbn"));
    assert_eq!(later.status(), before);
    later.whole("P0S3-8-12-00.sb2").asks("SIPDefault.cnf", true).sees(lost("P0S3-8-12-00.sb2"));
    assert_eq!((later.status().stage, later.status().failures), (Stage::Current, None));

    let mut legacy = Phone::new("P0S3-06-3-00");
    legacy.asks("OS79XX.TXT", true).own("P0S3-06-3-00").whole("P0S3-06-3-00.bin").asks("OS79XX.TXT", true);
    legacy.sees(lost("P0S3-06-3-00.bin"));
    assert_eq!((legacy.status().stage, legacy.status().failures), (Stage::Installing, None));
    legacy.own("P0S3-06-3-00").asks("RINGLIST.DAT", true).sees(lost("P0S3-06-3-00.bin"));
    assert_eq!((legacy.status().stage, legacy.status().failures), (Stage::Current, None));
}

#[test]
fn who_reads_its_configuration_again_has_restarted_and_its_first_boot_says_nothing_of_the_second() {
    let old = "P0S3-05-3-00";
    let mut legacy = Phone::new("P0S3-06-3-00");
    legacy.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own(old).asks("RINGLIST.DAT", true);
    assert_eq!(legacy.status().running.as_deref(), Some(old));
    // It is told of a change, looks into syncinfo.xml, and restarts; how that begins is lost with a pod.
    legacy.time += 20;
    legacy.asks("syncinfo.xml", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00");
    let status = legacy.status();
    assert_eq!((status.stage, status.running.as_deref()), (Stage::Offered, Some(old)), "it is about to take it");
    legacy.whole("P0S3-06-3-00.bin").asks("OS79XX.TXT", true).own("P0S3-06-3-00").asks("RINGLIST.DAT", true);
    assert_eq!(legacy.status().stage, Stage::Current);

    let mut later = Phone::new(NEW);
    later.loader(OLD).asks("SIPDefault.cnf", true).own(OLD);
    later.time += 20;
    // A loader asked for another image, which nobody saw.
    later.upgrade.running = None;
    later.asks("SIPDefault.cnf", true).own(OLD).asks("RINGLIST.DAT", true);
    assert_eq!(later.status().running, None);
}

#[test]
fn of_a_boot_whose_beginning_nobody_saw_nothing_is_concluded() {
    let mut phone = Phone::new(NEW);
    phone.asks("SIPDefault.cnf", true).own(NEW).asks("RINGLIST.DAT", true).asks("dialplan.xml", true);
    assert_eq!(phone.status().running, None, "a loader may have asked another pod for another image");
    // Behind one address somebody asked for an image: it may have been this phone.
    let mut phone = Phone::new("P0S3-06-3-00");
    phone.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00").sees(BootEvent::Unclear);
    phone.asks("RINGLIST.DAT", true);
    assert_eq!(phone.status().running, None);
}

/// All requests of a boot but those that a pod took with it.
fn boot_without(phone: &Phone, lost: usize, boot: &[BootEvent]) -> Phone {
    let mut after = Phone { upgrade: phone.upgrade.clone(), stages: Vec::new(), ..*phone };
    let kept = boot.iter().enumerate().filter(|(n, _)| lost >> n & 1 == 0);
    for (_, seen) in kept {
        after.sees(seen.clone());
    }
    after
}

#[test]
fn what_is_lost_with_a_pod_of_the_boot_after_the_image_changes_nothing_unless_all_evidence_is_lost() {
    let asks = |name: &str| meaning(FileName::parse(name), 100, 100, Some(Ok(()))).unwrap();
    let own = |image: &str| BootEvent::Own(Named::Image(image.to_owned()));

    let mut legacy = Phone::new("P0S3-06-3-00");
    legacy.asks("OS79XX.TXT", true).asks("SIPDefault.cnf", true).own("P0S3-06-3-00").whole("P0S3-06-3-00.bin");
    let boot = ["OS79XX.TXT", "SIPDefault.cnf", "", "RINGLIST.DAT", "dialplan.xml"];
    let boot = boot.map(|name| if name.is_empty() { own("P0S3-06-3-00") } else { asks(name) });
    for lost in 0..1 << boot.len() {
        let (own, goes) = (lost & 0b00100 == 0, lost & 0b11000 != 0b11000);
        let expected = if own && goes { Stage::Current } else { Stage::Installing };
        assert_eq!(boot_without(&legacy, lost, &boot).status().stage, expected, "{lost:05b}");
    }

    let mut later = Phone::new(NEW);
    later.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).whole("P0S3-8-12-00.sb2");
    let boot = ["CTLSEP000A8A123456.tlv", "P0S3-8-12-00.loads", "SIPDefault.cnf", "", "RINGLIST.DAT"];
    let boot = boot.map(|name| if name.is_empty() { own(NEW) } else { asks(name) });
    for lost in 0..1 << boot.len() {
        let (loads, application) = (lost & 0b00010 == 0, lost & 0b10100 != 0b10100);
        // With the start lost, the boot counts as that in which it took the image, whose .loads file was seen.
        let own = lost & 0b01000 == 0 && (loads || lost & 1 == 1);
        let expected = if application || own { Stage::Current } else { Stage::Installing };
        assert_eq!(boot_without(&later, lost, &boot).status().stage, expected, "{lost:05b}");
    }
}

#[test]
fn a_new_operator_that_hears_only_the_rest_of_a_boot_knows_what_runs() {
    for (image, boot) in
        [("P0S3-06-3-00", ["SIPDefault.cnf", "", "RINGLIST.DAT"]), (NEW, ["SIPDefault.cnf", "", "x.xml"])]
    {
        let mut before = Phone::new(image);
        match image {
            NEW => before.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).whole("P0S3-8-12-00.sb2"),
            _ => before.asks("OS79XX.TXT", true).own(image).whole("P0S3-06-3-00.bin"),
        };
        let since = Some(at(before.time).to_string());
        let said = crate::api::PhoneFirmwareStatus { since: since.clone(), observed: since, ..before.status() };
        let mut after = Phone { upgrade: Upgrade::recover(Some(&said)), stages: Vec::new(), ..before };
        assert_eq!(after.status().stage, Stage::Installing);
        for name in boot {
            if name.is_empty() {
                after.own(image)
            } else {
                after.asks(name, true)
            };
        }
        assert_eq!(after.status().stage, Stage::Current, "{image}");
    }
}

#[test]
fn a_new_operator_knows_when_silence_has_lasted_too_long() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).takes("P003-8-12-00.sbn", 60_000, None);
    // It said more than the status since the stage began.
    let since = Some(at(phone.time - 100).to_string());
    let observed = Some(at(phone.time).to_string());
    let said = crate::api::PhoneFirmwareStatus { since, observed, ..phone.status() };
    let again = || Phone { upgrade: Upgrade::recover(Some(&said)), stages: Vec::new(), ..phone };
    assert_eq!(again().upgrade.due_in(at(phone.time)), phone.upgrade.due_in(at(phone.time)));
    for (later, stage) in [(120, Stage::Downloading), (121, Stage::Failed)] {
        let mut again = again();
        again.time += later;
        assert_eq!((again.status().stage, again.upgrade.last), (stage, Some(at(phone.time))), "{later} s");
    }
}

#[test]
fn what_a_phone_reads_at_one_moment_may_be_told_in_any_order() {
    let order = [BootEvent::Common(Named::Image(OLD.to_owned())), BootEvent::Own(Named::Nothing), BootEvent::Goes];
    for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut upgrade = Upgrade::default();
        upgrade.follow(&BootEvent::LegacyStart, at(0));
        [a, b, c].iter().for_each(|n| upgrade.follow(&order[*n], at(1)));
        assert_eq!(upgrade.running.map(|running| running.image).as_deref(), Some(OLD), "{a} {b} {c}");
    }
    // Long after that the same file says nothing of a boot whose beginning was not seen.
    let mut upgrade = Upgrade::default();
    upgrade.follow(&BootEvent::LegacyStart, at(0));
    order.iter().for_each(|seen| upgrade.follow(seen, at(1)));
    upgrade.follow(&BootEvent::Own(Named::Image(NEW.to_owned())), at(900));
    assert_eq!(upgrade.running.map(|running| running.image).as_deref(), Some(OLD));
}

#[test]
fn what_a_status_says_is_what_a_new_operator_says() {
    let mut phone = Phone::new(NEW);
    let compare = |phone: &mut Phone| {
        let said = crate::api::PhoneFirmwareStatus {
            observed: Some(at(phone.time).to_string()),
            since: Some(at(phone.time).to_string()),
            ..phone.status()
        };
        let again = Phone { upgrade: Upgrade::recover(Some(&said)), stages: Vec::new(), ..*phone };
        let mut after = again.status();
        (after.observed, after.since) = (said.observed.clone(), said.since.clone());
        after.message = after.message.filter(|_| said.message.is_some());
        assert_eq!(after, said);
    };
    compare(phone.loader(OLD).asks("SIPDefault.cnf", true));
    compare(phone.loader(NEW).takes("P003-8-12-00.sbn", 60_000, None));
    compare(phone.whole("P003-8-12-00.sbn"));
    compare(phone.loader(NEW).takes("P0S3-8-12-00.sb2", 500_000, None));
    compare(phone.takes("P0S3-8-12-00.sb2", 500_000, Some(Err("it gave up".to_owned()))));
    compare(phone.whole("P0S3-8-12-00.sb2"));
    compare(phone.asks("SIPDefault.cnf", true));
}

#[test]
fn a_canary_goes_back() {
    let mut phone = Phone::new(NEW);
    phone.loader(NEW).asks("SIPDefault.cnf", true);
    assert_eq!(phone.status().stage, Stage::Current);
    phone.target = OLD;
    assert_eq!(phone.status().stage, Stage::Staged);
    phone.own(OLD);
    assert_eq!(phone.status().stage, Stage::Offered);
    phone
        .loader(OLD)
        .whole("P003-08-11-00.sbn")
        .loader(OLD)
        .whole("P0S3-08-11-00.sb2")
        .asks("SIPDefault.cnf", true)
        .own(OLD);
    assert_eq!((phone.status().stage, phone.status().running.as_deref()), (Stage::Current, Some(OLD)));
}

#[test]
fn a_phone_that_took_another_image_is_no_longer_known_to_run_the_old_one() {
    let mut phone = Phone::new(OLD);
    phone.loader(OLD).asks("SIPDefault.cnf", true);
    assert_eq!(phone.status().stage, Stage::Current);
    phone.loader(NEW).whole("P003-8-12-00.sbn").loader(NEW).whole("P0S3-8-12-00.sb2");
    let status = phone.status();
    assert_eq!((status.stage, status.message.as_deref()), (Stage::Staged, Some("it takes P0S3-8-12-00.sb2 first")));
}

#[test]
fn a_phone_that_is_held_back_waits() {
    let mut phone = Phone::new(NEW);
    phone.offered = false;
    phone.loader(OLD).asks("SIPDefault.cnf", true).own(OLD);
    let status = phone.status();
    assert_eq!((status.stage, status.running.as_deref()), (Stage::Waiting, Some(OLD)));
}

#[test]
fn what_is_not_seen_is_not_stated() {
    let mut phone = Phone::new(NEW);
    phone
        .asks("OS79XX.TXT", true)
        .asks("SIPDefault.cnf", true)
        .sees(BootEvent::Own(Named::Unknown))
        .asks("RINGLIST.DAT", true);
    assert_eq!(phone.status().running, None);
    assert_eq!(phone.status().stage, Stage::Staged);
}

/// What phones ask for, in any order.
fn any_seen() -> impl Strategy<Value = BootEvent> {
    let image = || proptest::sample::select(vec![OLD.to_owned(), NEW.to_owned(), "P0S3-06-3-00".to_owned()]);
    let named = move || prop_oneof![Just(Named::Unknown), Just(Named::Nothing), image().prop_map(Named::Image)];
    let file =
        proptest::sample::select(vec!["P003-8-12-00.sbn", "P0S3-8-12-00.sb2", "P0S3-06-3-00.bin", "P0S30202.bin"]);
    let end = proptest::option::of(prop_oneof![Just(Ok(())), Just(Err("silent".to_owned()))]);
    prop_oneof![
        Just(BootEvent::LegacyStart),
        Just(BootEvent::LoaderStart),
        Just(BootEvent::LoaderAsks),
        image().prop_map(|image| BootEvent::Loads { image }),
        (file, 1u64..756_524, end).prop_map(|(file, sent, end)| BootEvent::Part {
            file: file.to_owned(),
            sent,
            total: 756_524,
            end
        }),
        named().prop_map(BootEvent::Common),
        named().prop_map(BootEvent::Own),
        Just(BootEvent::Goes),
        Just(BootEvent::Unclear),
    ]
}

proptest! {
    #[test]
    fn whatever_a_phone_asks_for(all in proptest::collection::vec(any_seen(), 0..60)) {
        let mut phone = Phone::new(NEW);
        for seen in all {
            phone.sees(seen);
            let status = phone.status();
            // Running is stated only with what was seen, and Current only of what runs.
            prop_assert_eq!(status.stage == Stage::Current, phone.upgrade.stays_with(NEW));
            prop_assert_eq!(status.percent.is_some(), status.stage == Stage::Downloading);
            prop_assert!(status.percent.is_none_or(|percent| (0..=100).contains(&percent)));
            prop_assert!(status.stage != Stage::Failed || status.message.is_some());
        }
    }

    #[test]
    fn the_order_in_which_pods_tell_changes_nothing(
        all in proptest::collection::vec(any_seen(), 1..8),
        order in Just((0usize..8).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let all: Vec<(Timestamp, BootEvent)> = all.into_iter().enumerate().map(|(n, seen)| (at(n as i64), seen)).collect();
        let (mut sorted, mut shuffled) = (EventReorderer::default(), EventReorderer::default());
        for (time, seen) in &all {
            sorted.follow(seen.clone(), *time);
        }
        for (time, seen) in order.iter().filter_map(|n| all.get(*n)) {
            shuffled.follow(seen.clone(), *time);
        }
        let told = |track: &EventReorderer| (track.now().running.clone(), track.now().failure.clone(), track.now().taken.clone());
        prop_assert_eq!(told(&sorted), told(&shuffled));
    }
}
