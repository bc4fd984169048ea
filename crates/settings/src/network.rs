//! The way out of one connection, where it differs from the gateway's own (`[proxy]` of `postern.toml`).

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Sealed;

/// What a connection says of its network. Holds for all that it does: tokens, Graph, uploads, SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionNetwork {
    pub proxy: ProxyChoice,
    /// Certificates trusted besides the gateway's, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle_pem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyChoice {
    /// As the gateway goes.
    #[default]
    Gateway,
    /// None, whatever the gateway does.
    Direct,
    Server(ProxyServer),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyServer {
    /// `http://`, `https://` or `socks5h://` with host and port; with a user name, never with a password. The proxy resolves names.
    pub url: Url,
    /// Sealed for the field `proxy_password` of the connection.
    pub password: Option<Sealed>,
    /// Host names (with their subdomains), addresses and networks reached without it.
    pub no_proxy: Vec<String>,
}
