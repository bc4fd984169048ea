//! Which place in the settings a sealed secret belongs to. The key ring binds it to that place.

use settings::TenantId;
use store::SecretField;

pub(crate) fn client_secret(tenant: &TenantId) -> SecretField {
    SecretField { table: "tenant", id: tenant.0.clone(), field: "client_secret" }
}

pub(crate) fn private_key(tenant: &TenantId) -> SecretField {
    SecretField { table: "tenant", id: tenant.0.clone(), field: "private_key" }
}
