//! How far a reader of outcomes has read, durably.

use serde_json::Value;
use store::{Store, StoreError};

/// Every reader's position lies under this; what all have passed is forgotten.
pub(crate) const POSITIONS: &str = "outcomes_read/";

/// The position of the reader `name`: everything up to it is dealt with. A reader that is new begins with what happens
/// from now on.
pub(crate) async fn load(store: &dyn Store, name: &str) -> Result<u64, StoreError> {
    let key = format!("{POSITIONS}{name}");
    if let Some(number) = store.kept(&key).await?.as_ref().and_then(Value::as_u64) {
        return Ok(number);
    }
    let newest = store.newest_outcome().await?;
    save(store, name, newest).await?;
    Ok(newest)
}

pub(crate) async fn save(store: &dyn Store, name: &str, number: u64) -> Result<(), StoreError> {
    store.keep(&format!("{POSITIONS}{name}"), Some(number.into())).await
}

/// The reader is gone: it holds nothing back any more.
pub(crate) async fn forget(store: &dyn Store, name: &str) -> Result<(), StoreError> {
    store.keep(&format!("{POSITIONS}{name}"), None).await
}
