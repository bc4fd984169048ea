//! The connection to a host: straight, or through the proxy that everything else goes through.
//!
//! Promise: where a proxy is configured and `no_proxy` does not except the host, no packet goes to the host, and the proxy
//! resolves its name. Not an octet past the proxy's answer is read: what the server says first is the caller's.

mod connect;
mod error;
mod socks;
mod straight;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use error::WayError;
pub use stream::Stream;

use super::proxy::{Protocol, ProxyServer, bare};
use super::{Network, NetworkError};

/// How a host is reached.
#[derive(Debug, Clone)]
pub struct Way {
    proxy: Option<(ProxyServer, Option<Arc<ClientConfig>>)>,
}

impl Network {
    /// The way to `host`: a name, or an address with or without brackets.
    pub fn way_to(&self, host: &str) -> Result<Way, NetworkError> {
        let Some(proxy) = self.proxy_for(host)? else { return Ok(Way { proxy: None }) };
        let tls = if proxy.protocol == Protocol::Https { Some(self.tls()?) } else { None };
        Ok(Way { proxy: Some((proxy, tls)) })
    }
}

impl Way {
    pub fn is_straight(&self) -> bool {
        self.proxy.is_none()
    }

    /// Connects within `wait`, everything taken together.
    pub async fn dial(&self, host: &str, port: u16, wait: Duration) -> Result<Stream, WayError> {
        let host = bare(host);
        let dialing = async {
            match &self.proxy {
                None => straight::connect(host, port).await.map(Stream::Plain),
                Some((proxy, tls)) => through(proxy, tls.clone(), host, port).await,
            }
        };
        let silent = |_| match &self.proxy {
            None => WayError::TimedOut(wait),
            Some((proxy, _)) => WayError::ProxySilent { proxy: proxy.to_string(), after: wait },
        };
        timeout(wait, dialing).await.map_err(silent)?
    }
}

async fn through(
    proxy: &ProxyServer,
    tls: Option<Arc<ClientConfig>>,
    host: &str,
    port: u16,
) -> Result<Stream, WayError> {
    let unreachable = |error: WayError| WayError::ProxyUnreachable { proxy: proxy.to_string(), why: error.to_string() };
    let socket = straight::connect(&proxy.host_name(), proxy.port).await.map_err(unreachable)?;
    let mut stream = match tls {
        Some(config) => secured(socket, config, proxy).await?,
        None => Stream::Plain(socket),
    };
    match proxy.protocol {
        Protocol::Socks5 => socks::ask(stream, proxy, host, port).await,
        Protocol::Http | Protocol::Https => {
            connect::ask(&mut stream, proxy, host, port).await?;
            Ok(stream)
        }
    }
}

async fn secured(socket: TcpStream, config: Arc<ClientConfig>, proxy: &ProxyServer) -> Result<Stream, WayError> {
    let failed = |why: String| WayError::ProxyUnreachable { proxy: proxy.to_string(), why };
    let name = ServerName::try_from(proxy.host_name()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(config).connect(name, socket).await;
    stream.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| {
        super::trust::tls_obstacle(&proxy.to_string(), &error)
            .map_or_else(|| failed(error.to_string()), WayError::ProxyUntrusted)
    })
}
