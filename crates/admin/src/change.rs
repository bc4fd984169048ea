//! One change of the settings: from a snapshot to the store, for setup files, forms and the API alike.
//!
//! Promise: all of a change takes effect, or nothing. It is decided on the settings that are changed: when somebody else
//! was quicker it is decided anew, or refused if the caller had seen an older version. It leaves one audit entry with
//! what was before and after, secrets masked; waiting messages then follow the new settings, and grants that were given to
//! something else are forgotten.

use jiff::Timestamp;
use serde::Serialize;
use store::{AuditEntry, Store, StoreError};

use crate::apply::{Applied, Draft, plan};
use crate::authentication::forget_groundless;
use crate::{Actor, AdminError, DiffLine, Refused, Role, SecretSource};

/// How often a race with another administrator is run again before it is reported.
const RACES: u32 = 5;

/// The circumstances of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changing<'a> {
    /// For the audit log.
    pub action: &'static str,
    pub secrets: &'a SecretSource,
    /// The version the caller decided on; `None`: whatever there is.
    pub expected_version: Option<u64>,
    pub now: Timestamp,
}

/// Carries out `edit`, which may be asked several times. Nothing is written when it changes nothing. The caller has
/// checked the role.
pub(crate) async fn change<T: Send>(
    store: &dyn Store,
    actor: &Actor,
    changing: Changing<'_>,
    mut edit: impl FnMut(&mut Draft<'_>) -> Result<T, Refused> + Send,
) -> Result<(Applied, T), AdminError> {
    let mut races = 0;
    loop {
        let current = store.settings().borrow().clone();
        if changing.expected_version.is_some_and(|expected| expected != current.version) {
            return Err(changed_meanwhile().into());
        }
        let (plan, outcome) = plan(&current, changing.secrets, &store.key_ring(), &mut edit)?;
        if plan.diff.is_empty() && plan.changes.is_empty() {
            return Ok((Applied { diff: plan.diff, version: current.version, rerouted: 0 }, outcome));
        }
        let audit = AuditEntry {
            at: changing.now,
            actor: actor.name().to_owned(),
            action: changing.action.to_owned(),
            detail: serde_json::to_value(&plan.diff).unwrap_or_default(),
        };
        match store.change_settings(current.version, plan.changes, audit).await {
            Ok(version) => {
                let after = store.settings().borrow().clone();
                forget_groundless(store, actor, &current, &after, changing.now).await?;
                let rerouted = relay::reroute_waiting(store).await?;
                tracing::info!(
                    event = "settings_changed",
                    action = changing.action,
                    actor = actor.name(),
                    version,
                    rerouted
                );
                return Ok((Applied { diff: plan.diff, version, rerouted }, outcome));
            }
            Err(StoreError::SettingsChanged { .. }) if races < RACES => races += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// What saving one thing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Of what was saved; empty for the Emails settings.
    pub id: String,
    /// The version the settings are at.
    pub version: u64,
    /// What was before and is now, secrets masked; empty: it was like that already.
    pub diff: Vec<DiffLine>,
    /// Waiting messages that go another way now.
    pub rerouted: u64,
}

/// A change asked for by a form or the API: administrators only, secrets given as text.
pub(crate) async fn save(
    store: &dyn Store,
    actor: &Actor,
    action: &'static str,
    expected_version: Option<u64>,
    now: Timestamp,
    edit: impl FnMut(&mut Draft<'_>) -> Result<String, Refused> + Send,
) -> Result<Saved, AdminError> {
    actor.must_be(Role::Administrator)?;
    let secrets = SecretSource::text_only();
    let changing = Changing { action, secrets: &secrets, expected_version, now };
    let (applied, id) = change(store, actor, changing, edit).await?;
    Ok(Saved { id, version: applied.version, diff: applied.diff, rerouted: applied.rerouted })
}

/// The version that a form is opened on, to be given back when it is saved.
pub fn settings_version(store: &dyn Store, actor: &Actor) -> Result<u64, AdminError> {
    actor.must_be(Role::Viewer)?;
    Ok(store.settings().borrow().version)
}

/// A name must be there, be readable, and be nobody else's.
pub(crate) fn check_name<'a>(kind: &str, name: &str, mut others: impl Iterator<Item = &'a str>) -> Result<(), Refused> {
    const MAX_CHARS: usize = 200;
    if name.trim().is_empty() || name.trim() != name {
        return Err(Refused::new(
            format!("the {kind} needs a name that neither begins nor ends with a blank"),
            "Give it a name that people will recognise.",
        )
        .at("name"));
    }
    if name.chars().count() > MAX_CHARS || name.chars().any(char::is_control) {
        let what = format!("the name of the {kind} is longer than {MAX_CHARS} characters, or has control characters");
        return Err(Refused::new(what, "Choose a shorter, printable name.").at("name"));
    }
    if others.any(|other| other == name) {
        let what = format!("there is another {kind} called '{name}'");
        return Err(Refused::new(what, "Choose another name.").at("name"));
    }
    Ok(())
}

/// Somebody removed it, or the id was never one.
pub(crate) fn gone(kind: &str, id: &str) -> Refused {
    Refused::new(format!("there is no {kind} '{id}' (any more)"), "Look at what there is now.")
}

/// The refusal to remove what others need; nothing when nobody does.
pub(crate) fn refuse_if_used(kind: &str, name: &str, users: &[String]) -> Result<(), Refused> {
    if users.is_empty() {
        return Ok(());
    }
    let users = users.join(", ");
    let fix = format!("Give these another {kind}, or remove them, first: {users}.");
    Err(Refused::new(format!("{kind} '{name}' is used by {users}"), fix))
}

fn changed_meanwhile() -> Refused {
    Refused::new(
        "somebody else changed the settings since this was opened; nothing of yours was saved",
        "Look at what is there now, then make your change again.",
    )
}
