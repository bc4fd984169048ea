//! One change of people in the settings, decided on the settings as they are when it is made.

use jiff::Timestamp;
use serde_json::Value;
use settings::{Settings, UserId};
use store::{AuditEntry, SettingsChange, Store, StoreError};

/// How often a race with somebody else is run again before it is reported.
const RACES: u32 = 16;

/// What is to be done, and what the caller gets for it.
pub(super) struct Decision<T> {
    pub changes: Vec<SettingsChange>,
    /// For the audit log; holds no secret.
    pub detail: Value,
    pub outcome: T,
}

/// Asks `decide` what to change, and changes it. When somebody else was quicker, `decide` is asked anew: what it checked
/// (a name is free, another administrator is left) holds in the very settings that are changed.
pub(super) async fn change<T, E: From<StoreError>>(
    store: &dyn Store,
    actor: &str,
    action: &'static str,
    now: Timestamp,
    mut decide: impl FnMut(&Settings) -> Result<Decision<T>, E>,
) -> Result<T, E> {
    let mut races = 0;
    loop {
        let current = store.settings().borrow().clone();
        let decision = decide(&current)?;
        if decision.changes.is_empty() {
            return Ok(decision.outcome);
        }
        let audit = entry(actor, action, decision.detail, now);
        match store.change_settings(current.version, decision.changes, audit).await {
            Ok(version) => {
                tracing::info!(event = "people_changed", action, actor, version);
                return Ok(decision.outcome);
            }
            Err(StoreError::SettingsChanged { .. }) if races < RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn entry(actor: &str, action: &str, detail: Value, now: Timestamp) -> AuditEntry {
    AuditEntry { at: now, actor: actor.to_owned(), action: action.to_owned(), detail }
}

/// Ends all sessions of a user but the one with the digest `but`; returns how many.
pub(super) async fn end_sessions_of(store: &dyn Store, user: &UserId, but: Option<&str>) -> Result<usize, StoreError> {
    let sessions = store.sessions(Some(user)).await?;
    let digests: Vec<String> =
        sessions.into_iter().map(|session| session.digest).filter(|digest| Some(digest.as_str()) != but).collect();
    let ended = digests.len();
    if ended > 0 {
        store.remove_sessions(digests).await?;
    }
    Ok(ended)
}

/// A key ring that cannot be used is a store that does not work.
pub(super) fn unusable(error: &store::KeyRingError) -> StoreError {
    StoreError::Unavailable { detail: error.to_string() }
}
