//! Messages that wait for long are noted, once each; whoever is told of delays reads it among the outcomes.

use jiff::{SignedDuration, Timestamp};
use store::{MessageRecord, Store, StoreError};

/// Messages noted in one transaction.
const BATCH: u32 = 200;

pub(crate) async fn note_delayed(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let minutes = store.settings().borrow().notices.delay_after_minutes;
    let Some(minutes) = minutes.filter(|minutes| *minutes > 0) else { return Ok(()) };
    let Ok(before) = now.checked_sub(SignedDuration::from_mins(minutes.into())) else { return Ok(()) };
    while store.note_delayed(before, BATCH, now).await? == u64::from(BATCH) {}
    Ok(())
}

/// It was handed in to be sent later, and later has not come: noted or not, it is not late.
pub(crate) fn is_not_due_yet(message: &MessageRecord, now: Timestamp) -> bool {
    message.attempts == 0 && message.due_at.is_some_and(|due| due > now)
}
