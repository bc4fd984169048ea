//! Tenants: a service's customer and how Postern proves to be it.

use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{ExternalLimit, Sealed};

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
    /// Empty with a managed identity that the system assigned.
    pub client_id: String,
    pub credential: Option<Credential>,
    /// Made, and not used before an administrator says that it is registered with the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_certificate: Option<Certificate>,
    #[serde(default)]
    pub external: ExternalLimit,
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
    ClientSecret {
        secret: Sealed,
        expires: Option<Date>,
    },
    Certificate(Certificate),
    /// A file with a client assertion that other software keeps fresh: the token of a workload identity (Kubernetes, GitHub),
    /// or one that a key vault signed. Read again for every token.
    FederatedTokenFile {
        path: PathBuf,
    },
    /// The machine's own identity, from the metadata service of Azure VMs, App Service or Azure Arc. With a Client ID: the
    /// user-assigned identity of that id.
    ManagedIdentity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The X.509 certificate, public.
    pub certificate_pem: String,
    /// PKCS#8 private key, PEM, sealed.
    pub private_key: Sealed,
}
