//! Who calls: the submission account of the bearer token.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::SecretString;
use settings::Account;

use super::{Api, Problem};
use crate::intake::{Origin, Submitter, Via};

#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) account: Arc<Account>,
    peer: Option<IpAddr>,
}

impl SignedIn {
    pub(super) fn origin(&self) -> Origin {
        Origin {
            via: Via::Http,
            peer: self.peer,
            helo: None,
            tls: None,
            submitter: Submitter::Account(Arc::clone(&self.account)),
            hostname: None,
        }
    }
}

impl FromRequestParts<Api> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let token = bearer_token(parts).ok_or_else(Problem::missing_token)?;
        // An unknown peer is in no network: an account that is limited to some stays closed.
        let network = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let account = api.intake.authenticate_token(&token, network)?;
        Ok(Self { account, peer })
    }
}

fn bearer_token(parts: &Parts) -> Option<SecretString> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}
