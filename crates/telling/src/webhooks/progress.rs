//! How a webhook stands, durably.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::WebhookId;
use store::{Store, StoreError};

use super::reader;
use crate::{news, position};

/// Every webhook's progress lies under this.
pub(crate) const PROGRESS: &str = "webhook/";

/// Beside the position among the outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// The alarm it was told of last.
    pub(crate) alarms_read: u64,
    /// Calls in a row that failed.
    pub(crate) failures: u32,
    pub(crate) failing_since: Option<Timestamp>,
    /// No call before then.
    pub(crate) not_before: Option<Timestamp>,
    /// News that it never got, since the last call it took.
    pub(crate) dropped: u64,
    /// What the last call that failed said.
    pub(crate) trouble: Option<String>,
}

fn key(id: &WebhookId) -> String {
    format!("{PROGRESS}{id}")
}

/// A webhook that is new begins with what happens from now on.
pub(crate) async fn begin(store: &dyn Store, id: &WebhookId) -> Result<(), StoreError> {
    position::load(store, &reader(id)).await?;
    if store.kept(&key(id)).await?.is_none() {
        let alarms_read = news::newest(store).await?;
        save(store, id, &Progress { alarms_read, ..Progress::default() }).await?;
    }
    Ok(())
}

pub(crate) async fn load(store: &dyn Store, id: &WebhookId) -> Result<Progress, StoreError> {
    Ok(store.kept(&key(id)).await?.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}

pub(crate) async fn save(store: &dyn Store, id: &WebhookId, progress: &Progress) -> Result<(), StoreError> {
    store.keep(&key(id), serde_json::to_value(progress).ok()).await
}

/// Forgets how webhooks stood that are gone or switched off: when they come back they begin anew.
pub(crate) async fn forget_all_but(store: &dyn Store, is_there: impl Fn(&WebhookId) -> bool) -> Result<(), StoreError> {
    for (key, _) in store.kept_under(PROGRESS).await? {
        let id = WebhookId(key.strip_prefix(PROGRESS).unwrap_or_default().to_owned());
        if !is_there(&id) {
            store.keep(&key, None).await?;
            position::forget(store, &reader(&id)).await?;
        }
    }
    Ok(())
}
