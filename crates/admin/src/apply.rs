//! Bringing the settings to what a setup file says.
//!
//! Promise: all of the file takes effect, or nothing; applying it again changes nothing. The difference is worked out
//! from one snapshot, and the change is refused by the store when somebody else was quicker; then it is worked out anew.

mod accounts;
mod connections;
mod password;
mod plan;
mod routes;
mod tenants;

use jiff::Timestamp;
use store::{AuditEntry, Store, StoreError};

use crate::{Actor, AdminError, DiffLine, Role, SecretSource, SetupFile};

/// How often a race with another administrator is run again before it is reported.
const RACES: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Says what would change.
    DryRun,
    Change,
}

/// What an apply came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Empty: the settings were like that already.
    pub diff: Vec<DiffLine>,
    /// The version the settings are at.
    pub version: u64,
    /// Waiting messages that go another way now.
    pub rerouted: u64,
}

/// Applies `file`; nothing is written in [`Mode::DryRun`], or when there is nothing to change.
pub async fn apply(
    store: &dyn Store,
    actor: &Actor,
    file: &SetupFile,
    secrets: &SecretSource,
    mode: Mode,
    now: Timestamp,
) -> Result<Applied, AdminError> {
    actor.must_be(Role::Administrator)?;
    let mut races = 0;
    loop {
        let current = store.settings().borrow().clone();
        let plan = plan::plan(&current, file, secrets, &store.key_ring())?;
        if plan.diff.is_empty() || mode == Mode::DryRun {
            return Ok(Applied { diff: plan.diff, version: current.version, rerouted: 0 });
        }
        let audit = AuditEntry {
            at: now,
            actor: actor.name().to_owned(),
            action: "settings_applied".to_owned(),
            detail: serde_json::to_value(&plan.diff).unwrap_or_default(),
        };
        match store.change_settings(current.version, plan.changes, audit).await {
            Ok(version) => {
                let rerouted = relay::reroute_waiting(store).await?;
                tracing::info!(event = "settings_applied", actor = actor.name(), version, rerouted);
                return Ok(Applied { diff: plan.diff, version, rerouted });
            }
            Err(StoreError::SettingsChanged { .. }) if races < RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
