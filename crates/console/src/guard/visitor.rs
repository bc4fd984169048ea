//! Who is there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use admin::people::{self, Client, SignedIn};
use admin::{Actor, Testing};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};

use super::Cookies;
use crate::Console;
use crate::error::PageError;

/// A signed-in user on their way through the pages.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) signed_in: SignedIn,
    /// For forms and scripts of this session.
    pub(crate) csrf: String,
    pub(crate) theme: &'static str,
    /// Where they are now.
    pub(crate) path: String,
    /// `done=` of the query: what the action before came to.
    pub(crate) done: Option<String>,
    /// What needs somebody's attention in the settings: shown in the menu.
    pub(crate) warnings: usize,
    /// Whether mail reaches those it is for: said on every page while it does not.
    pub(crate) testing: Testing,
}

impl Visitor {
    pub(crate) fn actor(&self) -> &Actor {
        &self.signed_in.actor
    }
}

/// `None`: nobody is signed in.
pub(super) async fn recognise(console: &Console, headers: &HeaderMap, uri: &Uri) -> Result<Option<Visitor>, PageError> {
    let cookies = Cookies::of(headers);
    let Some(token) = cookies.session(console.is_secure()) else { return Ok(None) };
    let now = console.now();
    let Some(signed_in) = people::who(console.store(), &console.config.sessions, &token, now).await? else {
        return Ok(None);
    };
    let csrf = people::csrf_token(console.store(), &signed_in.session)?;
    let query = uri.query().unwrap_or_default();
    let done = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done");
    Ok(Some(Visitor {
        signed_in,
        csrf,
        theme: cookies.theme(),
        path: uri.path().to_owned(),
        done: done.map(|(_, value)| value.into_owned()),
        warnings: admin::expiring(&console.store().settings().borrow(), now).len(),
        testing: admin::testing(console.store()),
    }))
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        // The guard put it there; a handler that asks for it without a guard is a mistake of ours.
        let missing = || PageError::new(StatusCode::FORBIDDEN, "Nobody is signed in", "Sign in first.");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// Where a sign-in comes from.
pub(crate) fn client(console: &Console, parts: &Parts) -> Client {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Client {
        // An unknown peer is in nobody's network.
        peer: peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        user_agent: user_agent.map(str::to_owned),
        old_token: Cookies::of(&parts.headers).session(console.is_secure()),
    }
}
