//! Alarms that are raised, durably.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};

use super::Condition;

/// Each lies under this, its kind and its subject.
const RAISED: &str = "alarm/";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Raised {
    /// As it was when it was raised.
    pub(super) condition: Condition,
    pub(super) since: Timestamp,
    /// Webhooks were told.
    pub(super) told: bool,
    pub(super) mailed: bool,
    /// Its reason is away since then.
    pub(super) absent_since: Option<Timestamp>,
}

impl Raised {
    pub(super) fn new(condition: Condition, since: Timestamp) -> Self {
        Self { condition, since, told: false, mailed: false, absent_since: None }
    }

    pub(super) fn is_about(&self, condition: &Condition) -> bool {
        self.condition.kind == condition.kind && self.condition.subject == condition.subject
    }

    /// What names this event of this alarm, and no other.
    pub(super) fn name(&self, event: &str) -> String {
        let Condition { kind, subject, .. } = &self.condition;
        format!("alarm:{}:{subject}:{}:{event}", kind.name(), self.since.as_millisecond())
    }

    fn key(&self) -> String {
        format!("{RAISED}{}/{}", self.condition.kind.name(), self.condition.subject)
    }
}

pub(super) async fn all(store: &dyn Store) -> Result<Vec<Raised>, StoreError> {
    let kept = store.kept_under(RAISED).await?;
    Ok(kept.into_iter().filter_map(|(_, value)| serde_json::from_value(value).ok()).collect())
}

pub(super) async fn keep(store: &dyn Store, raised: &Raised) -> Result<(), StoreError> {
    store.keep(&raised.key(), serde_json::to_value(raised).ok()).await
}

pub(super) async fn forget(store: &dyn Store, raised: &Raised) -> Result<(), StoreError> {
    store.keep(&raised.key(), None).await
}
