//! What is done about the objects with files, and about the token Secret of each site. Whose they are their names say: labels can be
//! changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Deleted, Handler, key_of};
use crate::operator::children::Observed;
use crate::operator::context::Context;
use crate::operator::kind::Kind;
use crate::operator::names::{parse_shard, parse_token, place};
use crate::operator::token;
use crate::operator::trimmed::{TrimmedConfigMap, TrimmedSecret, Undecodable};
use crate::provision::{Content, Key, Slot, WorkItem};

/// ConfigMaps with files.
pub(super) struct ShardConfigMaps;

impl Handler<TrimmedConfigMap> for ShardConfigMaps {
    fn on_apply(&self, ctx: &Arc<Context>, map: TrimmedConfigMap) -> Result<(), Undecodable> {
        let text = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, Bytes::from(text)));
        let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
        let content = Content(text.chain(binary).collect());
        apply_shard(
            ctx,
            Observed { fixed: map.immutable == Some(true), ..Observed::unread(map.metadata) },
            false,
            content,
        );
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
        let key = key_of(&secret.metadata);
        if let Some(site) = parse_token(&key.name).map(|site| key.sibling(site)) {
            if ctx.children.note_token(&site, secret.into()) {
                token::take(ctx, &site);
                look(ctx, WorkItem::Objects(site));
            }
            return Ok(());
        }
        let files = secret.data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
        let content = Content(files.collect());
        let fixed = secret.immutable == Some(true) || secret.kind.is_some_and(|kind| kind != "Opaque");
        apply_shard(ctx, Observed { fixed, ..Observed::unread(secret.metadata) }, true, content);
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        match parse_token(&deleted.key.name).map(|site| deleted.key.sibling(site)) {
            Some(site) => {
                ctx.children.forget_token(&site, deleted.version);
                ctx.note_gone(&site, Kind::Secret, &deleted.key);
                look(ctx, WorkItem::Objects(site));
            }
            None => delete_shard(ctx, &deleted, true),
        }
    }
}

/// An object that the watch for those with our label does not show: it may be in the way of one of ours, or may have been.
pub(super) fn note_other(ctx: &Context, secret: bool, key: &Key, observed: Option<Observed>, version: u64) {
    if secret && let Some(site) = parse_token(&key.name).map(|site| key.sibling(site)) {
        return look(ctx, WorkItem::Objects(site));
    }
    let Some((site, slot)) = place_of(key, secret) else { return };
    let is_news = match observed {
        Some(observed) => ctx.children.note_files(&site, slot, observed),
        None => note_gone(ctx, &site, slot, version),
    };
    if is_news {
        look(ctx, WorkItem::Shard(site, slot));
    }
}

/// Has an object of a site looked at, if there is such a site. Until everything else is known that waits.
fn look(ctx: &Context, item: WorkItem) {
    let (WorkItem::Objects(site) | WorkItem::Shard(site, _)) = &item else { return };
    if ctx.read(|fleet| fleet.has_site(site)) {
        if let WorkItem::Shard(site, slot) = &item {
            ctx.debouncers.note_disturbance(site, *slot);
        }
        ctx.queue.add(item, Duration::ZERO);
    }
}

fn place_of(key: &Key, secret: bool) -> Option<(Key, Slot)> {
    let (site, slot) = parse_shard(&key.name, secret)?;
    Some((key.sibling(site), slot))
}

fn apply_shard(ctx: &Context, observed: Observed, secret: bool, content: Content) {
    let Some((site, slot)) = place_of(&key_of(&observed.meta), secret) else { return };
    let digest = content.digest();
    let is_news = ctx.children.note_files(&site, slot, Observed { digest: Some(digest), ..observed });
    if ctx.initial_sync.keep(&site, slot, Some(content)).is_ok() {
        look(ctx, WorkItem::Shard(site, slot));
    } else if is_news {
        ctx.update(|fleet| fleet.note_stored(&site, slot, Some(digest)));
        if !ctx.children.files(&site, slot).is_some_and(|observed| observed.untouched) {
            // The files may be right, and its labels or its owner not.
            look(ctx, WorkItem::Shard(site, slot));
        }
    }
}

fn note_gone(ctx: &Context, site: &Key, slot: Slot, version: u64) -> bool {
    let is_news = ctx.children.note_gone_files(site, slot, version);
    let (kind, key) = place(site, slot);
    ctx.note_gone(site, kind, &key);
    is_news
}

fn delete_shard(ctx: &Context, deleted: &Deleted, secret: bool) {
    let Some((site, slot)) = place_of(&deleted.key, secret) else { return };
    let is_newer = note_gone(ctx, &site, slot, deleted.version);
    if ctx.initial_sync.keep(&site, slot, None).is_err() && is_newer {
        ctx.update(|fleet| fleet.note_stored(&site, slot, None));
        // It may have been in the way.
        look(ctx, WorkItem::Shard(site, slot));
    }
}
