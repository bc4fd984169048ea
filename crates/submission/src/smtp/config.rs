//! What a listener is told, and the refusal to be an open relay.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use wire::LineEndings;

/// One address to listen on, and its policy.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    pub listen: SocketAddr,
    pub tls: TlsMode,
    pub auth: AuthMode,
    /// Networks that may sign in without TLS and, where `auth` says so, send without an account.
    pub allow: Vec<IpNet>,
    pub line_endings: LineEndings,
    /// Our name, in the greeting and in Received fields.
    pub hostname: String,
}

#[derive(Debug, Clone)]
pub enum TlsMode {
    None,
    /// The client may upgrade (RFC 3207).
    StartTls(Arc<rustls::ServerConfig>),
    /// TLS from the first octet (RFC 8314).
    Implicit(Arc<rustls::ServerConfig>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// A submission account signs in.
    Required,
    /// Networks in `allow` need not sign in.
    Optional,
    /// Nobody can sign in; only networks in `allow` are served.
    Off,
}

/// Why a listener may not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerConfigError {
    #[error(
        "the SMTP listener on {listen} has auth = \"{auth}\" and an empty `allow`: name the networks that may send \
         without an account, or set auth = \"required\""
    )]
    NobodyAllowed { listen: SocketAddr, auth: &'static str },
    #[error(
        "the SMTP listener on {listen} would be an open relay: auth = \"{auth}\" and `allow` holds every address \
         ({network}); name the networks that may send without an account, or set auth = \"required\""
    )]
    OpenRelay { listen: SocketAddr, auth: &'static str, network: IpNet },
}

/// What is allowed but hardly meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerWarning {
    #[error(
        "the SMTP listener on {0} asks for a login but has no TLS: clients outside `allow` cannot sign in; set \
         tls = \"starttls\", or add their network to `allow`"
    )]
    LoginNeedsTls(SocketAddr),
}

impl ListenerConfig {
    /// Refuses what would relay for everybody, also when `allow` covers all addresses in pieces.
    pub fn validate(&self) -> Result<(), ListenerConfigError> {
        let auth = match self.auth {
            AuthMode::Required => return Ok(()),
            AuthMode::Optional => "optional",
            AuthMode::Off => "off",
        };
        if self.allow.is_empty() {
            return Err(ListenerConfigError::NobodyAllowed { listen: self.listen, auth });
        }
        match IpNet::aggregate(&self.allow).into_iter().find(|network| network.prefix_len() == 0) {
            Some(network) => Err(ListenerConfigError::OpenRelay { listen: self.listen, auth, network }),
            None => Ok(()),
        }
    }

    /// A listener on a public address whose clients have no way to sign in.
    pub fn warning(&self) -> Option<ListenerWarning> {
        let only_local = self.allow.iter().all(|network| network.network().is_loopback());
        let cannot_sign_in = matches!(self.tls, TlsMode::None) && self.auth == AuthMode::Required && only_local;
        (cannot_sign_in && !self.listen.ip().is_loopback()).then_some(ListenerWarning::LoginNeedsTls(self.listen))
    }

    /// `peer` in canonical form (an IPv4 address is not wrapped in an IPv6 one).
    pub(super) fn allows(&self, peer: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str, auth: AuthMode, allow: &[&str]) -> ListenerConfig {
        ListenerConfig {
            listen: listen.parse().unwrap(),
            tls: TlsMode::None,
            auth,
            allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
            line_endings: LineEndings::Reject,
            hostname: "mx.test".to_owned(),
        }
    }

    #[test]
    fn an_open_relay_is_refused() {
        use AuthMode::{Off, Optional, Required};
        for (auth, allow, problem) in [
            (Required, &[][..], None),
            (Required, &["0.0.0.0/0"], None), // logins without TLS from anywhere: unwise, not a relay
            (Off, &["10.0.0.0/8", "::1/128"], None),
            (Optional, &["127.0.0.0/8"], None),
            (Off, &[], Some("empty `allow`")),
            (Optional, &[], Some("empty `allow`")),
            (Off, &["0.0.0.0/0"], Some("open relay")),
            (Optional, &["10.0.0.0/8", "::/0"], Some("open relay")),
            (Off, &["0.0.0.0/1", "128.0.0.0/1"], Some("open relay")), // everybody in two halves
            (Off, &["::/1", "8000::/1"], Some("open relay")),
        ] {
            let text = config("127.0.0.1:2525", auth, allow).validate().err().map(|error| error.to_string());
            assert_eq!(text.is_some(), problem.is_some(), "{auth:?} {allow:?}: {text:?}");
            assert!(text.unwrap_or_default().contains(problem.unwrap_or_default()));
        }
    }

    #[test]
    fn a_login_nobody_can_use_is_warned_of() {
        use AuthMode::{Off, Required};
        for (listen, auth, allow, warned) in [
            ("0.0.0.0:25", Required, &["127.0.0.0/8"][..], true),
            ("0.0.0.0:25", Required, &["10.0.0.0/8"], false),
            ("127.0.0.1:25", Required, &["127.0.0.0/8"], false),
            ("0.0.0.0:25", Off, &["127.0.0.0/8"], false),
        ] {
            assert_eq!(config(listen, auth, allow).warning().is_some(), warned, "{listen} {auth:?} {allow:?}");
        }
    }
}
