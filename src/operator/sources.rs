//! Which of a site's sources its pods may be given: the kubelet mounts what a pod names, whoever it belongs to.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::cluster::Error;
use super::context::Context;
use crate::api::PhoneSiteSpec;
use crate::provision::Key;
use crate::provision::consent::of_source;

/// Takes out of a spec the sources of which nothing may be served; what is to say of a volume. Of ConfigMaps the fleet speaks.
pub(super) async fn retain_allowed(
    ctx: &Context,
    site: &Key,
    spec: &mut PhoneSiteSpec,
) -> Result<Option<String>, Error> {
    let demands = ctx.options.policy.demand_consent;
    ctx.read(|fleet| {
        // Where consent is demanded, a ConfigMap that was not read yet is not mounted either.
        let may = |name: &str| match demands {
            true => fleet.may_serve_map(&site.sibling(name)),
            false => !fleet.is_withheld_map(&site.sibling(name)),
        };
        if let Some(files) = &mut spec.files {
            files.config_maps.retain(|map| may(&map.name));
        }
        if let Some(source) = spec.firmware.as_mut().and_then(|firmware| firmware.source.as_mut()) {
            source.config_maps.retain(|map| may(&map.name));
        }
    });
    let Some(source) = spec.firmware.as_mut().and_then(|firmware| firmware.source.as_mut()) else { return Ok(None) };
    let Some(claim) = source.persistent_volume_claim.as_ref().filter(|_| demands) else { return Ok(None) };
    let kind = "PersistentVolumeClaim";
    let what = match ctx.cluster.read::<PersistentVolumeClaim>(&site.sibling(&claim.claim_name)).await? {
        None => format!("{kind} {} does not exist: create it, or correct the name", claim.claim_name),
        Some(found) => match of_source(found.metadata.labels.as_ref(), demands) {
            None => return Ok(None),
            Some(why) => why.describe(kind, &claim.claim_name),
        },
    };
    source.persistent_volume_claim = None;
    Ok(Some(format!("spec.firmware.source.persistentVolumeClaim.claimName: {what}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;
    use crate::provision::consent::Withheld;
    use crate::provision::{Meta, Reference};

    #[tokio::test]
    async fn what_may_not_be_served_is_not_mounted() {
        let (tasks, _supervisor) = supervised();
        let (_api, ctx) = FakeApi::start(tasks).await;
        let site = Key::new("ns", "hq");
        let spec = json!({
            "firmware": {"source": {"configMaps": [{"name": "fine"}, {"name": "own"}]}},
            "files": {"configMaps": [{"name": "own"}, {"name": "unread"}]},
        });
        let spec: PhoneSiteSpec = serde_json::from_value(spec).unwrap();
        let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
        ctx.update(|fleet| {
            fleet.apply_site(meta, spec.clone(), Default::default());
            fleet.set_firmware(&site.sibling("fine"), Some(Default::default()));
            fleet.withhold(Reference::ConfigMap, &site.sibling("own"), Withheld::Own);
        });
        let mut allowed = spec.clone();
        assert_eq!(retain_allowed(&ctx, &site, &mut allowed).await.unwrap(), None);
        assert_eq!(allowed.config_maps().collect::<Vec<_>>(), ["fine", "unread"]);
    }

    #[tokio::test]
    async fn where_consent_is_demanded_a_volume_without_it_is_not_mounted_and_nothing_before_it_was_read() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::demanding_consent(tasks).await;
        let site = Key::new("ns", "hq");
        let volume = |name: &str| -> PhoneSiteSpec {
            let source: Value =
                json!({"configMaps": [{"name": "unread"}], "persistentVolumeClaim": {"claimName": name}});
            serde_json::from_value(json!({"firmware": {"source": source}})).unwrap()
        };
        let mut spec = volume("fw");
        let said = retain_allowed(&ctx, &site, &mut spec).await.unwrap().unwrap();
        assert!(said.starts_with("spec.firmware.source.persistentVolumeClaim.claimName: "), "{said}");
        let source = spec.firmware.unwrap().source.unwrap();
        assert_eq!((source.config_maps.len(), source.persistent_volume_claim), (0, None));
        assert_eq!(api.requests(), ["GET /api/v1/namespaces/ns/persistentvolumeclaims/fw"]);
    }
}
