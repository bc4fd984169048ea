//! Why a host was not reached: at which hop, and what to do about it.

use std::io;
use std::time::Duration;

use entra::{Obstacle, Who};

/// The host was not reached. Nothing was said to it. Each reads as the end of "… cannot be reached:".
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    #[error("the name {host} cannot be resolved here: {why}")]
    Name { host: String, why: String },
    #[error("{0}")]
    Io(io::Error),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the proxy {proxy} cannot be reached: {why}")]
    ProxyUnreachable { proxy: String, why: String },
    #[error("{0}")]
    ProxyUntrusted(Obstacle),
    #[error("the proxy {proxy} gave no connection within {} s", .after.as_secs())]
    ProxySilent { proxy: String, after: Duration },
    #[error("the proxy {proxy} {} ({answer})", if *.tried { "does not accept the user name and password" } else { "wants a user name and password" })]
    ProxyLogin { proxy: String, tried: bool, answer: String },
    #[error("the proxy {proxy} does not allow connections to {target} ({answer})")]
    ProxyForbids { proxy: String, target: String, answer: String },
    #[error("the proxy {proxy} could not connect to {target} ({answer})")]
    ProxyFailed { proxy: String, target: String, answer: String },
    #[error("what answers at {proxy} is no proxy of the configured kind ({answer})")]
    NotAProxy { proxy: String, answer: String },
}

impl WayError {
    /// The same with what to do, and who has to.
    pub fn obstacle(&self) -> Obstacle {
        const NETWORK: Who = Who::NetworkAdministrator;
        const GATEWAY: Who = Who::GatewayAdministrator;
        let (fix, who) = match self {
            Self::ProxyUntrusted(obstacle) => return obstacle.clone(),
            Self::Name { host, .. } => (
                format!(
                    "Have the resolver of this machine answer for {host}, or correct the name. Where only a proxy knows the \
                     names of the outside, set url in [proxy] of postern.toml: then it resolves them."
                ),
                NETWORK,
            ),
            Self::Io(_) | Self::TimedOut(_) => (
                "Let this machine through the firewall, check host and port; where only a proxy leads outside, set url in \
                 [proxy] of postern.toml. It is tried again by itself."
                    .to_owned(),
                NETWORK,
            ),
            Self::ProxyUnreachable { proxy, .. } | Self::ProxySilent { proxy, .. } => (
                format!(
                    "See that the proxy runs and lets this machine connect, and that {proxy} is its address ([proxy] in \
                     postern.toml, or the Service Connection). It is tried again by itself."
                ),
                NETWORK,
            ),
            Self::ProxyLogin { tried, .. } => (
                format!(
                    "{} in url in [proxy] of postern.toml (http://user:password@host:port, other characters than letters \
                     and digits percent-encoded), or in the Service Connection.",
                    if *tried { "Correct user name and password" } else { "Enter user name and password" }
                ),
                GATEWAY,
            ),
            Self::ProxyForbids { proxy, target, .. } => {
                (format!("Allow CONNECT to {target} in the rules of the proxy {proxy}."), NETWORK)
            }
            Self::ProxyFailed { target, .. } => (
                format!(
                    "Check that the proxy can resolve the name and reach {target}; a host inside belongs into no_proxy. It is \
                     tried again by itself."
                ),
                NETWORK,
            ),
            Self::NotAProxy { .. } => (
                "Check port and scheme of the proxy's URL: http://, https:// or socks5h://.".to_owned(),
                GATEWAY,
            ),
        };
        Obstacle::new(self.to_string(), fix, who)
    }
}
