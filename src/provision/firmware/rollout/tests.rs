use proptest::prelude::*;

use super::*;
use crate::provision::firmware::upgrade::Running;

const IMAGE: &str = "P0S3-06-3-00";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rollout(most: i64) -> Rollout {
    Rollout { max_updating: Some(most), paused: false }
}

fn member(n: usize, stage: RolloutStage) -> Member {
    let key = Key::new("ns", format!("p{n}"));
    let image = Some(IMAGE.into());
    Member { key, stage, image, staged: true, served: true, failures: 0, offer: Offer::default() }
}

fn offered(members: &[Member]) -> usize {
    members.iter().filter(|member| member.offer.image() == Some(IMAGE)).count()
}

#[test]
fn so_many_are_offered_the_image_and_those_under_way_count() {
    let mut members: Vec<Member> = (0..6).map(|n| member(n, RolloutStage::Waits)).collect();
    members[0].stage = RolloutStage::Goes;
    members[0].offer.set(Some(IMAGE), at(0));
    let changed = roll(&rollout(3), &mut members, at(1));
    assert_eq!((changed.len(), offered(&members)), (2, 3));
}

#[test]
fn a_paused_rollout_offers_nothing_and_revokes_what_was_not_read() {
    let mut members = vec![member(0, RolloutStage::Waits), member(1, RolloutStage::Unread)];
    members[1].offer.make(Some(IMAGE), false, 0, at(0));
    let paused = Rollout { paused: true, ..rollout(5) };
    assert_eq!(roll(&paused, &mut members, at(1)).len(), 1);
    assert_eq!(offered(&members), 0);
}

#[test]
fn a_phone_that_is_not_heard_of_goes_to_the_end_of_the_line() {
    let mut members = vec![member(0, RolloutStage::Unheard), member(1, RolloutStage::Waits)];
    members[0].offer.make(Some(IMAGE), false, 0, at(0));
    members.iter_mut().for_each(|member| member.served = false);
    roll(&rollout(1), &mut members, at(2_000));
    assert_eq!(offered(&members), 0, "a pod still has the file that names the image");
    for member in &mut members {
        member.stage = RolloutStage::Waits;
    }
    assert!(roll(&rollout(1), &mut members, at(2_000)).is_empty(), "it does not take its own place again");
    for member in &mut members {
        (member.stage, member.served) = (RolloutStage::Waits, true);
    }
    roll(&rollout(1), &mut members, at(2_000));
    let next = members.iter().find(|member| member.offer.image() == Some(IMAGE)).unwrap();
    assert_eq!(&*next.key.name, "p1");
    for member in &mut members {
        member.offer.image = None;
        member.offer.in_batch = false;
    }
    roll(&rollout(1), &mut members, at(2_001));
    assert_eq!(&*members.iter().find(|member| member.offer.in_batch).unwrap().key.name, "p1");
}

#[test]
fn a_phone_that_was_offered_another_image_keeps_its_place() {
    let mut members = vec![member(0, RolloutStage::Waits), member(1, RolloutStage::Waits)];
    members[1].offer.make(Some("P0S3-05-3-00"), false, 0, at(0));
    members[1].served = false;
    assert_eq!(roll(&rollout(1), &mut members, at(1)), [Key::new("ns", "p1")]);
    assert_eq!(members[1].offer.image(), Some(IMAGE));
    let mut members = vec![member(0, RolloutStage::Waits), member(1, RolloutStage::Waits)];
    // Where it cannot be offered the new one, nobody else is until its file no longer names the old one.
    members[1].offer.make(Some("P0S3-05-3-00"), false, 0, at(2));
    (members[1].staged, members[1].served) = (false, false);
    assert_eq!(roll(&rollout(1), &mut members, at(3)), [Key::new("ns", "p1")]);
    assert!(offered(&members) == 0 && roll(&rollout(1), &mut members, at(4)).is_empty());
    members[1].served = true;
    assert_eq!(roll(&rollout(1), &mut members, at(5)), [Key::new("ns", "p0")]);
}

#[test]
fn where_fewer_may_be_on_their_way_the_first_keep_their_offers() {
    let mut members: Vec<Member> = (0..3).map(|n| member(n, RolloutStage::Unread)).collect();
    for member in &mut members {
        member.offer.make(Some(IMAGE), false, 0, at(0));
        member.served = false;
    }
    assert_eq!(roll(&rollout(1), &mut members, at(1)), [Key::new("ns", "p1"), Key::new("ns", "p2")]);
    members[1..].iter_mut().for_each(|member| member.stage = RolloutStage::Waits);
    assert!(
        roll(&rollout(1), &mut members, at(2)).is_empty() && members[0].offer.in_batch,
        "while the others' files are on their way, too"
    );
}

#[test]
fn a_phone_that_runs_the_image_is_offered_it_and_takes_no_room() {
    let mut members = vec![member(0, RolloutStage::There), member(1, RolloutStage::Waits)];
    roll(&rollout(1), &mut members, at(1));
    assert_eq!(offered(&members), 2);
    assert!(!members.iter().any(|member| member.key.name.as_ref() == "p0" && member.offer.in_batch));
}

#[test]
fn a_silent_phone_is_unheard_and_one_that_tried_is_given_up() {
    let mut offer = Offer::default();
    offer.make(Some(IMAGE), false, 0, at(0));
    let stage_at = |upgrade: &Upgrade, now| {
        stage(Progress { image: Some(IMAGE), parts: &[], offer: &offer, upgrade, now: at(now) })
    };
    let mut upgrade = Upgrade::default();
    assert_eq!(stage_at(&upgrade, SILENCE), RolloutStage::Unread);
    assert_eq!(stage_at(&upgrade, SILENCE + 1), RolloutStage::Unheard);
    upgrade.failures = 1;
    assert_eq!(stage_at(&upgrade, SILENCE), RolloutStage::Goes);
    assert_eq!(stage_at(&upgrade, SILENCE + 1), RolloutStage::GivenUp);
    upgrade.failures = FAILURES;
    assert_eq!(stage_at(&upgrade, 1), RolloutStage::GivenUp);
}

const OTHER: &str = "P0S3-05-3-00";

/// A phone, whatever is known of it and whatever it was offered before.
#[derive(Clone, Debug)]
struct Any {
    upgrade: Upgrade,
    offer: Offer,
    staged: bool,
    served: bool,
}

fn any_phone() -> impl Strategy<Value = Any> {
    let image = || proptest::option::of(prop_oneof![Just(IMAGE), Just(OTHER)]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (image(), image(), image(), image(), 0..4_u32, 0..4_000_i64, flags).prop_map(
        |(running, named, image, before, failures, last, (in_batch, lingers, staged, served))| {
            let text = |image: Option<&str>| image.map(str::to_owned);
            let running = text(running).map(|image| Running { image, how: String::new() });
            let mut upgrade = Upgrade::default();
            (upgrade.running, upgrade.named) = (running, text(named));
            (upgrade.failures, upgrade.last) = (failures, Some(at(last)));
            let offer = Offer {
                image: text(image),
                at: Some(at(0)),
                before: text(before),
                in_batch,
                lingers,
                ..Offer::default()
            };
            Any { upgrade, offer, staged, served }
        },
    )
}

proptest! {
    /// Files are rendered anew and phones looked at again after each decision: that must come to an end, and an offer is made only where
    /// no more phones are on their way then than may be, or than were before.
    #[test]
    fn decisions_come_to_an_end_and_keep_to_the_limit(
        mut all in proptest::collection::vec(any_phone(), 1..8),
        most in 1..4_i64,
        paused in any::<bool>(),
    ) {
        let rollout = Rollout { max_updating: Some(most), paused };
        let limit = if paused { 0 } else { usize::try_from(most).unwrap() };
        let stage_of = |any: &Any| {
            stage(Progress { image: Some(IMAGE), parts: &[], offer: &any.offer, upgrade: &any.upgrade, now: at(2_000) })
        };
        let is_unread = |any: &Any| stage_of(any) == RolloutStage::Unread && !any.offer.lingers;
        for round in 0.. {
            let may_be_on_its_way = |any: &&Any| {
                stage_of(any).is_under_way() || is_unread(any) || any.offer.lingers || any.offer.in_batch
            };
            let most = limit.max(all.iter().filter(may_be_on_its_way).count());
            let before: Vec<bool> = all.iter().map(is_unread).collect();
            let mut members: Vec<Member> = all.iter().enumerate().map(|(n, any)| {
                let Any { upgrade, offer, staged, served } = any.clone();
                Member { staged, served, failures: upgrade.failures, offer, ..member(n, stage_of(any)) }
            }).collect();
            let changed = roll(&rollout, &mut members, at(2_000));
            for Member { key, offer, .. } in members {
                let any = &mut all[key.name[1..].parse::<usize>().unwrap()];
                // What is rendered anew is not served yet.
                any.served &= any.offer.image == offer.image;
                any.offer = offer;
            }
            let on_their_way =
                all.iter().filter(|any| stage_of(any).is_under_way() || is_unread(any) || any.offer.lingers).count();
            let is_offered = all.iter().zip(&before).any(|(any, before)| is_unread(any) && !before);
            prop_assert!(!is_offered || on_their_way <= most, "{} on their way, at most {}: {:?}", on_their_way, most, all);
            if changed.is_empty() {
                break;
            }
            prop_assert!(round < 4, "{all:?}");
        }
    }
}
