//! Signing in with a password.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use settings::{User, UserId};
use store::{SettingsChange, Store, StoreError};

use super::change::{Decision, change, entry};
use super::gate::Subject;
use super::{NewSession, SignInGate, SignedIn, password, second_factor, session};

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
    let user = prove(store, gate, credentials, client, now).await?;
    let begun = session::begin(store, &user, client, now).await?.ok_or(SignInError::Wrong)?;
    store.record_audit(entry(&user.name, "signed_in", json!({ "peer": client.peer }), now)).await?;
    tracing::info!(event = "signed_in", user = user.name, peer = %client.peer);
    make_hash_strong(store, gate, &user, &credentials.password, now).await;
    Ok(begun)
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
    let credentials =
        Credentials { name: signed_in.user.name.clone(), password: password.clone(), code: code.map(str::to_owned) };
    let user = prove(store, gate, &credentials, client, now).await?;
    // Another user may have been given the name meanwhile.
    if user.id != signed_in.user.id {
        return Err(SignInError::Wrong);
    }
    let begun = session::begin(store, &user, client, now).await?.ok_or(SignInError::Wrong)?;
    store.remove_sessions(vec![signed_in.session.digest.clone()]).await?;
    store.record_audit(entry(&user.name, "signed_in_again", json!({ "peer": client.peer }), now)).await?;
    Ok(begun)
}

/// The user whose name, password and code these are.
pub(super) async fn prove(
    store: &dyn Store,
    gate: &SignInGate,
    credentials: &Credentials,
    client: &Client,
    now: Timestamp,
) -> Result<User, SignInError> {
    let settings = store.settings().borrow().clone();
    let user = settings.user_named(credentials.name.trim()).filter(|user| !user.disabled);
    // Asked for names that do not exist too: the time must not tell.
    let nobody = UserId(String::new());
    let sessions = store.sessions(Some(user.map_or(&nobody, |user| &user.id))).await?;
    let is_here = sessions.iter().any(|session| session.peer == Some(client.peer));
    let subject = gate.subject(&credentials.name, client.peer, is_here, now);
    gate.begin(&subject, now)?;
    let hash = user.and_then(|user| user.password_hash.clone());
    let is_right = gate.check(hash, &credentials.password).await.inspect_err(|_| gate.forgive(&subject))?;
    let Some(user) = user.filter(|_| is_right) else {
        log_failure(store, gate, user, "password", client, now).await?;
        return Err(SignInError::Wrong);
    };
    if user.totp.is_some() {
        prove_second_factor(store, gate, user, &subject, credentials.code.as_deref(), client, now).await?;
    }
    gate.succeeded(&subject, now);
    Ok(user.clone())
}

async fn prove_second_factor(
    store: &dyn Store,
    gate: &SignInGate,
    user: &User,
    subject: &Subject,
    code: Option<&str>,
    client: &Client,
    now: Timestamp,
) -> Result<(), SignInError> {
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
        gate.forgive(subject);
        return Err(SignInError::NeedsCode);
    };
    gate.begin_code(subject, now).inspect_err(|_| gate.forgive(subject))?;
    if !second_factor::accepts(store, gate, user, code, now).await? {
        log_failure(store, gate, Some(user), "code", client, now).await?;
        return Err(SignInError::Wrong);
    }
    gate.forgive_code(subject);
    Ok(())
}

/// A name that no user has is not written down: it may be a password typed into the wrong field.
async fn log_failure(
    store: &dyn Store,
    gate: &SignInGate,
    user: Option<&User>,
    wrong: &str,
    client: &Client,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(omitted) = gate.may_log_failure(now) else { return Ok(()) };
    let actor = user.map_or("anonymous", |user| user.name.as_str());
    let wrong = if user.is_some() { wrong } else { "name" };
    tracing::warn!(event = "sign_in_failed", actor, wrong, peer = %client.peer, omitted);
    let detail = json!({ "wrong": wrong, "peer": client.peer, "omitted_before": omitted });
    store.record_audit(entry(actor, "sign_in_failed", detail, now)).await
}

/// A hash that cost less than today's is replaced while the password is at hand. Failing to is nobody's trouble but the
/// log's: the person is signed in.
async fn make_hash_strong(store: &dyn Store, gate: &SignInGate, user: &User, password: &SecretString, now: Timestamp) {
    if !user.password_hash.as_deref().is_some_and(password::is_weak) {
        return;
    }
    let Ok(hash) = gate.hash(password).await else { return };
    let replaced = change::<(), StoreError>(store, &user.name, "password_hashed_anew", now, |settings| {
        // Only the very password that was checked.
        let current = settings.user(&user.id).filter(|current| current.password_hash == user.password_hash);
        let changes = current
            .map(|current| SettingsChange::PutUser(User { password_hash: Some(hash.clone()), ..current.clone() }));
        Ok(Decision { changes: changes.into_iter().collect(), detail: json!({ "user": user.name }), outcome: () })
    });
    if let Err(error) = replaced.await {
        tracing::warn!(event = "password_not_hashed_anew", user = user.name, %error);
    }
}
