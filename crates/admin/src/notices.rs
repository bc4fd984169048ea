//! Notices by mail, and when an alarm is raised.

use jiff::Timestamp;
use serde::Serialize;
use store::Store;

use crate::apply::telling;
use crate::change::save;
use crate::{Actor, AdminError, NoticesEntry, Role, Saved};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoticesView {
    pub failures: bool,
    /// 0: never.
    pub delay_after_minutes: u32,
    pub alarms: AlarmsView,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmsView {
    pub to: Vec<String>,
    /// Name of the connection; `None`: as the Emails settings say.
    pub connection: Option<String>,
    pub mailbox: Option<String>,
    pub queue_age_minutes: u32,
    pub expiry_days: u32,
}

pub fn find_notices(store: &dyn Store, actor: &Actor) -> Result<NoticesView, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let (notices, alarms) = (&settings.notices, &settings.notices.alarms);
    let connection = alarms.connection.as_ref().and_then(|id| settings.connection(id));
    Ok(NoticesView {
        failures: notices.failures,
        delay_after_minutes: notices.delay_after_minutes.unwrap_or(0),
        alarms: AlarmsView {
            to: alarms.to.iter().map(ToString::to_string).collect(),
            connection: connection.map(|connection| connection.name.clone()),
            mailbox: alarms.mailbox.as_ref().map(ToString::to_string),
            queue_age_minutes: alarms.queue_age_minutes,
            expiry_days: alarms.expiry_days,
        },
    })
}

/// Replaces the notices, whole.
pub async fn update_notices(
    store: &dyn Store,
    actor: &Actor,
    entry: &NoticesEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "notices_changed", expected_version, now, |draft| {
        draft.settings.notices = telling::notices(&draft.settings, entry)?;
        Ok(String::new())
    })
    .await
}
