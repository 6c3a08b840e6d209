use std::sync::Arc;

use serde_json::json;

use super::super::objects::reconcile;
use super::super::supervisor::{Supervisor, supervised};
use super::super::testing::FakeApi;
use super::super::trimmed::TrimmedSecret;
use super::super::{owned, queue::Outcome};
use super::*;
use crate::provision::Meta;

const OLD: &str = "dialtone:old";
const NEW: &str = "dialtone:test";

/// A cluster whose sites another version of the operator made.
struct World {
    api: FakeApi,
    ctx: Arc<Context>,
    _supervisor: Supervisor,
}

fn key(name: &str) -> Key {
    Key::new("ns", name)
}

fn name(site: &str) -> Key {
    key(&workload(site))
}

impl World {
    async fn of(sites: &[&str]) -> World {
        let (tasks, supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let world = World { api, ctx, _supervisor: supervisor };
        for site in sites {
            world.add(site, json!({}), 1);
        }
        world
    }

    /// A site whose status speaks of a generation, and its objects as the version before made them: its pods serve.
    fn add(&self, site: &str, tftp: Value, observed: i64) {
        let spec: PhoneSiteSpec = serde_json::from_value(json!({"tftp": tftp})).unwrap();
        self.apply(site, &spec, observed);
        let site = key(site);
        self.ctx.sites.note_uid(&site, format!("uid-{}", site.name));
        let value = "0123456789abcdef".repeat(4);
        let mut secret = owned::token_secret(&site, &format!("uid-{}", site.name), &value, &value);
        secret["metadata"]["resourceVersion"] = "1".into();
        self.ctx.children.note_token(&site, serde_json::from_value::<TrimmedSecret>(secret).unwrap().into());
        let options = Options { image: OLD.to_owned(), ..self.ctx.options.clone() };
        let objects = OwnedObjects::prepare(&site, &format!("uid-{}", site.name), &spec, &options);
        let service = match objects.service {
            owned::ServiceChoice::Write(service) => Some(*service),
            _ => None,
        };
        let all = [Some(objects.service_account), Some(objects.network_policy), service, objects.disruption_budget];
        for prepared in all.into_iter().flatten() {
            self.see(&site.name, prepared.kind(), prepared.object().clone());
        }
        let mut deployment = objects.deployment.object().clone();
        deployment["metadata"]["generation"] = 1.into();
        deployment["status"] =
            json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        self.see(&site.name, Kind::Deployment, deployment);
    }

    fn apply(&self, site: &str, spec: &PhoneSiteSpec, observed: i64) {
        let generation = if self.ctx.read(|fleet| fleet.has_site(&key(site))) { 2 } else { 1 };
        let meta = Meta { key: key(site), generation: Some(generation), created: 0, version: 1, resync_at: None };
        let status = crate::api::PhoneSiteStatus { observed_generation: Some(observed), ..Default::default() };
        self.ctx.update(|fleet| fleet.apply_site(meta, spec.clone(), status));
    }

    /// The watch shows an object.
    fn see(&self, site: &str, kind: Kind, mut object: Value) {
        let before =
            object["metadata"]["resourceVersion"].as_str().map_or(0, |version| version.parse::<u64>().unwrap());
        object["metadata"]["resourceVersion"] = (before + 1).to_string().into();
        let plural = kind.resource().plural;
        object["metadata"]["uid"] = json!(format!("uid-of-{plural}-{}", name(site).name));
        self.ctx.children.note(&key(site), kind, &name(site), object);
    }

    fn deployment(&self, site: &str) -> Value {
        self.ctx.children.get(Kind::Deployment, &name(site)).unwrap()
    }

    fn image(&self, site: &str) -> String {
        image_of(&self.deployment(site)).unwrap()
    }

    /// The Deployment's controller says something.
    fn status(&self, site: &str, status: Value) {
        let mut deployment = self.deployment(site);
        deployment["metadata"]["generation"] = 2.into();
        deployment["status"] = status;
        deployment["status"]["observedGeneration"] = 2.into();
        self.see(site, Kind::Deployment, deployment);
    }

    fn comes_up(&self, site: &str) {
        self.status(site, json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}));
    }

    fn is_late(&self, site: &str) {
        let late = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        self.status(site, json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2, "conditions": late}));
    }

    /// All sites are looked at until nothing is written any more; the writes to Deployments.
    async fn settle(&self) -> Vec<String> {
        let (mut all, mut quiet) = (Vec::new(), 0);
        // What is decided while the last one is looked at is done in the next round.
        while quiet < 2 {
            let sites: Vec<Key> = self.ctx.read(|fleet| fleet.sites().cloned().collect());
            for site in sites {
                assert_eq!(reconcile(&self.ctx, &site).await.unwrap(), Outcome::Done);
            }
            let writes: Vec<String> =
                self.api.writes().into_iter().filter(|write| write.contains("deployments/")).collect();
            quiet = if writes.is_empty() { quiet + 1 } else { 0 };
            all.extend(writes);
        }
        all
    }

    fn said(&self, site: &str) -> Option<Reason> {
        self.ctx.read(|fleet| fleet.infra(&key(site))).update.map(|(reason, _)| reason)
    }
}

#[tokio::test]
async fn sites_are_updated_one_after_the_other_as_their_pods_come_up() {
    let world = World::of(&["a", "b", "c"]).await;
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-a"]);
    assert_eq!((world.image("a"), world.image("b")), (NEW.into(), OLD.into()));
    assert_eq!((world.said("a"), world.said("b")), (None, Some(Reason::Waiting)));
    // The new pods are there and do not serve yet.
    world.status("a", json!({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}));
    assert_eq!(world.settle().await, [""; 0]);
    world.comes_up("a");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    world.comes_up("b");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-c"]);
    world.comes_up("c");
    assert_eq!(world.settle().await, [""; 0]);
    assert_eq!(world.said("c"), None);
    assert_eq!(world.ctx.updates.counts(), [("Settled", 3), ("Waiting", 0), ("Updating", 0), ("Failed", 0)]);
}

#[tokio::test]
async fn a_site_whose_new_pods_do_not_come_up_stops_the_update_and_the_others_serve_as_they_are() {
    let world = World::of(&["b", "c"]).await;
    world.add("z", json!({"canary": true}), 1);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-z"], "the canary");
    world.is_late("z");
    assert_eq!(world.settle().await, [""; 0]);
    assert_eq!((world.image("b"), world.image("c")), (OLD.into(), OLD.into()));
    assert_eq!((world.said("z"), world.said("b")), (Some(Reason::UpdateFailed), Some(Reason::UpdateStopped)));
    // It comes up after all.
    world.comes_up("z");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    assert_eq!((world.said("z"), world.said("c")), (None, Some(Reason::Waiting)));
}

#[tokio::test]
async fn who_suspends_the_site_that_failed_lets_the_others_go_on() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    world.is_late("a");
    assert_eq!(world.settle().await, [""; 0]);
    let spec = PhoneSiteSpec { suspend: true, ..PhoneSiteSpec::default() };
    world.apply("a", &spec, 1);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    assert_eq!((world.said("a"), world.said("b")), (None, None));
}

#[tokio::test]
async fn an_edit_of_a_site_that_waits_is_written_at_once_with_the_image_that_it_has() {
    let world = World::of(&["a", "b", "c"]).await;
    world.settle().await;
    let spec: PhoneSiteSpec = serde_json::from_value(json!({"tftp": {"replicas": 3, "windowsize": 4}})).unwrap();
    world.apply("c", &spec, 1);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-c"]);
    let written = world.deployment("c");
    assert_eq!((world.image("c"), &written["spec"]["replicas"]), (OLD.into(), &json!(3)));
    assert!(written["spec"]["template"].to_string().contains("--windowsize=4"));
    assert_eq!(world.said("c"), Some(Reason::Waiting));
    // What has nothing to do with pods is no reason to write.
    let settings: PhoneSiteSpec = serde_json::from_value(
        json!({"tftp": {"replicas": 3, "windowsize": 4}, "settings": {"telnetLevel": "Enabled"}}),
    )
    .unwrap();
    world.apply("c", &settings, 1);
    assert_eq!(world.settle().await, [""; 0]);
    world.comes_up("a");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    world.comes_up("b");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-c"]);
    assert_eq!(world.image("c"), NEW);
}

#[tokio::test]
async fn an_edit_that_the_operator_before_did_not_see_is_written_at_once_too() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    // Edited between two operators: its status speaks of the spec before.
    world.add("c", json!({}), 0);
    let spec: PhoneSiteSpec = serde_json::from_value(json!({"tftp": {"replicas": 5}})).unwrap();
    world.apply("c", &spec, 1);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-c"]);
    assert_eq!((world.image("c"), world.deployment("c")["spec"]["replicas"].clone()), (OLD.into(), json!(5)));
    assert_eq!(world.settle().await, [""; 0]);
}

#[tokio::test]
async fn what_somebody_does_to_a_site_that_waits_is_put_right_at_once_and_not_updated() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    let mut changed = world.deployment("b");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "evil".into();
    world.see("b", Kind::Deployment, changed);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    assert_eq!(world.image("b"), OLD);
    // One that is deleted has no pods that serve: it is made as it should be at last.
    world.ctx.children.forget(Kind::Deployment, &name("b"), u64::MAX);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    assert_eq!(world.image("b"), NEW);
    assert_eq!(world.said("b"), None);
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    // A new process knows what the cluster shows, and nothing else.
    let (first, second) = (world.deployment("a"), World::of(&["a", "b"]).await);
    second.see("a", Kind::Deployment, first.clone());
    assert_eq!(second.settle().await, [""; 0], "the pods of a are not up yet");
    assert_eq!((second.image("a"), second.image("b")), (NEW.into(), OLD.into()));
    second.is_late("a");
    assert_eq!(second.settle().await, [""; 0]);
    assert_eq!(second.said("b"), Some(Reason::UpdateStopped));
    second.comes_up("a");
    assert_eq!(second.settle().await, ["PATCH deployments/dialtone-b"]);
}

#[tokio::test]
async fn a_site_that_its_own_edit_broke_stops_nobody() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    world.comes_up("a");
    let spec: PhoneSiteSpec =
        serde_json::from_value(json!({"tftp": {"podTemplate": {"spec": {"nodeSelector": {"no": "where"}}}}})).unwrap();
    world.apply("a", &spec, 1);
    let written = world.settle().await;
    assert_eq!(written, ["PATCH deployments/dialtone-a", "PATCH deployments/dialtone-b"]);
    world.is_late("a");
    world.comes_up("b");
    assert_eq!(world.settle().await, [""; 0]);
    assert_eq!((world.said("a"), world.said("b")), (None, None));
}

#[tokio::test]
async fn a_site_that_served_nobody_before_goes_last_and_stops_nobody() {
    let world = World::of(&["a", "b"]).await;
    let mut down = world.deployment("a");
    down["status"]["availableReplicas"] = 0.into();
    world.see("a", Kind::Deployment, down);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-b"]);
    world.comes_up("b");
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-a"]);
    world.is_late("a");
    assert_eq!(world.settle().await, [""; 0]);
    assert_eq!(world.said("a"), None);
}

#[tokio::test]
async fn without_an_upgrade_an_edit_and_a_withdrawn_source_wait_for_nobody() {
    let world = World::of(&["a", "b"]).await;
    world.settle().await;
    world.is_late("a");
    world.settle().await;
    // What is new has no pods that somebody could miss.
    let spec = PhoneSiteSpec::default();
    world.apply("new", &spec, 0);
    world.ctx.sites.note_uid(&key("new"), "uid-new".to_owned());
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-new"]);
    assert_eq!(world.image("new"), NEW);
    let spec: PhoneSiteSpec = serde_json::from_value(json!({"files": {"configMaps": [{"name": "rings"}]}})).unwrap();
    world.apply("new", &spec, 1);
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-new"]);
    world.apply("new", &spec, 2);
    let withheld = crate::provision::consent::Withheld::Own;
    let map = crate::provision::Reference::ConfigMap;
    world.ctx.update(|fleet| fleet.withhold(map, &key("rings"), withheld));
    assert_eq!(world.settle().await, ["PATCH deployments/dialtone-new"]);
    assert!(!world.deployment("new").to_string().contains("\"rings\""));
}

#[tokio::test]
async fn an_edit_of_a_site_that_is_up_to_date_is_no_upgrade_however_often_its_writing_fails() {
    let world = World::of(&["a"]).await;
    world.settle().await;
    world.comes_up("a");
    assert_eq!(world.settle().await, [""; 0]);
    let spec: PhoneSiteSpec = serde_json::from_value(json!({"tftp": {"windowsize": 4}})).unwrap();
    world.apply("a", &spec, 1);
    let wanted = OwnedObjects::prepare(&key("a"), "uid-a", &spec, &world.ctx.options).deployment;
    // Nothing was written in between: the API server refused it.
    for _ in 0..2 {
        let turn = of(&world.ctx, &key("a"), "uid-a", &spec, &wanted);
        assert!(matches!(turn, Turn::Write(_)), "{turn:?}");
    }
}
