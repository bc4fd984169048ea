//! The network as an administrator describes it: proxy, exceptions, private certificate authorities.
//!
//! Promise: what is made here, an HTTP client or a connection for SMTP, goes the configured way and no other. The
//! environment (`HTTPS_PROXY`, `NO_PROXY`) has no say; redirects are not followed; nothing is retried behind our back;
//! `https` crosses a proxy through a tunnel only, so neither token nor mail is ever shown to it. Plain `http` exists for
//! loopback addresses alone and goes there directly. A way that fails says at which hop, and what to do about it.

mod connector;
mod exceptions;
mod proxy;
mod trust;
mod way;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};
use url::Url;

pub use trust::tls_obstacle;
pub use way::{Stream, Way, WayError};

use connector::Explain;
use proxy::ProxyServer;

/// How to reach the outside.
#[derive(Clone)]
pub struct Network {
    /// `http://user:password@host:port`; also `https://` (TLS up to the proxy) and `socks5h://`. The proxy resolves names.
    pub proxy: Option<Url>,
    /// Host names (with their subdomains), addresses and networks reached without the proxy.
    pub no_proxy: Vec<String>,
    /// Certificates trusted besides the system's, PEM.
    pub ca_bundle_pem: Option<Vec<u8>>,
    /// Our own name, where one has to be said (EHLO); `None`: the address of our end.
    pub hostname: Option<String>,
    /// For one connection: name, proxy, TLS. A host that is there answers within a second or two; some proxies take several.
    pub connect_timeout: Duration,
    /// Idle connections are closed after this. Shorter than what the far side keeps, because a connection that is closed
    /// there just as a message goes out leaves that message uncertain.
    pub idle_timeout: Duration,
    /// Idle connections kept for each host: as many as are commonly in flight at once.
    pub idle_per_host: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            proxy: None,
            no_proxy: Vec::new(),
            ca_bundle_pem: None,
            hostname: None,
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            idle_per_host: 64,
        }
    }
}

/// Why no client can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("the proxy's URL must begin with http://, https:// or socks5h:// and name a host")]
    Proxy,
    #[error("'{0}' in no_proxy is neither a host name nor an address nor a network, so it matches nothing")]
    NoProxy(String),
    #[error("the CA bundle is not a list of certificates in PEM form")]
    CaBundle,
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

impl Network {
    /// Whether these settings can be used at all, looking at nothing but them.
    pub fn check(&self) -> Result<(), NetworkError> {
        self.proxy_server()?.map(|proxy| proxy.canonical_url()).transpose()?;
        if let Some(slip) = self.no_proxy.iter().find(|entry| !exceptions::makes_sense(entry)) {
            return Err(NetworkError::NoProxy(slip.clone()));
        }
        self.ca_bundle_pem.as_deref().map(read_bundle).transpose().map(drop)
    }

    /// A client for everything that leaves: sign-in, Graph, uploads.
    pub fn client(&self) -> Result<Client, NetworkError> {
        let roots = match &self.ca_bundle_pem {
            Some(pem) => read_bundle(pem)?,
            None => Vec::new(),
        };
        let with_system_roots = self.builder()?.tls_certs_merge(roots.clone()).build();
        with_system_roots.or_else(|error| {
            // A machine without any certificate of its own (a bare container) still has the bundle, or plain http to itself.
            tracing::warn!(event = "no_system_certificates", %error);
            let alone = self.builder()?.tls_certs_only(roots).build();
            alone.map_err(|error| NetworkError::Client(error.to_string()))
        })
    }

    fn builder(&self) -> Result<ClientBuilder, NetworkError> {
        let builder = Client::builder()
            // First: it also drops what was found in the environment.
            .no_proxy()
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .user_agent(concat!("Postern/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.idle_per_host)
            .proxy(connector::proxy_rule(self)?)
            // It also keeps the time limit for connecting.
            .connector_layer(Explain(Arc::new(self.clone())));
        Ok(builder)
    }

    fn proxy_server(&self) -> Result<Option<ProxyServer>, NetworkError> {
        self.proxy.as_ref().map(ProxyServer::parse).transpose()
    }

    /// The proxy that leads to `host`; `None`: none does.
    fn proxy_for(&self, host: &str) -> Result<Option<ProxyServer>, NetworkError> {
        Ok(self.proxy_server()?.filter(|_| !self.excepts(host)))
    }

    fn excepts(&self, host: &str) -> bool {
        exceptions::is_excepted(host, &self.no_proxy)
    }
}

fn read_bundle(pem: &[u8]) -> Result<Vec<Certificate>, NetworkError> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(|_| NetworkError::CaBundle)?;
    if certificates.is_empty() { Err(NetworkError::CaBundle) } else { Ok(certificates) }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy =
            self.proxy.as_ref().map(|url| (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default()));
        f.debug_struct("Network")
            .field("proxy", &proxy)
            .field("no_proxy", &self.no_proxy)
            .field("ca_bundle", &self.ca_bundle_pem.is_some())
            .finish_non_exhaustive()
    }
}
