//! Objects in every state that a health check can meet, as the operator itself writes them, and what kstatus and Argo CD should say of each.
//! Here the rules of kstatus are applied in few lines; `make conformance` has the library itself and Argo CD's script judge the same objects.

use std::collections::BTreeSet;

use dialtone::api::{API_VERSION, Reason};
use dialtone::base::report::FileProblem;
use dialtone::provision::consent::Withheld;
use dialtone::provision::{Infra, InfraProblem, PodsProblem};
use strum::VariantArray as _;

use super::*;

/// Where `make conformance` wants the objects.
const WRITE: &str = "DIALTONE_WRITE_STATES";
/// So long what is missing is waited for.
const PATIENCE: i64 = 300;

/// What kstatus says of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Current,
    InProgress,
    Failed,
    Terminating,
}

/// An object in a state.
struct State {
    name: String,
    object: Value,
    says: Says,
}

/// A site `hq` with a phone `p`, and what was written last of both.
struct World {
    fleet: Fleet,
    specs: (Value, Value),
    generations: (i64, i64),
    statuses: (PhoneSiteStatus, SipPhoneStatus),
}

impl World {
    fn new(site_spec: Value, phone_spec: Value) -> World {
        let mut fleet = Fleet::new();
        fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
        site(&mut fleet, 1, site_spec.clone());
        phone(&mut fleet, "p", 1, 20, phone_spec.clone());
        let statuses = Default::default();
        World { fleet, specs: (site_spec, phone_spec), generations: (1, 1), statuses }
    }

    /// With another phone's specification.
    fn of_phone(phone_spec: Value) -> World {
        World::new(site_spec(), phone_spec).served()
    }

    /// With another site's specification.
    fn of_site(site_spec: Value) -> World {
        World::new(site_spec, plain(MAC, "1")).served()
    }

    fn plain() -> World {
        World::new(site_spec(), plain(MAC, "1"))
    }

    /// Both pods hold everything, and phones have an address.
    fn served(mut self) -> World {
        self.infra(|infra| (infra.wanted, infra.address) = (2, Some("192.0.2.1".to_owned())));
        self.pods(&["a", "b"])
    }

    fn pods(mut self, pods: &[&str]) -> World {
        write_all(&mut self.fleet);
        pods.iter().for_each(|pod| holds(&mut self.fleet, pod));
        write_all(&mut self.fleet);
        self
    }

    fn infra(&mut self, change: impl FnOnce(&mut Infra)) {
        self.fleet.settle();
        let mut infra = self.fleet.infra(&key("hq"));
        change(&mut infra);
        self.fleet.set_infra(&key("hq"), infra);
    }

    fn with(mut self, change: impl FnOnce(&mut Fleet)) -> World {
        change(&mut self.fleet);
        write_all(&mut self.fleet);
        self
    }

    /// The site was edited, and the operator saw it.
    fn edit_site(mut self, spec: Value) -> World {
        self.generations.0 += 1;
        site(&mut self.fleet, self.generations.0, spec.clone());
        self.specs.0 = spec;
        write_all(&mut self.fleet);
        self
    }

    /// The operator writes both statuses.
    fn at(mut self, second: i64) -> World {
        let now = Timestamp::from_second(second).unwrap();
        write_all(&mut self.fleet);
        if let Some((_, after)) = self.fleet.new_site_status(&key("hq"), now) {
            self.fleet.note_site_status(&key("hq"), after.clone(), after.clone(), 100);
            self.statuses.0 = after;
        }
        if let Some((_, after)) = self.fleet.phone_status(&key("p"), now) {
            self.fleet.note_phone_status(&key("p"), after.clone(), after.clone(), 100);
            self.statuses.1 = after;
        }
        self
    }

    fn object(kind: &str, name: &str, generation: i64, spec: &Value, status: Value) -> Value {
        json!({"apiVersion": API_VERSION, "kind": kind, "spec": spec, "status": status,
            "metadata": {"name": name, "namespace": "ns", "generation": generation}})
    }

    fn site(&self) -> Value {
        World::object("PhoneSite", "hq", self.generations.0, &self.specs.0, json!(self.statuses.0))
    }

    fn phone(&self) -> Value {
        World::object("SipPhone", "p", self.generations.1, &self.specs.1, json!(self.statuses.1))
    }
}

fn site_spec() -> Value {
    json!({"settings": {"proxy1Address": "10.0.0.1"}})
}

/// The status that the API server gives a new object, by the definition of its kind.
fn first_status(kind: &str) -> Value {
    let all = dialtone::api::crd::all().into_iter().map(|crd| json!(crd));
    let of_kind = all.into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap();
    of_kind["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"].clone()
}

fn state(all: &mut Vec<State>, name: &str, object: Value, says: Says) {
    all.push(State { name: name.to_owned(), object, says });
}

/// What is waited for, and then fails: both.
fn awaited(all: &mut Vec<State>, name: &str, make: impl Fn() -> World, show: impl Fn(&World) -> Value) {
    let world = make().at(1_000);
    state(all, name, show(&world), Says::InProgress);
    let world = world.at(1_000 + PATIENCE - 1);
    state(all, &format!("{name}, before the patience ends"), show(&world), Says::InProgress);
    let world = world.at(1_000 + PATIENCE);
    state(all, &format!("{name}, for five minutes"), show(&world), Says::Failed);
}

fn of_sites(all: &mut Vec<State>) {
    let mut new = World::plain().site();
    new["status"] = first_status("PhoneSite");
    state(all, "new", new, Says::InProgress);
    state(all, "no pod yet", World::plain().at(1_000).site(), Says::InProgress);
    let ready = || World::plain().served().at(1_000);
    state(all, "ready, or the operator is down since", ready().site(), Says::Current);
    let mut edited = ready().site();
    edited["metadata"]["generation"] = 2.into();
    state(all, "edited, and not seen yet or the operator is down", edited, Says::InProgress);
    let mut leaving = ready().site();
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
    state(all, "deleting", leaving, Says::Terminating);
    let half = World::plain().served().with(|fleet| fleet.pod_gone(&key("hq"), "b")).at(1_000);
    state(all, "one of two pods answers", half.site(), Says::InProgress);
    let mut pending = World::plain().served();
    pending.infra(|infra| (infra.address, infra.no_address) = (None, Some("nobody gives one".to_owned())));
    state(all, "no address", pending.at(1_000).site(), Says::InProgress);
    let mut name = World::plain().served();
    name.infra(|infra| (infra.address, infra.hostname) = (None, Some("lb.example.net".to_owned())));
    state(all, "a name for an address, which is worth a warning", name.at(1_000).site(), Says::Current);
    let behind = ready().edit_site(json!({"settings": {"proxy1Address": "10.0.0.2"}})).at(1_001);
    state(all, "edited, on its way to the pods", behind.site(), Says::InProgress);

    let mut suspended = site_spec();
    suspended["suspend"] = true.into();
    state(all, "suspended", ready().edit_site(suspended.clone()).at(1_001).site(), Says::Current);
    suspended["settings"]["proxy1Address"] = "10.0.0.9".into();
    let held = ready().edit_site(suspended).at(1_001);
    state(all, "suspended with a change", held.site(), Says::Current);
    state(all, "a phone of a suspended site", held.phone(), Says::Current);

    let refused = [
        json!({"settings": {"proxy1Address": "no host!"}}),
        json!({"settings": {"proxy1Address": "10.0.0.1"}, "extraParameters": {"proxy1_address": "10.0.0.2"}}),
    ];
    for spec in refused {
        let world = World::of_site(spec).at(1_000);
        state(all, "refused", world.site(), Says::Failed);
        state(all, "a phone of a refused site", world.phone(), Says::Failed);
    }
    let secret = json!({"settings": {"phonePasswordSecretRef": {"name": "s", "key": "p"}}});
    let with_secret = |data: Option<BTreeMap<String, Bytes>>| {
        World::of_site(secret.clone()).with(|fleet| fleet.set_secret(&key("s"), data))
    };
    awaited(all, "a Secret is missing", || with_secret(None), World::site);
    awaited(all, "a Secret's key is missing", || with_secret(Some(BTreeMap::new())), World::site);
    let firmware = |source: Value| {
        let mut spec = json!({"firmware": {"image": "P0S3-8-12-00"}});
        if !source.is_null() {
            spec["firmware"]["source"] = source;
        }
        World::of_site(spec)
    };
    let map = || firmware(json!({"configMaps": [{"name": "fw"}]}));
    awaited(all, "a ConfigMap is missing", || map().with(|fleet| fleet.set_firmware(&key("fw"), None)), World::site);
    let withheld = map().with(|fleet| fleet.withhold(Reference::ConfigMap, &key("fw"), Withheld::NoConsent));
    state(all, "a ConfigMap is withheld", withheld.at(1_000).site(), Says::Failed);
    let empty = map().with(|fleet| fleet.set_firmware(&key("fw"), Some(Default::default()))).pods(&["a", "b"]);
    state(all, "an image is not whole", empty.at(1_000).site(), Says::Failed);
    state(all, "no source of the image", firmware(Value::Null).at(1_000).site(), Says::Failed);
    let volume = || firmware(json!({"persistentVolumeClaim": {"claimName": "fw"}}));
    state(all, "the image is on its way", volume().at(1_000).site(), Says::InProgress);
    let failed = volume().with(|fleet| {
        let problem = FileProblem::new("P0S3-8-12-00.loads", "404 Not Found");
        fleet.pod_firmware(&key("hq"), "a", true, Vec::new(), &[], &[problem]);
    });
    state(all, "an image cannot be fetched", failed.at(1_000).site(), Says::Failed);

    for (reason, stalls) in [
        (Reason::NameTaken, true),
        (Reason::Forbidden, true),
        (Reason::NotAllowed, true),
        (Reason::Refused, true),
        (Reason::ApplyFailed, false),
        (Reason::Pending, false),
    ] {
        let mut world = World::plain().served();
        let problem = InfraProblem { reason, message: "what the API server says".to_owned(), stalls };
        world.infra(|infra| drop(infra.problems.insert("Deployment dialtone-hq".to_owned(), problem)));
        let says = if stalls { Says::Failed } else { Says::InProgress };
        state(all, reason.as_str(), world.at(1_000).site(), says);
    }
    let missing = |reason: Reason| {
        let mut world = World::plain().served();
        let problem = PodsProblem { reason, message: "what the kubelet says".to_owned(), since: 1_000 };
        world.infra(|infra| infra.pods = Some(problem));
        world
    };
    for reason in [Reason::PodSecurity, Reason::InvalidImage] {
        state(all, reason.as_str(), missing(reason).at(1_000).site(), Says::Failed);
    }
    for reason in [
        Reason::QuotaExceeded,
        Reason::PodsRefused,
        Reason::ImagePullFailed,
        Reason::ContainerFailed,
        Reason::CrashLoop,
        Reason::Unschedulable,
        Reason::NotStarted,
        Reason::PodFailed,
    ] {
        awaited(all, reason.as_str(), || missing(reason), World::site);
    }
}

fn of_phones(all: &mut Vec<State>) {
    let mut new = World::plain().phone();
    new["status"] = first_status("SipPhone");
    state(all, "new", new, Says::InProgress);
    state(all, "no pod yet", World::plain().at(1_000).phone(), Says::InProgress);
    let ready = || World::plain().served().at(1_000);
    state(all, "unplugged: it never asked", ready().phone(), Says::Current);
    let mut edited = ready().phone();
    edited["metadata"]["generation"] = 2.into();
    state(all, "edited, and not seen yet or the operator is down", edited, Says::InProgress);
    let mut leaving = ready().phone();
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
    state(all, "deleting", leaving, Says::Terminating);
    let taken = World::plain().served().with(|fleet| {
        for name in ["SIPDefault.cnf", FILE] {
            let digest = Digest::of(&fleet.tree(&key("hq"))[name]);
            fleet.fetched(&key("hq"), &fetch(name, Some(digest)));
        }
    });
    state(all, "in sync", taken.at(1_000).phone(), Says::Current);

    state(all, "refused", World::of_phone(plain("no MAC", "1")).at(1_000).phone(), Says::Failed);
    let mut twice = plain(MAC, "1");
    (twice["label"], twice["extraParameters"]) = ("a".into(), json!({"phone_label": "b"}));
    state(all, "set twice", World::of_phone(twice).at(1_000).phone(), Says::Failed);
    for (name, mac, line) in [("another has the MAC", MAC, "2"), ("another has the line", "000A8A000009", "1")] {
        let world = World::plain().with(|fleet| phone(fleet, "older", 1, 10, plain(mac, line))).served();
        state(all, name, world.at(1_000).phone(), Says::Failed);
    }
    let mut elsewhere = plain(MAC, "1");
    elsewhere["siteRef"]["name"] = "nowhere".into();
    awaited(all, "its site is missing", || World::of_phone(elsewhere.clone()), World::phone);
    let with_secret = |data: Option<BTreeMap<String, Bytes>>| {
        let data = data.clone();
        World::of_phone(with_password(MAC, "1")).with(|fleet| fleet.set_secret(&key("s"), data))
    };
    awaited(all, "a Secret is missing", || with_secret(None), World::phone);
    awaited(all, "a Secret's key is missing", || with_secret(Some(BTreeMap::new())), World::phone);
    let withheld = World::of_phone(with_password(MAC, "1"))
        .with(|fleet| fleet.withhold(Reference::Secret, &key("s"), Withheld::Type));
    state(all, "a Secret is for something else", withheld.at(1_000).phone(), Says::Failed);
}

/// What kstatus says, by its rules for kinds that it does not know.
fn kstatus(object: &Value) -> Says {
    let (meta, status) = (&object["metadata"], &object["status"]);
    let stands = |kind: &str, is: &str| {
        let mut all = status["conditions"].as_array().into_iter().flatten();
        all.any(|one| one["type"] == kind && one["status"] == is)
    };
    if !meta["deletionTimestamp"].is_null() {
        Says::Terminating
    } else if status["observedGeneration"] != meta["generation"] || stands("Reconciling", "True") {
        Says::InProgress
    } else if stands("Stalled", "True") {
        Says::Failed
    } else if stands("Ready", "False") {
        Says::InProgress
    } else {
        Says::Current
    }
}

/// What Argo CD's script should say.
fn argo(state: &State) -> &'static str {
    match state.says {
        Says::Current if state.object["spec"]["suspend"] == true => "Suspended",
        Says::Current => "Healthy",
        Says::Failed => "Degraded",
        Says::InProgress | Says::Terminating => "Progressing",
    }
}

/// The reasons that `Ready` never has: those of other conditions and of Events; and those of two refusals that take thousands of phones
/// to bring about, and end as every refusal does.
const ELSEWHERE: &[Reason] = &[
    Reason::Accepted,
    Reason::AcceptedWithWarnings,
    Reason::SiteFull,
    Reason::FileTooLarge,
    Reason::Served,
    Reason::LastGood,
    Reason::NotRendered,
    Reason::Unmanaged,
    Reason::Staged,
    Reason::Fetched,
    Reason::NeverFetched,
    Reason::Unacknowledged,
    Reason::Outdated,
    Reason::CommonOutdated,
    Reason::NotServed,
    Reason::InSync,
    Reason::Told,
    Reason::Unheard,
    Reason::NotBack,
    Reason::OutsideWindow,
    Reason::Waiting,
    Reason::NoAddress,
    Reason::AddressNotAllowed,
    Reason::TwoAddresses,
    Reason::Upgrading,
    Reason::TelnetOff,
    Reason::NoAnswer,
    Reason::NotSent,
    Reason::LoginFailed,
    Reason::Resumed,
    Reason::Contested,
    Reason::Upgraded,
    Reason::UpgradeStarted,
    Reason::UpgradeFailed,
    Reason::UpdateStopped,
    Reason::UpdateFailed,
];

#[test]
fn a_health_check_ends_where_nothing_is_left_to_do_and_fails_where_somebody_has_to_do_something() {
    let mut all = Vec::new();
    of_sites(&mut all);
    of_phones(&mut all);
    let mut wrong = Vec::new();
    let mut reasons = BTreeSet::new();
    for State { name, object, says } in &all {
        if kstatus(object) != *says {
            wrong.push(format!("{} {name} should be {says:?} and is {:?}: {object}", object["kind"], kstatus(object)));
        }
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        reasons.extend(conditions.filter(|one| one["type"] == "Ready").filter_map(|one| one["reason"].as_str()));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let names = Reason::VARIANTS.iter().filter(|reason| !ELSEWHERE.contains(reason)).map(|reason| reason.as_str());
    let names: BTreeSet<&str> = names.collect();
    let differ: Vec<_> = names.symmetric_difference(&reasons).collect();
    assert!(differ.is_empty(), "without a state of their own, or not said to be impossible: {differ:?}");
    if let Some(path) = std::env::var_os(WRITE) {
        let rows = all.iter().map(|state| {
            json!({"name": state.name, "kstatus": format!("{:?}", state.says), "argo": argo(state), "object": state.object})
        });
        std::fs::write(path, json!(rows.collect::<Vec<_>>()).to_string()).unwrap();
    }
}
