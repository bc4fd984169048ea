//! What a sandbox is made of, as its settings file says it.
//!
//! Promise: every key is optional, an unknown key is an error, and [`Config::default`] is a tenant ready for use.
//! `examples/sandbox.toml` explains each key.
//!
//! Left to others: making lookup tables of it (`directory`), and keeping its limits (`graph::throttle`).

mod contoso;
mod limits;
mod tenant;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

pub use limits::{Behaviour, Limits, Storage, TokenRules};
pub use tenant::{
    App, Certificate, FederatedCredential, ManagedIdentity, Password, Secret, SignIn, Tenant, User, UserState,
};

/// The settings of one sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub listener: Listener,
    /// The organisations that exist. Left out: `contoso.test`, see [`Tenant::contoso`].
    #[serde(rename = "tenant")]
    pub tenants: Vec<Tenant>,
    pub token: TokenRules,
    pub limits: Limits,
    pub behaviour: Behaviour,
    pub storage: Storage,
    pub machine: Machine,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listener: Listener::default(),
            tenants: vec![Tenant::contoso()],
            token: TokenRules::default(),
            limits: Limits::default(),
            behaviour: Behaviour::default(),
            storage: Storage::default(),
            machine: Machine::default(),
        }
    }
}

impl Config {
    /// Reads a settings file in TOML.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))
    }
}

/// Where the sandbox listens, beyond the address it is started with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// With TLS at hand, also speak plain HTTP on the same port; the first byte of a connection tells which.
    pub plain_http: bool,
    /// A second address that speaks only HTTPS; the first one then speaks only HTTP.
    pub https_listen: Option<SocketAddr>,
    /// Where upload sessions are answered: an origin of its own, as Microsoft's is. Left out: any free port.
    pub upload_listen: Option<SocketAddr>,
    /// Where mail is submitted by SMTP, with STARTTLS and a token. Left out: nowhere.
    pub smtp_listen: Option<SocketAddr>,
}

impl Default for Listener {
    fn default() -> Self {
        Self { plain_http: true, https_listen: None, upload_listen: None, smtp_listen: None }
    }
}

/// The machine of the tenant whose identities give tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// What `IDENTITY_HEADER` holds on App Service.
    pub identity_header: String,
    /// Where the agent of Azure Arc puts its keys. Left out: the machine is not connected to Azure Arc.
    pub arc_key_folder: Option<PathBuf>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { identity_header: "sandbox-identity-header".to_owned(), arc_key_folder: None }
    }
}

/// Why a sandbox cannot be made from these settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the sandbox settings are not valid: {0}")]
    Syntax(String),
    #[error("tenant {0:?} appears twice (tenant ids and domains must be unique)")]
    DuplicateTenant(String),
    #[error("user or app {0:?} appears twice in its tenant")]
    Duplicate(String),
    #[error("{0:?} is not an address of the form name@domain")]
    NotAnAddress(String),
    #[error("the certificate of app {app:?} cannot be used: {reason}")]
    Certificate { app: String, reason: String },
    #[error("app {app:?} names {scope:?}, which is no delegated permission the sandbox knows")]
    Scope { app: String, scope: String },
    #[error("app {app:?}: {uri:?} cannot be a redirect URI: {reason}")]
    RedirectUri { app: String, uri: String, reason: String },
    #[error("token lifetimes must satisfy 0 < min_lifetime_seconds <= max_lifetime_seconds")]
    TokenLifetime,
}
