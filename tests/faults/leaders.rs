//! Several operators that would look after the same objects.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::proxy::Fate;
use super::stage::{Audit, Operator, Setup, make_namespace};
use super::stories::apply_site;
use super::support::{get, kube, wait_for};

fn another(setup: &Setup, process: &str, image: &str) -> Setup {
    Setup { process: process.to_owned(), image: image.to_owned(), ..setup.clone() }
}

fn image_of(namespace: &str) -> Option<String> {
    let deployment = get(namespace, &["deployment", "dialtone-hq"]);
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().map(str::to_owned)
}

/// The holder of a namespace's Lease.
fn holder(namespace: &str) -> String {
    get(namespace, &["lease", "dialtone"])["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

pub fn one_of_two_writes_and_the_other_takes_over(runtime: &Handle) {
    let namespace = "leaders";
    make_namespace(namespace);
    let setup = Setup::of(&[namespace]);
    let first = Operator::start(runtime, another(&setup, "first", "dialtone:first"));
    first.settle();
    let second = Operator::start(runtime, another(&setup, "second", "dialtone:second"));
    apply_site(namespace, "Reception");
    first.settle();
    wait_for("the second to stand by", 5, || {
        (second.ready() == (200, "standby: dialtone/first leads, by Lease leaders/dialtone\n".to_owned())).then_some(())
    });
    assert_eq!(image_of(namespace).as_deref(), Some("dialtone:first"));
    assert_eq!(second.proxy.writes(), 0, "who stands by writes nothing");
    assert!(second.log().contains("standby: another process leads"), "{}", second.log());

    // The leader is killed.
    first.kill();
    let began = Instant::now();
    wait_for("the second to lead", 15, || second.leads().then_some(()));
    eprintln!("   the leader was killed: the other was ready after {:.1} s", began.elapsed().as_secs_f32());
    second.settle();
    assert_eq!(
        image_of(namespace).as_deref(),
        Some("dialtone:second"),
        "an operator of another version goes on with its own"
    );

    // The former one comes back, and stands by; the leader ends as it is told to.
    first.start_again();
    wait_for("the first to stand by", 10, || first.ready().1.starts_with("standby: dialtone/second").then_some(()));
    second.stop();
    let began = Instant::now();
    wait_for("the first to lead", 5, || first.leads().then_some(()));
    eprintln!("   the leader ended: the other was ready after {:.1} s", began.elapsed().as_secs_f32());
    first.settle();
    assert_eq!(image_of(namespace).as_deref(), Some("dialtone:first"));
}

pub fn a_leader_that_loses_its_lease_writes_nothing_more(runtime: &Handle) {
    let namespace = "lost";
    make_namespace(namespace);
    let setup = Setup::of(&[namespace]);
    let first = Operator::start(runtime, another(&setup, "first", "dialtone:first"));
    apply_site(namespace, "Reception");
    first.settle();
    let second = Operator::start(runtime, another(&setup, "second", "dialtone:second"));
    wait_for("the second to stand by", 10, || second.ready().1.starts_with("standby").then_some(()));

    // The first one's Lease can no longer be renewed, while everything else goes on. A write of it is held back on the way, and arrives
    // when the other has long been leading.
    let mut is_held = false;
    first.proxy.judge(move |seen| match seen.path.contains("/leases") {
        true => Fate::Stalled(Duration::from_secs(60)),
        false if seen.write.is_some() && !is_held => {
            is_held = true;
            Fate::Delay(Duration::from_secs(16))
        }
        false => Fate::Pass,
    });
    apply_site(namespace, "Late");
    let began = Instant::now();
    wait_for("the first to lose it", 12, || first.log().contains("was not renewed in time").then_some(()));
    wait_for("the second to lead", 15, || second.leads().then_some(()));
    eprintln!("   the leader lost its Lease: the other was ready after {:.1} s", began.elapsed().as_secs_f32());
    assert!(first.runs(), "it begins anew in its own process: {}", first.log());
    apply_site(namespace, "Newest");
    second.settle();
    let served = || get(namespace, &["configmap", "dialtone-hq-phones-00"])["data"].to_string();
    assert!(served().contains("Newest"));
    // The write that was held back is there by now, and is mended.
    std::thread::sleep(Duration::from_secs(16).saturating_sub(began.elapsed()));
    second.settle();
    wait_for("the newest to be there, and nothing of the late write", 10, || served().contains("Newest").then_some(()));
    assert_eq!(image_of(namespace).as_deref(), Some("dialtone:second"));
    let audit = Audit::begin();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(audit.writes(Some(namespace)), [""; 0]);
}

pub fn an_installation_for_all_leaves_a_namespace_to_the_one_for_it(runtime: &Handle) {
    let namespace = "overlap";
    make_namespace(namespace);
    apply_site(namespace, "Reception");
    let all = Operator::start(runtime, another(&Setup::of(&[]), "all", "dialtone:all"));
    all.settle();
    assert_eq!(image_of(namespace).as_deref(), Some("dialtone:all"));

    let other = Setup { installation: "tenant".to_owned(), ..another(&Setup::of(&[namespace]), "one", "dialtone:one") };
    let one = Operator::start(runtime, other);
    wait_for("the overlap to be said", 10, || {
        all.log().contains("another installation of dialtone looks after namespace overlap").then_some(())
    });
    one.settle();
    assert_eq!(image_of(namespace).as_deref(), Some("dialtone:one"));
    assert_eq!(holder(namespace), "tenant/one");
    let before = all.proxy.writes();
    apply_site(namespace, "Tenant");
    kube(&["delete", "configmap", "dialtone-hq-phones-00", "-n", namespace]);
    one.settle();
    assert!(get(namespace, &["configmap", "dialtone-hq-phones-00"])["data"].to_string().contains("Tenant"));
    assert_eq!(all.proxy.writes(), before, "the namespace is left to the other");

    // Another one for all namespaces stands by, and says that it is not wanted.
    let twin = Setup { installation: "twin".to_owned(), ..another(&Setup::of(&[]), "twin", "dialtone:twin") };
    let twin = Operator::start(runtime, twin);
    wait_for("the twin to say so", 10, || {
        let (status, text) = twin.ready();
        (status == 503 && text.contains("another installation looks after the same namespaces: dialtone/all"))
            .then_some(())
    });
    assert_eq!(twin.proxy.writes(), 0);
    drop(twin);

    // The one for the namespace is taken away, and the other takes it on.
    one.stop();
    wait_for("the namespace to be taken on", 30, || {
        assert!(all.runs(), "it begins anew in its own process: {}", all.log());
        (image_of(namespace).as_deref() == Some("dialtone:all")).then_some(())
    });
    assert!(all.log().contains("no other installation looks after namespace overlap any more"), "{}", all.log());
}

pub fn a_namespace_that_is_not_there_disturbs_no_other(runtime: &Handle) {
    for namespace in ["stays", "goes"] {
        make_namespace(namespace);
    }
    let served = |namespace: &str, label: &str| {
        let files = || get(namespace, &["configmap", "dialtone-hq-phones-00"])["data"].to_string();
        wait_for(&format!("{label} to be served in {namespace}"), 30, || files().contains(label).then_some(()));
    };
    let operator = Operator::start(runtime, Setup::of(&["goes", "stays"]));
    for namespace in ["stays", "goes"] {
        apply_site(namespace, "Reception");
        served(namespace, "Reception");
    }
    kube(&["delete", "namespace", "goes", "--wait"]);
    // Longer than a Lease lasts.
    std::thread::sleep(Duration::from_secs(12));
    assert!(operator.runs() && operator.leads(), "{}", operator.log());
    apply_site("stays", "Meanwhile");
    served("stays", "Meanwhile");
    let said = operator.log().matches("namespace goes is not there").count();
    assert_eq!(said, 1, "{}", operator.log());

    // A start without it, and then it is there again.
    operator.stop();
    operator.start_again();
    wait_for("the operator to lead", 15, || operator.leads().then_some(()));
    make_namespace("goes");
    apply_site("goes", "Again");
    served("goes", "Again");
    assert!(operator.runs(), "{}", operator.log());
    served("stays", "Meanwhile");
}
