//! Drafts that attempts left in mailboxes, and their removal once no attempt will use them.
//!
//! A message that is attempted again tidies up after itself. One that is cancelled, deleted, expired, or sent another way
//! meanwhile is found here: what it may have left was noted when it was left.
//!
//! Promise: a draft of a message that will not be sent from there is removed by the next round of housekeeping in which its
//! connection works. What cannot be removed delays no other for long, and is given up after [`GIVE_UP`]. Not: what a process
//! that was killed left for a message whose note could not be written either.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use graph::DraftId;
use jiff::{SignedDuration, Timestamp};
use mail::MessageId;
use serde::{Deserialize, Serialize};
use settings::RoutedTo;
use store::{Explanation, MessageRecord, Store, StoreError};

use crate::{Leftover, Upstreams};

/// Under this the store keeps what was left, by message.
const PREFIX: &str = "relay/draft/";

/// Removals in one round: requests count against what the mailbox may do.
const A_ROUND: usize = 20;

/// For so long removing is tried again: a mailbox that refuses it for a month does not change its mind.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) route: RoutedTo,
    pub(crate) internet_message_id: Option<String>,
    /// Complete, and not sent.
    pub(crate) ready: Option<DraftId>,
    /// What decides whether it is still the draft one would make.
    pub(crate) made_of: Option<serde_json::Value>,
    /// It could not be removed, although no attempt will use it.
    #[serde(default)]
    pub(crate) stuck: Option<Stuck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stuck {
    since: Timestamp,
    tried_at: Timestamp,
}

pub(crate) fn key(id: MessageId) -> String {
    format!("{PREFIX}{id}")
}

pub(crate) async fn note(store: &dyn Store, id: MessageId, left: &Left) {
    let value = serde_json::to_value(left).ok();
    if let Err(error) = store.keep(&key(id), value).await {
        tracing::error!(event = "draft_not_noted", message_id = %id, %error);
    }
}

pub(crate) async fn forget(store: &dyn Store, id: MessageId) {
    let key = key(id);
    // Most messages have left nothing, and looking is cheaper than writing.
    let forgotten = match store.kept(&key).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => store.keep(&key, None).await,
        Err(error) => Err(error),
    };
    if let Err(error) = forgotten {
        tracing::error!(event = "draft_not_forgotten", message_id = %id, %error);
    }
}

/// The message's last attempt was cut off: it may have left a draft.
pub(crate) async fn note_interrupted(store: &dyn Store, message: &MessageRecord) -> Result<(), StoreError> {
    let Some(route) = message.routed_to.clone() else { return Ok(()) };
    if store.kept(&key(message.id)).await?.is_some() {
        return Ok(());
    }
    let internet_message_id = message.internet_message_id.clone();
    note(store, message.id, &Left { route, internet_message_id, ready: None, made_of: None, stuck: None }).await;
    Ok(())
}

/// Removes what messages left that will not be attempted there again.
pub(crate) async fn clear_away(
    store: &Arc<dyn Store>,
    upstreams: &dyn Upstreams,
    now: Timestamp,
) -> Result<(), StoreError> {
    let settings = store.settings().borrow().clone();
    let mut tries = 0;
    let mut failed: HashSet<RoutedTo> = HashSet::new();
    for (id, left) in all_left(&**store).await? {
        if failed.contains(&left.route) || is_needed(&**store, id).await? {
            continue;
        }
        // A connection that is gone takes its mailboxes with it.
        if settings.connection(&left.route.connection).is_none() {
            store.keep(&key(id), None).await?;
            continue;
        }
        if rests(&**store, &left.route, now).await? {
            continue;
        }
        match remove(upstreams, id, &left).await {
            Ok(()) => {
                tracing::info!(event = "drafts_cleared_away", message_id = %id, mailbox = %left.route.mailbox);
                store.keep(&key(id), None).await?;
            }
            Err(why) => {
                tracing::info!(event = "drafts_not_cleared_away", message_id = %id, what = why.what);
                failed.insert(left.route.clone());
                put_off(&**store, id, left, now).await?;
            }
        }
        tries += 1;
        if tries == A_ROUND {
            return Ok(());
        }
    }
    Ok(())
}

/// Everything that is noted: first what was not tried yet, then what was tried longest ago.
async fn all_left(store: &dyn Store) -> Result<Vec<(MessageId, Left)>, StoreError> {
    let mut all = Vec::new();
    for (key, value) in store.kept_under(PREFIX).await? {
        let id = key.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
        match (id, serde_json::from_value::<Left>(value)) {
            (Some(id), Ok(left)) => all.push((id, left)),
            _ => store.keep(&key, None).await?,
        }
    }
    all.sort_by_key(|(_, left)| left.stuck.map(|stuck| stuck.tried_at));
    Ok(all)
}

async fn remove(upstreams: &dyn Upstreams, id: MessageId, left: &Left) -> Result<(), Explanation> {
    let transport = upstreams.transport(&left.route.connection).map_err(|error| error.explanation())?;
    let leftover = Leftover {
        mailbox: &left.route.mailbox,
        message: id,
        internet_message_id: left.internet_message_id.as_deref(),
    };
    transport.clear_away(&leftover).await
}

/// Until its turn comes again; for good, if it was tried for long enough.
async fn put_off(store: &dyn Store, id: MessageId, left: Left, now: Timestamp) -> Result<(), StoreError> {
    let since = left.stuck.map_or(now, |stuck| stuck.since);
    if now.duration_since(since) >= GIVE_UP {
        tracing::warn!(event = "drafts_given_up", message_id = %id, mailbox = %left.route.mailbox);
        return store.keep(&key(id), None).await;
    }
    note(store, id, &Left { stuck: Some(Stuck { since, tried_at: now }), ..left }).await;
    Ok(())
}

/// A promise made to the upstream holds for this, too.
async fn rests(store: &dyn Store, way: &RoutedTo, now: Timestamp) -> Result<bool, StoreError> {
    let lane = store.lane(store.lane_of(way).await?).await?;
    Ok(lane.pause.is_some_and(|pause| pause.until > now))
}

/// The message may still be attempted, and then sees to its drafts itself.
async fn is_needed(store: &dyn Store, id: MessageId) -> Result<bool, StoreError> {
    match store.message(id).await {
        Ok(detail) => Ok(!detail.message.state.is_settled()),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
