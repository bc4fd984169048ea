//! Which place in the settings a sealed secret belongs to. The key ring binds it to that place.

use secrecy::{ExposeSecret as _, SecretString};
use settings::{ConnectionId, Sealed, TenantId, WebhookId};
use store::{KeyRing, SecretField};

use crate::Refused;

pub(crate) fn client_secret(tenant: &TenantId) -> SecretField {
    SecretField { table: "tenant", id: tenant.0.clone(), field: "client_secret" }
}

pub(crate) fn private_key(tenant: &TenantId) -> SecretField {
    SecretField { table: "tenant", id: tenant.0.clone(), field: "private_key" }
}

pub(crate) fn pending_private_key(tenant: &TenantId) -> SecretField {
    SecretField { table: "tenant", id: tenant.0.clone(), field: "pending_private_key" }
}

pub(crate) fn refresh_token(connection: &ConnectionId) -> SecretField {
    SecretField { table: "grant", id: connection.0.clone(), field: "refresh_token" }
}

pub(crate) fn smtp_password(connection: &ConnectionId) -> SecretField {
    SecretField { table: "connection", id: connection.0.clone(), field: "password" }
}

pub(crate) fn proxy_password(connection: &ConnectionId) -> SecretField {
    SecretField { table: "connection", id: connection.0.clone(), field: "proxy_password" }
}

pub(crate) fn webhook_secret(webhook: &WebhookId) -> SecretField {
    SecretField { table: "webhook", id: webhook.0.clone(), field: "secret" }
}

/// Sealing the same secret twice gives two ciphertexts; the one there is stays, so that nothing changes by itself.
pub(crate) fn seal_unless_known(
    keys: &KeyRing,
    field: &SecretField,
    secret: &SecretString,
    known: Option<Sealed>,
) -> Result<Sealed, Refused> {
    let is_known =
        |known: &Sealed| keys.open(field, known).is_ok_and(|text| text.expose_secret() == secret.expose_secret());
    if let Some(known) = known.filter(is_known) {
        return Ok(known);
    }
    keys.seal(field, secret).map_err(|error| {
        Refused::new(format!("the secret cannot be sealed: {error}"), "Look at master.key in the data folder.")
    })
}
