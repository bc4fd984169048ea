//! Messages whose attempt was never heard of again (a crash, a lost lease), and the policy for them.
//!
//! A lost answer within a running process is settled where it happens: the attempt's report carries the policy. Here
//! are the others, which the store found `sending` when a lane was taken over.

use settings::OnUncertain;
use store::{Filter, LaneId, MessageState, Operation, PageRequest, StoreError};

use crate::attempt::Deliverer;
use crate::leftovers::note_interrupted;

/// Messages looked at in one read.
const PAGE: u32 = 200;

/// Notes what a lane's attempts may have left in mailboxes that an earlier process had under way. Before the lane is taken
/// over: from then on an administrator may cancel them, and nobody would look any more.
pub(crate) async fn note_cut_off(deliverer: &Deliverer, lane: LaneId) -> Result<(), StoreError> {
    if deliverer.store.counts().await?.sending == 0 {
        return Ok(());
    }
    let filter = Filter { states: vec![MessageState::Sending], ..Filter::default() };
    let mut before = None;
    loop {
        let page = deliverer.store.messages(&filter, PageRequest { before, limit: PAGE }).await?;
        for message in page.messages.into_iter().filter(|message| message.lane == Some(lane)) {
            let Some(route) = &message.routed_to else { continue };
            let transport = deliverer.upstreams.transport(&route.connection);
            if transport.is_ok_and(|transport| transport.leaves_drafts()) {
                note_interrupted(&*deliverer.store, &message).await?;
            }
        }
        before = page.next;
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
    let filter = Filter { states: vec![MessageState::Uncertain], ..Filter::default() };
    let mut before = None;
    loop {
        let page = deliverer.store.messages(&filter, PageRequest { before, limit: PAGE }).await?;
        for message in page.messages.into_iter().filter(|message| lane.is_none() || message.lane == lane) {
            let Some(route) = &message.routed_to else { continue };
            let Ok(transport) = deliverer.upstreams.transport(&route.connection) else { continue };
            if transport.on_uncertain() == OnUncertain::Retry {
                retry(deliverer, message.id).await?;
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

async fn retry(deliverer: &Deliverer, id: mail::MessageId) -> Result<(), StoreError> {
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
