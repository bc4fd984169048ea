//! Sessions of the console: who a token belongs to, how long it lives, and how it ends.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use store::{Session, Store, StoreError};

use super::UserSummary;
use crate::{Actor, AdminError};

/// How long sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Without a request.
    pub idle: SignedDuration,
    /// Since sign-in, whatever is done.
    pub absolute: SignedDuration,
    /// After proving who one is, secrets may be changed for this long.
    pub fresh: SignedDuration,
}

impl Default for SessionPolicy {
    /// An hour idle, a working day and a half at most, ten minutes fresh.
    fn default() -> Self {
        Self {
            idle: SignedDuration::from_mins(60),
            absolute: SignedDuration::from_hours(12),
            fresh: SignedDuration::from_mins(10),
        }
    }
}

/// A session that just began. The token is for the browser's cookie and nothing else; it is kept nowhere.
#[derive(Debug)]
pub struct NewSession {
    pub token: SecretString,
    pub session: Session,
}

/// Somebody whose session is alive.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: UserSummary,
    /// Under which name and role the operations know them.
    pub actor: Actor,
    pub session: Session,
    fresh_until: Timestamp,
}

impl SignedIn {
    /// Whether they proved who they are not long ago: asked before secrets are changed.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    /// The same as a check: [`AdminError::StaleSignIn`] unless fresh.
    pub fn must_be_fresh(&self, now: Timestamp) -> Result<(), AdminError> {
        todo!()
    }
}

/// Whom the token belongs to; `None`: nobody (any more). Notes, once a minute, that they were seen.
pub async fn who(
    store: &dyn Store,
    policy: &SessionPolicy,
    token: &SecretString,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    todo!()
}

/// Ends this session.
pub async fn sign_out(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}

/// A session as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionSummary {
    /// Names the session to [`end_session`]; no token can be made from it.
    pub id: String,
    /// Name of the user.
    pub user: String,
    pub created_at: Timestamp,
    /// To the minute.
    pub last_seen_at: Timestamp,
    pub peer: Option<IpAddr>,
    pub user_agent: Option<String>,
    /// The one that asks.
    pub is_current: bool,
}

/// One's own sessions that are alive, last seen first.
pub async fn own_sessions(
    store: &dyn Store,
    policy: &SessionPolicy,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<Vec<SessionSummary>, AdminError> {
    todo!()
}

/// All sessions that are alive, last seen first; `current` marks the caller's own. For administrators.
pub async fn list_sessions(
    store: &dyn Store,
    policy: &SessionPolicy,
    actor: &Actor,
    current: Option<&SignedIn>,
    now: Timestamp,
) -> Result<Vec<SessionSummary>, AdminError> {
    todo!()
}

/// Ends the session with this id: one's own, or anybody's for an administrator.
pub async fn end_session(store: &dyn Store, signed_in: &SignedIn, id: &str, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}

/// Ends all of one's own sessions but this one; returns how many.
pub async fn end_other_sessions(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<usize, AdminError> {
    todo!()
}

/// Forgets the sessions that are over; for housekeeping, now and then. Returns how many.
pub async fn purge_sessions(store: &dyn Store, policy: &SessionPolicy, now: Timestamp) -> Result<u64, StoreError> {
    todo!()
}

/// What every form of this session carries: derived from it, so nothing is kept. Hex, 64 characters.
pub fn csrf_token(store: &dyn Store, session: &Session) -> Result<String, AdminError> {
    todo!()
}

/// Whether a form came from a page of this session. The comparison's time tells nothing.
pub fn csrf_matches(store: &dyn Store, session: &Session, given: &str) -> bool {
    todo!()
}
