//! News about the gateway itself, kept for webhooks until they have been told.
//!
//! Invariant: one writer, the alarms' task. The oldest go when there are too many.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::News;
use store::{Store, StoreError};

const KEY: &str = "alarm_news";
/// A receiver that missed so many alarms gains nothing from the oldest.
const KEEP: usize = 200;

/// One alarm that was raised or cleared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlarmNews {
    /// Grows by one with each.
    pub(crate) number: u64,
    /// Says what happened: added twice, it is there once.
    pub(crate) name: String,
    pub(crate) news: News,
    pub(crate) at: Timestamp,
    pub(crate) data: Value,
}

pub(crate) async fn add(
    store: &dyn Store,
    name: String,
    news: News,
    at: Timestamp,
    data: Value,
) -> Result<(), StoreError> {
    let mut all = all(store).await?;
    if all.iter().any(|known| known.name == name) {
        return Ok(());
    }
    let number = all.last().map_or(0, |last| last.number) + 1;
    all.push(AlarmNews { number, name, news, at, data });
    let surplus = all.len().saturating_sub(KEEP);
    all.drain(..surplus);
    store.keep(KEY, serde_json::to_value(all).ok()).await
}

/// Oldest first.
pub(crate) async fn after(store: &dyn Store, number: u64) -> Result<Vec<AlarmNews>, StoreError> {
    Ok(all(store).await?.into_iter().filter(|it| it.number > number).collect())
}

pub(crate) async fn newest(store: &dyn Store) -> Result<u64, StoreError> {
    Ok(all(store).await?.last().map_or(0, |last| last.number))
}

async fn all(store: &dyn Store) -> Result<Vec<AlarmNews>, StoreError> {
    Ok(store.kept(KEY).await?.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}
