//! Who calls: the submission account of the bearer token, or somebody who was let in elsewhere to see all messages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::SecretString;
use settings::{Account, AccountId};

use super::{Api, Problem};
use crate::intake::{Intake, Origin, Submitter, Via};

/// In a request's extensions: its caller is no submission account and may see the messages of all of them. Put there by
/// who knows administrators, after asking for their right; a client cannot.
#[derive(Debug, Clone, Copy)]
pub struct SeesAllMessages;

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
        if parts.extensions.get::<SeesAllMessages>().is_some() {
            return Err(Problem::account_needed());
        }
        Ok(Self { account: account_of(&api.intake, parts)?, peer: peer(parts) })
    }
}

/// Whose messages a caller may see.
#[derive(Debug, Clone)]
pub(super) enum Reader {
    Account(AccountId),
    All,
}

impl Reader {
    /// `None`: everybody's.
    pub(super) fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account(id) => Some(id.clone()),
            Self::All => None,
        }
    }

    pub(super) fn may_see(&self, owner: Option<&AccountId>) -> bool {
        match self {
            Self::Account(id) => owner == Some(id),
            Self::All => true,
        }
    }
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if parts.extensions.get::<SeesAllMessages>().is_some() {
            return Ok(Self::All);
        }
        Ok(Self::Account(account_of(&api.intake, parts)?.id.clone()))
    }
}

/// The submission account whose bearer token the request carries.
pub fn account_of(intake: &Intake, parts: &Parts) -> Result<Arc<Account>, Problem> {
    let token = bearer_token(&parts.headers).ok_or_else(Problem::missing_token)?;
    // An unknown peer is in no network: an account that is limited to some stays closed.
    let network = peer(parts).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(intake.authenticate_token(&token, network)?)
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// `Authorization: Bearer TOKEN`
pub fn bearer_token(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}
