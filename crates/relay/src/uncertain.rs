//! Messages whose attempt was never heard of again (a crash, a lost lease), and the policy for them.
//!
//! A lost answer within a running process is settled where it happens: the attempt's report carries the policy. Here
//! are the others, which the store found `sending` when a lane was taken over.

use std::sync::Arc;

use mail::MessageId;
use settings::OnUncertain;
use store::{Filter, LaneId, MessageRecord, MessageState, Operation, PageRequest, StoreError};

use crate::Transport;
use crate::attempt::Deliverer;
use crate::leftovers::note_interrupted;

/// Messages looked at in one read.
const PAGE: u32 = 200;

/// Notes what attempts of an earlier process may have left in mailboxes. Before any lane is taken over: from then on an
/// administrator may cancel their messages, and nobody would look any more.
pub(crate) async fn note_cut_off(deliverer: &Deliverer) -> Result<(), StoreError> {
    if deliverer.store.counts().await?.sending == 0 {
        return Ok(());
    }
    let mut before = None;
    loop {
        let (found, next) = in_state(deliverer, MessageState::Sending, before).await?;
        for (message, _) in found.iter().filter(|(_, transport)| transport.leaves_drafts()) {
            note_interrupted(&*deliverer.store, message).await?;
        }
        before = next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// Queues every uncertain message again (of one lane, or of all) whose connection says `retry`. Those that say `hold`
/// stay for an administrator.
pub(crate) async fn retry_uncertain(deliverer: &Deliverer, lane: Option<LaneId>) -> Result<(), StoreError> {
    if deliverer.store.counts().await?.uncertain == 0 {
        return Ok(());
    }
    let mut before = None;
    loop {
        let (found, next) = in_state(deliverer, MessageState::Uncertain, before).await?;
        for (message, transport) in found.iter().filter(|(message, _)| lane.is_none() || message.lane == lane) {
            // Another node's process may have left it.
            if transport.leaves_drafts() {
                note_interrupted(&*deliverer.store, message).await?;
            }
            if transport.on_uncertain() == OnUncertain::Retry {
                retry(deliverer, message.id).await?;
            }
        }
        before = next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// A page of the messages in a state that have a way out, each with its transport, and where the next page begins.
async fn in_state(
    deliverer: &Deliverer,
    state: MessageState,
    before: Option<MessageId>,
) -> Result<(Vec<(MessageRecord, Arc<dyn Transport>)>, Option<MessageId>), StoreError> {
    let filter = Filter { states: vec![state], ..Filter::default() };
    let page = deliverer.store.messages(&filter, PageRequest { before, limit: PAGE }).await?;
    let with_transport = |message: MessageRecord| {
        let route = message.routed_to.as_ref()?;
        let transport = deliverer.upstreams.transport(&route.connection).ok()?;
        Some((message, transport))
    };
    Ok((page.messages.into_iter().filter_map(with_transport).collect(), page.next))
}

async fn retry(deliverer: &Deliverer, id: MessageId) -> Result<(), StoreError> {
    let detail = "its attempt was interrupted; the connection's policy is on_uncertain = retry";
    match deliverer.store.operate(id, Operation::Retry, "system", Some(detail), (deliverer.clock)()).await {
        Ok(_) => {
            tracing::warn!(event = "uncertain_retried", message_id = %id, detail);
            Ok(())
        }
        // An administrator was quicker.
        Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
