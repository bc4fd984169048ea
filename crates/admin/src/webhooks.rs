//! Webhooks: who is told of news over HTTP.

mod test;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use settings::{News, Settings, Webhook, WebhookId};
use store::Store;

use crate::apply::telling;
use crate::change::{check_name, gone, save};
use crate::sealed_secret::{seal_unless_known, webhook_secret};
use crate::{Actor, AdminError, Refused, Role, Saved, WebhookEntry};

pub use test::{WebhookTest, test_webhook};

/// A webhook as it may be shown; its secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookView {
    pub id: String,
    pub name: String,
    pub url: String,
    /// Empty: all.
    pub events: Vec<News>,
    pub disabled: bool,
}

/// A saved webhook, and the secret to sign with if it was made just now: it is shown this once.
#[derive(Debug, Clone)]
pub struct SavedWebhook {
    pub saved: Saved,
    pub secret: Option<SecretString>,
}

pub fn list_webhooks(store: &dyn Store, actor: &Actor) -> Result<Vec<WebhookView>, AdminError> {
    actor.must_be(Role::Administrator)?;
    Ok(store.settings().borrow().webhooks.iter().map(WebhookView::from).collect())
}

pub fn find_webhook(store: &dyn Store, actor: &Actor, id: &str) -> Result<WebhookView, AdminError> {
    actor.must_be(Role::Administrator)?;
    Ok(WebhookView::from(with_id(&store.settings().borrow(), id)?))
}

/// Without a secret in the entry one is made.
pub async fn create_webhook(
    store: &dyn Store,
    actor: &Actor,
    entry: &WebhookEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<SavedWebhook, AdminError> {
    let mut secret = None;
    let saved = save(store, actor, "webhook_created", expected_version, now, |draft| {
        check_name("webhook", &entry.name, draft.settings.webhooks.iter().map(|it| it.name.as_str()))?;
        let (id, made) = telling::put_webhook(draft, None, entry)?;
        secret = made;
        Ok(id.0)
    })
    .await?;
    Ok(SavedWebhook { saved, secret })
}

/// Replaces all but the identity; a secret that the entry leaves out stays.
pub async fn update_webhook(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    entry: &WebhookEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "webhook_changed", expected_version, now, |draft| {
        let known = with_id(&draft.settings, id)?.id.clone();
        let others = draft.settings.webhooks.iter().filter(|it| it.id != known);
        check_name("webhook", &entry.name, others.map(|it| it.name.as_str()))?;
        Ok(telling::put_webhook(draft, Some(&known), entry)?.0.0)
    })
    .await
}

/// Makes a new secret, in use from the next call on. The receiver must be told it.
pub async fn rotate_webhook_secret(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<SavedWebhook, AdminError> {
    let mut secret = None;
    let saved = save(store, actor, "webhook_secret_rotated", expected_version, now, |draft| {
        let known = with_id(&draft.settings, id)?.id.clone();
        let made = telling::make_signing_key()?;
        let sealed = seal_unless_known(draft.keys, &webhook_secret(&known), &made, None)?;
        let webhook = draft.settings.webhooks.iter_mut().find(|it| it.id == known);
        webhook.ok_or_else(|| gone("webhook", id))?.secret = sealed;
        secret = Some(made);
        Ok(known.0)
    })
    .await?;
    Ok(SavedWebhook { saved, secret })
}

/// What it was not told yet it is never told.
pub async fn remove_webhook(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "webhook_removed", expected_version, now, |draft| {
        with_id(&draft.settings, id)?;
        draft.settings.webhooks.retain(|it| it.id.0 != id);
        Ok(id.to_owned())
    })
    .await
}

pub(crate) fn with_id<'a>(settings: &'a Settings, id: &str) -> Result<&'a Webhook, Refused> {
    settings.webhook(&WebhookId(id.to_owned())).ok_or_else(|| gone("webhook", id))
}

impl From<&Webhook> for WebhookView {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.0.clone(),
            name: webhook.name.clone(),
            url: webhook.url.to_string(),
            events: webhook.events.clone(),
            disabled: webhook.disabled,
        }
    }
}
