//! The way out of one connection, as people see it.

use serde::Serialize;
use settings::{ConnectionNetwork, ProxyChoice};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkView {
    /// `gateway`, `none`, or the address of a proxy, without its password.
    pub proxy: String,
    pub has_proxy_password: bool,
    pub no_proxy: Vec<String>,
    /// Certificates trusted besides the gateway's, PEM.
    pub ca_bundle: Option<String>,
}

impl Default for NetworkView {
    fn default() -> Self {
        Self::from(&ConnectionNetwork::default())
    }
}

impl From<&ConnectionNetwork> for NetworkView {
    fn from(network: &ConnectionNetwork) -> Self {
        let (proxy, has_proxy_password, no_proxy) = match &network.proxy {
            ProxyChoice::Gateway => ("gateway".to_owned(), false, Vec::new()),
            ProxyChoice::Direct => ("none".to_owned(), false, Vec::new()),
            ProxyChoice::Server(server) => (server.url.to_string(), server.password.is_some(), server.no_proxy.clone()),
        };
        Self { proxy, has_proxy_password, no_proxy, ca_bundle: network.ca_bundle_pem.clone() }
    }
}
