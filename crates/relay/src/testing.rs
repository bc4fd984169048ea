//! Testing environments in which nothing leaves by itself: what was queued before `hold_all` was switched on is held, too.
//!
//! Promise: messages are held once, when the switch is thrown, also when that happened while no process ran. What
//! somebody releases after that goes out.
//!
//! Left to others: messages that arrive (`submission` hands them in held), redirection to one address (`redirect`).

use jiff::Timestamp;
use serde_json::Value;
use store::{Store, StoreError};

/// Messages held in one transaction.
const BATCH: u32 = 200;

/// Under this the store keeps that the switch was seen.
const SWITCHED_ON: &str = "relay/holding_all";

/// Looks at the switch, and draws the consequence if it was thrown since the last look.
pub(crate) async fn hold_if_switched_on(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let is_on = store.settings().borrow().emails.hold_all;
    let was_on = store.kept(SWITCHED_ON).await?.is_some();
    if is_on == was_on {
        return Ok(());
    }
    if !is_on {
        return store.keep(SWITCHED_ON, None).await;
    }
    let mut held = 0;
    loop {
        let batch = store.hold_queued("system", "hold_all was switched on", BATCH, now).await?;
        held += batch;
        if batch < u64::from(BATCH) {
            break;
        }
    }
    // Last: stopped before this, it begins again.
    store.keep(SWITCHED_ON, Some(Value::Bool(true))).await?;
    tracing::warn!(event = "waiting_messages_held", messages = held, "this is a testing environment now (hold_all)");
    Ok(())
}
