//! What is done about the objects with files, and about the token Secret of each site.

use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Deleted, Handler, site_of, version};
use crate::operator::context::Context;
use crate::operator::names::{parse_shard, token};
use crate::operator::sites::SiteSecret;
use crate::operator::trimmed::{TrimmedConfigMap, TrimmedSecret, Undecodable};
use crate::provision::{Content, Key};

/// ConfigMaps with files.
pub(super) struct ShardConfigMaps;

impl Handler<TrimmedConfigMap> for ShardConfigMaps {
    fn on_apply(&self, ctx: &Arc<Context>, map: TrimmedConfigMap) -> Result<(), Undecodable> {
        let text = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, Bytes::from(text)));
        let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
        apply_shard(ctx, &map.metadata, false, Content(text.chain(binary).collect()));
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        delete_shard(ctx, &deleted, false);
    }
}

/// Secrets with files, and token Secrets.
pub(super) struct ShardSecrets;

impl Handler<TrimmedSecret> for ShardSecrets {
    fn on_apply(&self, ctx: &Arc<Context>, secret: TrimmedSecret) -> Result<(), Undecodable> {
        let Some(site) = site_of(&secret.metadata) else { return Ok(()) };
        let data = secret.data.unwrap_or_default();
        if secret.metadata.name.as_deref() == Some(token(&site.name).as_str()) {
            let text = |key: &str| data.get(key).and_then(|value| String::from_utf8(value.0.clone()).ok());
            if let (Some(token), Some(hash_key)) = (text("token"), text("hashKey")) {
                // Whose it is must be known: a name and labels can be anybody's.
                let mut owners = secret.metadata.owner_references.iter().flatten();
                let owner = owners.find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str());
                note_token(ctx, &site, SiteSecret::new(owner.unwrap_or_default(), &token, &hash_key));
            }
            return Ok(());
        }
        let files = data.into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
        apply_shard(ctx, &secret.metadata, true, Content(files.collect()));
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        delete_shard(ctx, &deleted, true);
    }
}

/// A site's token and key for hashes are known.
pub(in crate::operator) fn note_token(ctx: &Context, site: &Key, secret: SiteSecret) {
    ctx.sites.note_secret(site, secret);
    give_hash_key(ctx, site);
}

/// The token Secret and the site may come in either order.
pub(super) fn give_hash_key(ctx: &Context, site: &Key) {
    if let Some(key) = ctx.sites.hash_key(site) {
        ctx.update(|fleet| fleet.set_hash_key(site, key));
    }
}

fn apply_shard(ctx: &Context, meta: &ObjectMeta, secret: bool, content: Content) {
    let Some(site) = site_of(meta) else { return };
    let Some(slot) = parse_shard(&site.name, meta.name.as_deref().unwrap_or_default(), secret) else { return };
    let Err(Some(content)) = ctx.initial_sync.keep(&site, slot, Some(content)) else { return };
    if ctx.children.note_shard(&site, slot, version(meta)) {
        ctx.update(|fleet| fleet.note_stored(&site, slot, Some(content.digest())));
    }
}

fn delete_shard(ctx: &Context, deleted: &Deleted, secret: bool) {
    let Some(site) = deleted.site() else { return };
    let Some(slot) = parse_shard(&site.name, &deleted.key.name, secret) else { return };
    let is_newer = ctx.children.note_shard(&site, slot, deleted.version);
    if ctx.initial_sync.keep(&site, slot, None).is_err() && is_newer {
        ctx.update(|fleet| fleet.note_stored(&site, slot, None));
    }
}
