//! Global System Settings → Emails: how mail leaves that no route takes.

use jiff::Timestamp;
use serde::Serialize;
use settings::{ConnectionType, FromPolicy};
use store::Store;

use crate::apply::routes;
use crate::change::save;
use crate::{Actor, AdminError, EmailsEntry, Role, Saved};

#[derive(Debug, Clone, Serialize)]
pub struct EmailsView {
    pub enabled: bool,
    pub smtp_authentication: bool,
    pub modern_authentication: bool,
    pub mailbox: Option<String>,
    /// Name of the connection.
    pub service_connection: Option<String>,
    pub service_connection_id: Option<String>,
    pub connection_type: ConnectionType,
    pub from_policy: FromPolicy,
    /// Why mail that no route takes would wait, in one sentence; `None`: it leaves.
    pub problem: Option<String>,
}

pub fn find_emails(store: &dyn Store, actor: &Actor) -> Result<EmailsView, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let emails = &settings.emails;
    let connection = emails.service_connection.as_ref().and_then(|id| settings.connection(id));
    Ok(EmailsView {
        enabled: emails.enabled,
        smtp_authentication: emails.smtp_authentication,
        modern_authentication: emails.modern_authentication,
        mailbox: emails.mailbox.as_ref().map(ToString::to_string),
        service_connection: connection.map(|connection| connection.name.clone()),
        service_connection_id: connection.map(|connection| connection.id.0.clone()),
        connection_type: emails.connection_type,
        from_policy: emails.from_policy,
        problem: settings.route(None).err().map(|missing| missing.to_string()),
    })
}

/// Replaces the Emails settings, whole.
pub async fn update_emails(
    store: &dyn Store,
    actor: &Actor,
    entry: &EmailsEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "emails_changed", expected_version, now, |draft| {
        draft.settings.emails = routes::emails(&draft.settings, entry)?;
        Ok(String::new())
    })
    .await
}
