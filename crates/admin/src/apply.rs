//! Bringing the settings to what a setup file says.
//!
//! Promise: all of the file takes effect, or nothing; applying it again changes nothing. The difference is worked out
//! from one snapshot, and the change is refused by the store when somebody else was quicker; then it is worked out anew.

pub(crate) mod accounts;
pub(crate) mod connections;
mod password;
pub(crate) mod plan;
pub(crate) mod references;
pub(crate) mod routes;
pub(crate) mod telling;
pub(crate) mod tenants;

use jiff::Timestamp;
use store::Store;

use crate::change::{Changing, change};
use crate::{Actor, AdminError, DiffLine, Role, SecretSource, SetupFile};

pub(crate) use plan::{Draft, plan};

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
    if mode == Mode::DryRun {
        let current = store.settings().borrow().clone();
        let (plan, ()) = plan(&current, secrets, &store.key_ring(), |draft| plan::put_all(draft, file))?;
        return Ok(Applied { diff: plan.diff, version: current.version, rerouted: 0 });
    }
    let changing = Changing { action: "settings_applied", secrets, expected_version: None, now };
    let (applied, ()) = change(store, actor, changing, |draft| plan::put_all(draft, file)).await?;
    Ok(applied)
}
