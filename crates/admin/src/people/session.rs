//! Sessions of the console: who a token belongs to, how long it lives, and how it ends.
//!
//! Promise: only a keyed digest of the token is kept. A session is over when it was idle too long, is too old, was ended,
//! or its user may not sign in any more.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use settings::{Settings, User};
use store::{Session, Store, StoreError};
use subtle::ConstantTimeEq as _;

use super::change::{end_sessions_of, entry, unusable};
use super::{Client, UserSummary, random};
use crate::{Actor, AdminError, Role};

/// How often being seen is written down: a page view must not cost a write.
const SEEN_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// A browser may say anything; this much is kept.
const MAX_USER_AGENT_CHARS: usize = 256;
/// Digits of the digest that name a session to people.
const ID_CHARS: usize = 16;

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
        if self.is_fresh(now) { Ok(()) } else { Err(AdminError::StaleSignIn) }
    }
}

/// Begins a session for somebody who just proved who they are, and ends the one the browser came with. `None`: the
/// user was changed meanwhile, so what was proved may not hold any more.
pub(super) async fn begin(
    store: &dyn Store,
    user: &User,
    client: &Client,
    now: Timestamp,
) -> Result<Option<NewSession>, StoreError> {
    let token = random::token()?;
    let digest = digest(store, &token)?;
    let user_agent = client.user_agent.as_deref().map(|it| it.chars().take(MAX_USER_AGENT_CHARS).collect());
    let session = Session {
        digest: digest.clone(),
        user: user.id.clone(),
        created_at: now,
        last_seen_at: now,
        authenticated_at: now,
        peer: Some(client.peer),
        user_agent,
    };
    store.put_session(session.clone()).await?;
    // Whoever changes a user ends the sessions there are afterwards: this one is either among them, or begun after the
    // change, and then we see the change here.
    let settings = store.settings().borrow().clone();
    if !settings.user(&user.id).is_some_and(|current| is_as_proved(current, user)) {
        store.remove_sessions(vec![digest]).await?;
        return Ok(None);
    }
    if let Some(old) = &client.old_token {
        store.remove_sessions(vec![self::digest(store, old)?]).await?;
    }
    Ok(Some(NewSession { token, session }))
}

/// Using a recovery code changes the second factor without making the proof void.
fn is_as_proved(current: &User, user: &User) -> bool {
    current.password_hash == user.password_hash
        && current.role == user.role
        && current.openid == user.openid
        && current.disabled == user.disabled
}

fn digest(store: &dyn Store, token: &SecretString) -> Result<String, StoreError> {
    store.key_ring().token_digest(token).map_err(|error| unusable(&error))
}

/// Whom the token belongs to; `None`: nobody (any more). Notes, once a minute, that they were seen.
pub async fn who(
    store: &dyn Store,
    policy: &SessionPolicy,
    token: &SecretString,
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    let Some(session) = store.session(&digest(store, token)?).await?.filter(|it| is_alive(it, policy, now)) else {
        return Ok(None);
    };
    let settings = store.settings().borrow().clone();
    let Some(user) = settings.user(&session.user).filter(|user| may_sign_in(user, &settings)) else {
        return Ok(None);
    };
    if now.duration_since(session.last_seen_at) >= SEEN_EVERY {
        store.touch_session(&session.digest, now).await?;
    }
    let fresh_until = session.authenticated_at.checked_add(policy.fresh).unwrap_or(session.authenticated_at);
    let actor = Actor::new(user.name.clone(), user.role);
    Ok(Some(SignedIn { user: UserSummary::from(user), actor, session, fresh_until }))
}

fn is_alive(session: &Session, policy: &SessionPolicy, now: Timestamp) -> bool {
    now.duration_since(session.last_seen_at) < policy.idle && now.duration_since(session.created_at) < policy.absolute
}

/// A user of an OpenID provider that is not set up any more has nobody who vouches for them.
fn may_sign_in(user: &User, settings: &Settings) -> bool {
    let issuer = |url: &str| url.trim_end_matches('/').to_owned();
    let provider = settings.sign_in.openid.as_ref().map(|provider| issuer(provider.issuer.as_str()));
    !user.disabled && user.openid.as_ref().is_none_or(|openid| provider == Some(issuer(&openid.issuer)))
}

/// Ends this session.
pub async fn sign_out(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<(), AdminError> {
    store.remove_sessions(vec![signed_in.session.digest.clone()]).await?;
    store.record_audit(entry(&signed_in.user.name, "signed_out", json!({}), now)).await?;
    Ok(())
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
    let sessions = store.sessions(Some(&signed_in.user.id)).await?;
    Ok(summaries(store, policy, sessions, Some(signed_in), now))
}

/// All sessions that are alive, last seen first; `current` marks the caller's own. For administrators.
pub async fn list_sessions(
    store: &dyn Store,
    policy: &SessionPolicy,
    actor: &Actor,
    current: Option<&SignedIn>,
    now: Timestamp,
) -> Result<Vec<SessionSummary>, AdminError> {
    actor.must_be(Role::Administrator)?;
    let sessions = store.sessions(None).await?;
    Ok(summaries(store, policy, sessions, current, now))
}

fn summaries(
    store: &dyn Store,
    policy: &SessionPolicy,
    sessions: Vec<Session>,
    current: Option<&SignedIn>,
    now: Timestamp,
) -> Vec<SessionSummary> {
    let settings = store.settings().borrow().clone();
    let summary = |session: Session| {
        let user = settings.user(&session.user).filter(|user| may_sign_in(user, &settings))?;
        Some(SessionSummary {
            id: id(&session).to_owned(),
            user: user.name.clone(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            peer: session.peer,
            is_current: current.is_some_and(|current| current.session.digest == session.digest),
            user_agent: session.user_agent,
        })
    };
    sessions.into_iter().filter(|session| is_alive(session, policy, now)).filter_map(summary).collect()
}

/// The digest of a token of 256 bits: a part of it names the session, and none of it says anything of the token.
fn id(session: &Session) -> &str {
    session.digest.get(..ID_CHARS).unwrap_or(&session.digest)
}

/// Ends the session with this id: one's own, or anybody's for an administrator.
pub async fn end_session(store: &dyn Store, signed_in: &SignedIn, id: &str, now: Timestamp) -> Result<(), AdminError> {
    let whose = if signed_in.actor.may(Role::Administrator) { None } else { Some(&signed_in.user.id) };
    let sessions = store.sessions(whose).await?;
    // The same answer for a session that is not there and for somebody else's.
    let ended = sessions.into_iter().find(|session| self::id(session) == id).ok_or_else(|| {
        AdminError::refused("there is no such session (any more)", "List the sessions again: it may be over already.")
    })?;
    let owner = store.settings().borrow().user(&ended.user).map(|user| user.name.clone());
    store.remove_sessions(vec![ended.digest]).await?;
    let detail = json!({ "user": owner, "session": id, "begun": ended.created_at, "peer": ended.peer });
    store.record_audit(entry(signed_in.actor.name(), "session_ended", detail, now)).await?;
    Ok(())
}

/// Ends all of one's own sessions but this one; returns how many.
pub async fn end_other_sessions(store: &dyn Store, signed_in: &SignedIn, now: Timestamp) -> Result<usize, AdminError> {
    let ended = end_sessions_of(store, &signed_in.user.id, Some(&signed_in.session.digest)).await?;
    let detail = json!({ "user": signed_in.user.name, "ended": ended });
    store.record_audit(entry(signed_in.actor.name(), "other_sessions_ended", detail, now)).await?;
    Ok(ended)
}

/// Forgets the sessions that are over; for housekeeping, now and then. Returns how many.
pub async fn purge_sessions(store: &dyn Store, policy: &SessionPolicy, now: Timestamp) -> Result<u64, StoreError> {
    let (Ok(idle_since), Ok(created_before)) = (now.checked_sub(policy.idle), now.checked_sub(policy.absolute)) else {
        return Ok(0);
    };
    store.purge_sessions(idle_since, created_before).await
}

/// What every form of this session carries: derived from it, so nothing is kept. Hex, 64 characters.
pub fn csrf_token(store: &dyn Store, session: &Session) -> Result<String, AdminError> {
    // The purpose is part of what is digested: no digest made for something else can pass for one of these.
    Ok(digest(store, &format!("csrf:{}", session.digest).into())?)
}

/// Whether a form came from a page of this session. The comparison's time tells nothing.
pub fn csrf_matches(store: &dyn Store, session: &Session, given: &str) -> bool {
    csrf_token(store, session).is_ok_and(|token| token.as_bytes().ct_eq(given.as_bytes()).into())
}
