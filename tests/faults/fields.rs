//! One field of a kind changed after another, made from the definitions (the way of Acto): the change shows in what the operator
//! writes, or the status or the API server says why not; changed back, all is as before; many changes in a row end as one does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::Request;
use kube::Client;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::generated::{self, Field};
use super::stage::{Operator, Setup, admin, create_namespace, kubeconfig};
use super::state::difference;
use super::support::{apply, condition, kube, wait_for};
use super::watched::{Cluster, PREFIX, State};

/// How many namespaces are changed side by side: they mostly wait.
const SIDE_BY_SIDE: usize = 32;
/// How many values of a field are tried until one shows.
const VALUES: usize = 6;
/// Nothing more comes after this, and after that where nothing came at all.
const QUIET: Duration = Duration::from_millis(900);
const SILENT: Duration = Duration::from_millis(3500);
/// Nothing more comes after this even where much came in a row, which is gathered.
const LASTING: Duration = Duration::from_secs(6);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(45);

/// Fields that nothing has to show of in a cluster without pods and phones, and why.
const SHOWS_ELSEWHERE: &[(&str, &str)] = &[
    ("PhoneSite spec.phoneNetworks", "bounds where phones are told of a change: none was seen"),
    ("PhoneSite spec.resync.maxConcurrent", "bounds how many phones are told at a time: none has anything to be told"),
    ("PhoneSite spec.resync.window.from", "bounds when phones are told: none has anything to be told"),
    ("PhoneSite spec.resync.window.to", "as window.from"),
    ("PhoneSite spec.resync.window.days", "as window.from"),
    ("PhoneSite spec.tftp.canary", "says which sites are first when the operator is upgraded: it is not"),
    ("PhoneSite spec.firmware.rollout.maxUpdating", "bounds how many phones are offered an image: no pod holds one"),
    ("PhoneSite spec.firmware.rollout.paused", "offers no image to more phones: no pod holds one"),
];

/// Values that suit a field better than what the schema tells.
const SUITABLE: &[(&str, &str)] = &[("PhoneSite spec.tftp.service.nodePort", "31069")];

/// What every run begins with.
fn base(slot: usize) -> Specs {
    Specs {
        site: json!({
            "settings": {"proxy1Address": "10.1.1.1"},
            "firmware": {"image": "P0S3-06-3-00", "source": {"configMaps": [{"name": "firmware"}]}},
            "dialPlan": {"templates": [{"match": "9,*", "timeout": 5}]},
            "ringList": [{"name": "Ring", "file": "ring.raw"}],
            "files": {"configMaps": [{"name": "rings"}]},
            "resync": {"method": "Notify"},
            "tftp": {"replicas": 1},
        }),
        phone: json!({
            "siteRef": {"name": "hq"},
            "mac": format!("000A8AFF00{slot:02X}"),
            "model": "7960",
            "lines": [{"name": format!("slot-{slot}"), "passwordSecretRef": {"name": "words", "key": "one"}}],
        }),
    }
}

/// The specs of the one site and the one phone of a namespace.
#[derive(Clone, Debug, PartialEq)]
struct Specs {
    site: Value,
    phone: Value,
}

impl Specs {
    fn of(&mut self, kind: &str) -> &mut Value {
        if kind == "PhoneSite" { &mut self.site } else { &mut self.phone }
    }
}

/// One namespace that is changed.
struct Slot<'a> {
    namespace: String,
    runtime: &'a Handle,
    client: &'a Client,
    cluster: &'a Cluster,
    specs: Specs,
    base: State,
}

impl Slot<'_> {
    /// Makes the specs these; what the API server says if it refuses.
    fn change(&mut self, specs: &Specs) -> Result<(), String> {
        for (kind, plural, name) in [("PhoneSite", "phonesites", "hq"), ("SipPhone", "sipphones", "one")] {
            let wanted = specs.clone().of(kind).clone();
            if *self.specs.of(kind) == wanted {
                continue;
            }
            let namespace = &self.namespace;
            let path =
                format!("/apis/dialtone.dev/v1alpha1/namespaces/{namespace}/{plural}/{name}?fieldValidation=Strict");
            let patch = json!([{"op": "replace", "path": "/spec", "value": wanted}]).to_string().into_bytes();
            let request =
                Request::patch(path).header("content-type", "application/json-patch+json").body(patch).unwrap();
            let answer = self.runtime.block_on(self.client.request::<Value>(request));
            self.cluster.note(answer.map_err(|error| error.to_string())?, true);
            *self.specs.of(kind) = wanted;
        }
        Ok(())
    }

    /// Waits until what was changed is done: what there is then.
    fn settled(&self, quiet: Duration) -> Result<State, String> {
        let began = Instant::now();
        loop {
            let look = self.cluster.look(&self.namespace);
            let enough = if look.state == self.base { SILENT } else { quiet };
            if look.is_told && look.quiet > enough {
                return Ok(look.state);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!(
                    "after {PATIENCE:?} is {}",
                    if look.is_told { "no rest" } else { "not spoken of" }
                ));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until everything is as it was in this state.
    fn returns_to(&self, state: &State) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let look = self.cluster.look(&self.namespace);
            let found = difference(state, &look.state);
            if found.is_empty() && look.is_told {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("\n      {}", found.join("\n      ")));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Deletes both objects and makes them with these specs, when nothing is left of them.
    fn make_anew(&mut self, specs: &Specs) -> Result<(), String> {
        for kind in ["sipphone/one", "phonesite/hq"] {
            kube(&["delete", kind, "-n", &self.namespace]);
        }
        let began = Instant::now();
        // What people made stays: a Secret and two ConfigMaps.
        while self.cluster.look(&self.namespace).state.len() > 3 + 1 {
            if began.elapsed() > PATIENCE {
                return Err("deleted, it is not gone".to_owned());
            }
            thread::sleep(Duration::from_millis(100));
        }
        fill(&self.namespace, specs);
        self.specs = specs.clone();
        Ok(())
    }

    /// Changes everything back.
    fn go_back(&mut self, base: &Specs) -> Result<(), String> {
        self.change(base)?;
        let result = self.returns_to(&self.base);
        if result.is_err() {
            self.base = self.settled(LASTING)?;
        }
        result
    }
}

/// What became of the changes.
#[derive(Default)]
struct Tally {
    changes: AtomicUsize,
    shown: AtomicUsize,
    said: AtomicUsize,
    refused: AtomicUsize,
    sequences: AtomicUsize,
    /// Changes that were taken.
    good: Mutex<Vec<(Field, Value)>>,
    complaints: Mutex<Vec<String>>,
}

impl Tally {
    fn complain(&self, about: &str, why: impl std::fmt::Display) {
        self.complaints.lock().unwrap().push(format!("{about}: {why}"));
    }
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What is tried of a field.
fn values(field: &Field) -> Vec<Value> {
    let name = format!("{} {}", field.kind, field.path);
    let suitable =
        SUITABLE.iter().filter(|(path, _)| *path == name).map(|(_, value)| serde_json::from_str(value).unwrap());
    suitable.chain(field.values()).take(VALUES).collect()
}

/// Tries values of one field until one shows.
fn try_field(slot: &mut Slot, base: &Specs, field: &Field, tally: &Tally) {
    let name = format!("{} {}", field.kind, field.path);
    let place = format!("in {}, ", slot.namespace);
    let (mut shows, mut tried) = (false, Vec::new());
    for value in values(field) {
        let mut specs = base.clone();
        *specs.of(&field.kind) = field.put(specs.of(&field.kind), &value);
        if specs == *base {
            continue;
        }
        let about = format!("{place}{name} = {value}");
        count(&tally.changes);
        if slot.change(&specs).is_err() {
            count(&tally.refused);
            tried.push(format!("{value} (refused)"));
            continue;
        }
        match slot.settled(QUIET) {
            Ok(state) if state == slot.base => tried.push(value.to_string()),
            Ok(state) => {
                shows = true;
                if follows_specs(&state) {
                    tally.good.lock().unwrap().push((field.clone(), value));
                }
                let is_status = |line: &String| line.starts_with("PhoneSite ") || line.starts_with("SipPhone ");
                count(if difference(&slot.base, &state).iter().all(is_status) { &tally.said } else { &tally.shown });
            }
            Err(why) => tally.complain(&about, why),
        }
        if let Err(why) = slot.go_back(base) {
            tally.complain(&about, format!("changed back, it is not as before: {why}"));
        }
        if shows {
            break;
        }
    }
    let known = SHOWS_ELSEWHERE.iter().any(|(path, _)| *path == name);
    if !shows && !known {
        tally.complain(&(place + &name), format!("shows nowhere: {}", tried.join(", ")));
    }
    if shows && known {
        tally.complain(&name, "shows after all: it needs no exception");
    }
}

/// Whether everything follows a namespace's specs. Where something is wrong the last good files go on being served, and of a site
/// that is suspended everything stays: what there is then depends on what there was, on purpose.
fn follows_specs(state: &State) -> bool {
    let holds = |name: &str, kind: &str| condition(&state[name], kind).0 == "True";
    holds("PhoneSite hq", "Accepted") && holds("SipPhone one", "Accepted") && !holds("PhoneSite hq", "Suspended")
}

/// Changes of any kind one after another, quickly, that come to some good ones; and then those at once.
fn try_sequence(slot: &mut Slot, base: &Specs, fields: &[Field], random: &mut SmallRng, tally: &Tally) {
    let good = tally.good.lock().unwrap().clone();
    let mut end = base.clone();
    let mut told = Vec::new();
    for (field, value) in good.sample(random, 4) {
        *end.of(&field.kind) = field.put(end.of(&field.kind), value);
        told.push(format!("{} {} = {value}", field.kind, field.path));
    }
    let about = format!("in {}, in a row to {}", slot.namespace, told.join(", "));
    let mut result = Ok(());
    for step in 0..=6 {
        let mut specs = slot.specs.clone();
        let field = fields.choose(random).unwrap();
        let value = values(field).choose(random).unwrap().clone();
        *specs.of(&field.kind) = field.put(specs.of(&field.kind), &value);
        result = slot.change(if step == 6 { &end } else { &specs });
        thread::sleep(Duration::from_millis(random.random_range(0..1200)));
    }
    count(&tally.changes);
    let result = result.and_then(|()| slot.settled(LASTING)).and_then(|reached| {
        slot.go_back(base).map_err(|why| format!("changed back, it is not as before: {why}"))?;
        if !follows_specs(&reached) {
            return Ok(());
        }
        count(&tally.sequences);
        slot.change(&end)?;
        slot.returns_to(&reached).map_err(|why| format!("reached at once, it is not the same: {why}"))?;
        slot.make_anew(&end)?;
        slot.returns_to(&reached).map_err(|why| format!("made anew, it is not the same: {why}"))
    });
    if let Err(why) = result {
        tally.complain(&about, why);
    }
    if let Err(why) = slot.go_back(base) {
        tally.complain(&about, format!("changed back after all, it is not as before: {why}"));
    }
}

/// Every so many of the fields are changed; all of them with 1.
fn share() -> usize {
    std::env::var("DIALTONE_FIELDS_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(3)
}

fn fill(namespace: &str, specs: &Specs) {
    let objects = [
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "words"}, "stringData": {"one": "correct"}}),
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "rings"}, "data": {"ring.raw": "ring"}}),
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "firmware"},
            "binaryData": {"P0S3-06-3-00.bin": "AAAA"}}),
        json!({"kind": "PhoneSite", "apiVersion": "dialtone.dev/v1alpha1", "metadata": {"name": "hq"}, "spec": specs.site}),
        json!({"kind": "SipPhone", "apiVersion": "dialtone.dev/v1alpha1", "metadata": {"name": "one"}, "spec": specs.phone}),
    ];
    apply(namespace, &objects.map(|object| object.to_string()).join("\n---\n"));
}

pub fn a_field_that_is_changed_shows_and_changed_back_leaves_nothing(runtime: &Handle) {
    let seed = super::seed::seed();
    let only = std::env::var("DIALTONE_FIELD").unwrap_or_default();
    let chosen = |(number, field): &(usize, Field)| {
        (only.is_empty() && (number + seed as usize).is_multiple_of(share()))
            || (!only.is_empty() && format!("{} {}", field.kind, field.path).contains(&only))
    };
    let all = generated::fields();
    let fields: Vec<Field> = all.iter().cloned().enumerate().filter(chosen).map(|(_, field)| field).collect();
    eprintln!("   {} of {} fields; DIALTONE_SEED={seed}", fields.len(), all.len());
    let client = admin(runtime, &kubeconfig());
    let cluster = Cluster::watch(runtime, &client);
    let operator = Operator::start(runtime, Setup::of(&[]));
    wait_for("the operator to lead", 30, || operator.leads().then_some(()));
    let bases: Vec<Specs> = (0..SIDE_BY_SIDE.min(fields.len())).map(base).collect();
    for (number, base) in bases.iter().enumerate() {
        create_namespace(&format!("{PREFIX}{number}"));
        fill(&format!("{PREFIX}{number}"), base);
    }
    let (next, tally) = (AtomicUsize::new(0), Tally::default());
    thread::scope(|scope| {
        for (number, base) in bases.iter().enumerate() {
            let (fields, all, next, tally, client, cluster) = (&fields, &all, &next, &tally, &client, &*cluster);
            scope.spawn(move || {
                let namespace = format!("{PREFIX}{number}");
                let mut slot = Slot { namespace, runtime, client, cluster, specs: base.clone(), base: State::new() };
                match slot.settled(LASTING) {
                    Ok(state) => slot.base = state,
                    Err(why) => return tally.complain("the beginning", why),
                }
                while let Some(field) = fields.get(next.fetch_add(1, Ordering::SeqCst)) {
                    try_field(&mut slot, base, field, tally);
                }
                let mut random = SmallRng::seed_from_u64(seed.wrapping_add(number as u64));
                try_sequence(&mut slot, base, all, &mut random, tally);
            });
        }
    });
    let log = operator.log();
    for number in 0..bases.len() {
        kube(&["delete", "namespace", &format!("{PREFIX}{number}"), "--wait=false"]);
    }
    let [changes, shown, said, refused] =
        [&tally.changes, &tally.shown, &tally.said, &tally.refused].map(|counter| counter.load(Ordering::Relaxed));
    eprintln!("   {changes} changes: {shown} showed in what is written, {said} in a status, {refused} were refused");
    let sequences = tally.sequences.load(Ordering::Relaxed);
    eprintln!("   {sequences} states were reached in a row, at once and anew");
    let mut complaints = tally.complaints.into_inner().unwrap();
    for number in 0..bases.len() {
        let place = format!("in {PREFIX}{number}, ");
        if complaints.iter().any(|complaint| complaint.starts_with(&place)) {
            let about: Vec<&str> = log.lines().filter(|line| line.contains(&format!("{PREFIX}{number}/"))).collect();
            complaints.extend(about.iter().rev().take(12).rev().map(|line| format!("  {line}")));
        }
    }
    complaints.extend(log.lines().filter(|line| line.contains("panic")).map(|line| format!("the operator: {line}")));
    if !operator.runs() {
        complaints.push("the operator ended".to_owned());
    }
    assert!(complaints.is_empty(), "{} complaints, DIALTONE_SEED={seed}:\n{}", complaints.len(), complaints.join("\n"));
}
