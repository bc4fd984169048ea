//! Signing in with a password.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use store::{Store, StoreError};

use super::{NewSession, SignInGate, SignedIn};

/// Where a sign-in comes from.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: IpAddr,
    /// As the browser says; shown in the list of sessions, believed by nobody.
    pub user_agent: Option<String>,
    /// The session token the browser came with: that session ends when a new one begins.
    pub old_token: Option<SecretString>,
}

/// What was typed at sign-in.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub name: String,
    pub password: SecretString,
    /// Six digits of the second factor, or a recovery code.
    pub code: Option<String>,
}

/// Why somebody is not let in. The peer learns no more than the variant.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Name, password or code; or the user is disabled or signs in with the OpenID provider only.
    #[error("user name, password or code is wrong")]
    Wrong,
    /// Name and password are right: ask for the code, and call again with all three.
    #[error("a code of the second factor is needed")]
    NeedsCode,
    /// Too many failures for this name or from this network a short while ago. Nothing was checked.
    #[error("too many failed sign-ins: try again in {} seconds", .retry_after.as_secs())]
    Throttled { retry_after: SignedDuration },
    /// Too many passwords are being checked: try again in a moment.
    #[error("too many sign-ins at once")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks name, password and, where there is one, the second factor, and begins a session.
///
/// A name that does not exist costs the time of a wrong password.
pub async fn sign_in(
    store: &dyn Store,
    gate: &SignInGate,
    credentials: &Credentials,
    client: &Client,
    now: Timestamp,
) -> Result<NewSession, SignInError> {
    todo!()
}

/// Somebody who is signed in proves it again, before secrets are changed: the session gets a new token, and is fresh.
/// Users of the OpenID provider do it there ([`super::OpenIdGate::begin`]).
pub async fn reauthenticate(
    store: &dyn Store,
    gate: &SignInGate,
    signed_in: &SignedIn,
    password: &SecretString,
    code: Option<&str>,
    client: &Client,
    now: Timestamp,
) -> Result<NewSession, SignInError> {
    todo!()
}
