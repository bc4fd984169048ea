//! Tenants: a service's customer and how Postern proves to be it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Sealed;

/// Identity of a tenant row; stable over renames.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub String);

/// A customer of *Microsoft Entra ID*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub cloud: Cloud,
    /// GUID or verified domain.
    pub tenant_id: String,
    pub client_id: String,
    pub credential: Option<Credential>,
    /// Made, and not used before an administrator says that it is registered with the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_certificate: Option<Certificate>,
}

/// Which Microsoft cloud, by name, or endpoints of one's own (a sandbox, a proxy).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    #[default]
    Global,
    UsGov,
    UsGovDod,
    China,
    #[serde(untagged)]
    Custom(CustomCloud),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomCloud {
    pub login: Url,
    pub graph: Url,
    /// `host:port`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<String>,
}

/// How the application proves to be itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    ClientSecret { secret: Sealed, expires: Option<Date> },
    Certificate(Certificate),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The X.509 certificate, public.
    pub certificate_pem: String,
    /// PKCS#8 private key, PEM, sealed.
    pub private_key: Sealed,
}
