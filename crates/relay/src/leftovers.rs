//! Drafts that attempts left in mailboxes, and their removal once no attempt will use them.
//!
//! A message that is attempted again tidies up after itself. One that is cancelled, deleted, expired, or sent another way
//! meanwhile is found here: what it may have left was noted when it was left.
//!
//! Promise: a draft of a message that will not be sent from there is removed by the next round of housekeeping in which its
//! connection works. Not: what a process that was killed left for a message whose note could not be written either.

use std::sync::Arc;

use graph::DraftId;
use jiff::Timestamp;
use mail::MessageId;
use serde::{Deserialize, Serialize};
use settings::RoutedTo;
use store::{MessageRecord, Store, StoreError};

use crate::{Leftover, Upstreams};

/// Under this the store keeps what was left, by message.
const PREFIX: &str = "relay/draft/";

/// Removals in one round: requests count against what the mailbox may do.
const A_ROUND: usize = 20;

/// What is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) route: RoutedTo,
    pub(crate) internet_message_id: Option<String>,
    /// Complete, and not sent.
    pub(crate) ready: Option<DraftId>,
    /// What decides whether it is still the draft one would make.
    pub(crate) made_of: Option<serde_json::Value>,
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
    note(store, message.id, &Left { route, internet_message_id, ready: None, made_of: None }).await;
    Ok(())
}

/// Removes what messages left that will not be attempted there again.
pub(crate) async fn clear_away(
    store: &Arc<dyn Store>,
    upstreams: &dyn Upstreams,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut removed = 0;
    for (key, value) in store.kept_under(PREFIX).await? {
        let id = key.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
        let (Some(id), Ok(left)) = (id, serde_json::from_value::<Left>(value)) else {
            store.keep(&key, None).await?;
            continue;
        };
        if is_needed(&**store, id).await? || rests(&**store, &left.route, now).await? {
            continue;
        }
        // A connection that is gone takes its mailboxes with it.
        let Ok(transport) = upstreams.transport(&left.route.connection) else { continue };
        let leftover = Leftover {
            mailbox: &left.route.mailbox,
            message: id,
            internet_message_id: left.internet_message_id.as_deref(),
        };
        match transport.clear_away(&leftover).await {
            Ok(()) => {
                tracing::info!(event = "drafts_cleared_away", message_id = %id, mailbox = %left.route.mailbox);
                store.keep(&key, None).await?;
            }
            Err(why) => tracing::info!(event = "drafts_not_cleared_away", message_id = %id, what = why.what),
        }
        removed += 1;
        if removed == A_ROUND {
            return Ok(());
        }
    }
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
