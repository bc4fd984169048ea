//! Which place in the settings a sealed secret belongs to. The key ring binds it to that place.

use settings::{ConnectionId, TenantId};
use store::SecretField;

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
