//! Global System Settings → Emails: how mail leaves that no route takes.

use jiff::Timestamp;
use serde::Serialize;
use settings::{ConnectionType, FromPolicy};
use store::Store;

use crate::apply::references::names;
use crate::apply::routes;
use crate::change::save;
use crate::{Actor, AdminError, EmailsEntry, Role, Saved};

#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the page")]
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
    /// Names of connections, in the order in which they are tried.
    pub fallback: Vec<String>,
    /// Every message is held as it arrives.
    pub hold_all: bool,
    /// Every message goes to this address alone.
    pub redirect_all_to: Option<String>,
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
        fallback: names(&settings, &emails.fallback),
        hold_all: emails.hold_all,
        redirect_all_to: emails.redirect_all_to.as_ref().map(ToString::to_string),
        problem: settings.route(None).err().map(|missing| missing.to_string()),
    })
}

/// What keeps mail from those it is for: a testing environment, of which everybody who looks must know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Testing {
    pub hold_all: bool,
    pub redirect_all_to: Option<String>,
}

impl Testing {
    pub fn is_on(&self) -> bool {
        self.hold_all || self.redirect_all_to.is_some()
    }
}

/// Asks for no role: it is shown beside whatever a visitor may see.
pub fn testing(store: &dyn Store) -> Testing {
    let settings = store.settings().borrow().clone();
    let emails = &settings.emails;
    Testing { hold_all: emails.hold_all, redirect_all_to: emails.redirect_all_to.as_ref().map(ToString::to_string) }
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
