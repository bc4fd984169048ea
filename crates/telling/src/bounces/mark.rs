//! How far an Inbox was read, durably.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::ConnectionId;
use store::{Explanation, Store, StoreError};

use super::Place;

/// Each lies under this, its connection and its mailbox.
const MARKS: &str = "bounces/";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Mark {
    /// What came before this was looked at.
    pub(super) read_up_to: Option<Timestamp>,
    /// The last look did not come to the end.
    pub(super) is_behind: bool,
    /// Why it cannot be read, when only an administrator can change that.
    pub(super) trouble: Option<Explanation>,
}

fn key(place: &Place) -> String {
    format!("{MARKS}{}/{}", place.0, place.1.as_str().to_lowercase())
}

pub(super) async fn load(store: &dyn Store, place: &Place) -> Result<Mark, StoreError> {
    Ok(store.kept(&key(place)).await?.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default())
}

pub(super) async fn save(store: &dyn Store, place: &Place, mark: &Mark) -> Result<(), StoreError> {
    store.keep(&key(place), serde_json::to_value(mark).ok()).await
}

/// Connections with an Inbox that cannot be read, and why.
pub(crate) async fn troubles(store: &dyn Store) -> Result<Vec<(ConnectionId, Explanation)>, StoreError> {
    let mut found = Vec::new();
    for (key, value) in store.kept_under(MARKS).await? {
        let mark: Mark = serde_json::from_value(value).unwrap_or_default();
        let place = key.strip_prefix(MARKS).and_then(|rest| rest.rsplit_once('/'));
        if let (Some((id, _)), Some(trouble)) = (place, mark.trouble) {
            found.push((ConnectionId(id.to_owned()), trouble));
        }
    }
    Ok(found)
}
