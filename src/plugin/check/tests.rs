use super::super::install::{Definition, Operator, VERSION};
use super::judge::judge;
use super::probe::{Balancers, Facts, Leader, Right, Site};
use super::*;
use crate::plugin::testing::golden;

const LIST: Right = ("list", "dialtone.dev", "phonesites", "status");

fn operator() -> Operator {
    Operator {
        namespace: "dialtone".to_owned(),
        name: "dialtone".to_owned(),
        version: Some(VERSION.to_owned()),
        image: "registry.example.com/dialtone:0.1.0".to_owned(),
        ready: 1,
        wanted: 1,
        service_account: "dialtone".to_owned(),
        namespaces: Vec::new(),
        lease_namespace: "kube-system".to_owned(),
    }
}

fn site(name: &str) -> Site {
    Site {
        name: name.to_owned(),
        host_network: false,
        address: Some("10.20.0.5".to_owned()),
        no_address: false,
        phones: 2,
        heard: 2,
    }
}

fn fit() -> Facts {
    Facts {
        server: "https://10.0.0.1:6443/".to_owned(),
        namespace: "phones".to_owned(),
        kubernetes: "v1.34.1".to_owned(),
        minor: Some(34),
        definitions: vec![
            ("phonesites.dialtone.dev".to_owned(), Definition::Same),
            ("sipphones.dialtone.dev".to_owned(), Definition::Same),
        ],
        operators: Some(vec![operator()]),
        leader: Some(Some(Leader { holder: Some("dialtone/dialtone-6d5f-x2k9p".to_owned()), renewed: Some(2) })),
        person_lacks: Vec::new(),
        operator_lacks: Some(Vec::new()),
        pod_security: Some(Some("restricted".to_owned())),
        sites: Some(vec![site("hq")]),
        balancers: Balancers { groups: vec!["metallb.io".to_owned()], given: Some((1, 1)) },
    }
}

fn marks(facts: &Facts, wanted: Mark) -> Vec<String> {
    let all = judge(facts).into_iter().filter(|one| one.mark == wanted);
    all.map(|one| format!("{}: {}", one.about, one.message)).collect()
}

/// What a change of the facts makes wrong, and what doubtful.
fn after(change: impl FnOnce(&mut Facts)) -> (Vec<String>, Vec<String>) {
    let mut facts = fit();
    change(&mut facts);
    (marks(&facts, Mark::Bad), marks(&facts, Mark::Doubtful))
}

#[test]
fn a_fit_cluster_has_no_fault_and_no_doubt() {
    assert_eq!(after(|_| {}), (vec![], vec![]));
    assert!(marks(&fit(), Mark::Unknown).is_empty());
}

#[test]
fn findings_fit_and_say_what_to_do() {
    let mut facts = fit();
    facts.definitions[1].1 = Definition::Differs;
    facts.person_lacks = vec![("patch", "dialtone.dev", "sipphones", "resync")];
    facts.pod_security = Some(Some("restricted".to_owned()));
    facts.sites = Some(vec![
        Site { host_network: true, ..site("lab") },
        Site { address: None, no_address: true, ..site("hq") },
        Site { heard: 0, ..site("branch") },
    ]);
    for width in [80, 140] {
        golden(&format!("check-{width}.txt"), &text(&judge(&facts), Some(width)), Some(width));
    }
}

#[test]
fn each_thing_that_is_not_fit_is_found() {
    let one = |(bad, doubtful): (Vec<String>, Vec<String>), says: &str| {
        assert!(bad.iter().chain(&doubtful).any(|found| found.contains(says)), "{says}: {bad:?} {doubtful:?}");
        assert_eq!(bad.len() + doubtful.len(), 1, "{says}: {bad:?} {doubtful:?}");
        bad.len() == 1
    };
    assert!(one(after(|facts| facts.minor = Some(30)), "dialtone needs 1.31 or later"));
    assert!(one(after(|facts| facts.definitions[0].1 = Definition::Missing), "dialtone crds | kubectl apply"));
    assert!(one(after(|facts| facts.definitions[0].1 = Definition::NotEstablished), "not served yet"));
    assert!(!one(after(|facts| facts.definitions[0].1 = Definition::Differs), "upgrade the older of the two"));
    assert!(one(after(|facts| (facts.operators, facts.leader) = (Some(vec![]), None)), "there is none"));
    let not_ready = |facts: &mut Facts| facts.operators = Some(vec![Operator { ready: 0, ..operator() }]);
    assert!(one(after(not_ready), "kubectl dialtone logs"));
    let older =
        |facts: &mut Facts| facts.operators = Some(vec![Operator { version: Some("0.0.9".to_owned()), ..operator() }]);
    assert!(!one(after(older), "dialtone 0.0.9"));
    let elsewhere = |facts: &mut Facts| {
        facts.operators = Some(vec![Operator { namespaces: vec!["other".to_owned()], ..operator() }])
    };
    assert!(one(after(elsewhere), "watchNamespaces"));
    assert!(one(
        after(|facts| facts.leader = Some(Some(Leader { holder: Some("a".to_owned()), renewed: Some(99) }))),
        "is silent"
    ));
    assert!(!one(after(|facts| facts.leader = Some(None)), "there is no Lease"));
    assert!(!one(after(|facts| facts.person_lacks = vec![LIST]), "you may not list phonesites.dialtone.dev"));
    assert!(one(after(|facts| facts.operator_lacks = Some(vec![LIST])), "the operator may not list"));
    let host = |facts: &mut Facts| facts.sites = Some(vec![Site { host_network: true, ..site("hq") }]);
    assert!(one(after(host), "pod-security.kubernetes.io/enforce=privileged"));
    let waits = |facts: &mut Facts| facts.sites = Some(vec![Site { address: None, no_address: true, ..site("hq") }]);
    assert!(one(after(waits), "pool of the load balancer (metallb.io)"));
    let none = |facts: &mut Facts| {
        waits(facts);
        facts.balancers = Balancers { groups: vec![], given: Some((0, 1)) };
    };
    assert!(one(after(none), "install MetalLB or the like"));
    let silent = |facts: &mut Facts| facts.sites = Some(vec![Site { heard: 0, ..site("hq") }]);
    assert!(!one(after(silent), "options 66 and 150 have to say 10.20.0.5"));
    let port =
        |facts: &mut Facts| facts.sites = Some(vec![Site { address: Some("10.0.0.1:30069".to_owned()), ..site("hq") }]);
    assert!(one(after(port), "phones ask port 69 only"));
}

#[test]
fn what_may_not_be_read_is_no_fault() {
    let blind = |facts: &mut Facts| {
        facts.definitions.iter_mut().for_each(|one| one.1 = Definition::Unknown);
        (facts.operators, facts.leader, facts.operator_lacks) = (None, None, None);
        (facts.pod_security, facts.sites) = (None, None);
        facts.balancers = Balancers::default();
    };
    assert_eq!(after(blind), (vec![], vec![]));
    let privileged = |facts: &mut Facts| {
        facts.sites = Some(vec![Site { host_network: true, ..site("hq") }]);
        facts.pod_security = Some(None);
    };
    assert_eq!(after(privileged), (vec![], vec![]), "without a label everything is allowed");
}
