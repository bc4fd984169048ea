//! From settings to a server one can connect to. Asks nothing of the network.

use std::time::Duration;

use entra::{Cloud, TokenSource};
use settings::{Connection, Security};
use store::{KeyRing, SecretField};

use super::deadlines::Deadlines;
use crate::{Network, UpstreamError};

use super::session::{Login, Target};

/// Where SMTP submission listens, unless the cloud says otherwise (RFC 6409 §3.1).
const SUBMISSION_PORT: u16 = 587;

impl Target {
    pub(super) fn is_protected(&self) -> bool {
        self.security != Security::None
    }

    pub(super) fn authenticates(&self) -> bool {
        !matches!(self.login, Login::None)
    }

    pub(super) fn signs_in_by_token(&self) -> bool {
        matches!(self.login, Login::Token { .. })
    }

    /// The server of a connection of *SMTP Server*; with `tokens` it is signed in to with those.
    pub(crate) fn of_server(
        connection: &Connection,
        keys: &KeyRing,
        tokens: Option<TokenSource>,
        network: &Network,
        hostname: Option<String>,
    ) -> Result<Self, UpstreamError> {
        let server = connection.smtp.as_ref().ok_or(UpstreamError::NoServer)?;
        let login = match (tokens, &server.username, &server.password) {
            (Some(tokens), user, _) => Login::Token { user: user.clone(), tokens },
            (None, Some(user), Some(sealed)) => {
                let field = SecretField { table: "connection", id: connection.id.0.clone(), field: "password" };
                Login::Password { user: user.clone(), password: keys.open(&field, sealed)? }
            }
            _ => Login::None,
        };
        target((&server.host, server.port), server.security, login, network, hostname)
    }

    /// Exchange Online of a cloud.
    pub(crate) fn of_exchange(
        cloud: &Cloud,
        tokens: TokenSource,
        network: &Network,
        hostname: Option<String>,
    ) -> Result<Self, UpstreamError> {
        let named = cloud.smtp.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let address = named.unwrap_or((&cloud.smtp, SUBMISSION_PORT));
        target(address, Security::StartTls, Login::Token { user: None, tokens }, network, hostname)
    }
}

fn target(
    (host, port): (&str, u16),
    security: Security,
    login: Login,
    network: &Network,
    hostname: Option<String>,
) -> Result<Target, UpstreamError> {
    let deadlines =
        Deadlines { connect: network.connect_timeout.max(Duration::from_millis(1)), ..Deadlines::default() };
    Ok(Target {
        host: host.to_owned(),
        port,
        security,
        login,
        way: network.way_to(host)?,
        tls: network.tls()?,
        hostname,
        deadlines,
    })
}
