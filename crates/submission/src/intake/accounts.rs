//! Who is at the other end: submission accounts by password or token.
//!
//! Promise: a password is checked with argon2id, off the async threads, a bounded number at once; a name that does not
//! exist costs the same time as a wrong password. A hash that cannot be read lets nobody in.
//!
//! A client that signs in for every message would pay 20 ms each time. So a password that was right is remembered for
//! a short while as a keyed digest of name, stored hash and password: a changed password is a different digest, and the
//! digest is worth nothing without the key ring.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use settings::{Account, Settings};
use store::KeyRing;
use tokio::sync::Semaphore;

/// How long a password that was right is taken without another check.
const REMEMBER: SignedDuration = SignedDuration::from_mins(5);
/// More are forgotten all at once: the price is one check each.
const MAX_REMEMBERED: usize = 4096;
/// More waiting than this, and whoever comes is told to come later.
const MAX_WAITING: usize = 64;

/// Why somebody is not let in. The peer learns no more than the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("user name, password or token is wrong")]
    InvalidCredentials,
    #[error("this account may not be used from this network")]
    NetworkNotAllowed,
    /// Not the client's fault: try later.
    #[error("too many sign-ins at once")]
    Busy,
    /// Not the client's fault: the key ring cannot be used.
    #[error("signing in does not work at the moment")]
    Unavailable,
}

#[derive(Debug)]
pub(super) struct Authenticator {
    pub(super) checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    remembered: Mutex<HashMap<String, Timestamp>>,
}

impl Authenticator {
    pub(super) fn new(max_checks: usize) -> Self {
        Self {
            checks: Arc::new(Semaphore::new(max_checks.max(1))),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            remembered: Mutex::default(),
        }
    }

    pub(super) async fn password(
        &self,
        settings: &Settings,
        key_ring: &KeyRing,
        user: &str,
        password: &SecretString,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Arc<Account>, AuthError> {
        let account = settings.account_named(user);
        let hash = account.and_then(|account| account.password_hash.clone());
        // Length-prefixed, so that no two pairs of name and password have the same text.
        let known = hash.as_ref().map(|hash| {
            let text = format!("{}:{user}{}:{hash}{}", user.len(), hash.len(), password.expose_secret());
            key_ring.token_digest(&text.into())
        });
        let digest = known.transpose().map_err(|_| AuthError::Unavailable)?;
        let is_known = digest.as_ref().is_some_and(|digest| self.remembers(digest, now));
        if !is_known && !self.check(hash, password.clone()).await? {
            return Err(AuthError::InvalidCredentials);
        }
        let account = account.ok_or(AuthError::InvalidCredentials)?;
        if let Some(digest) = digest.filter(|_| !is_known) {
            self.remember(digest, now);
        }
        from_network(account, peer)
    }

    /// With `None`, nobody is let in, after the same time.
    async fn check(&self, hash: Option<String>, password: SecretString) -> Result<bool, AuthError> {
        let _place = self.waiting.try_acquire().map_err(|_| AuthError::Busy)?;
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(|_| AuthError::Busy)?;
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            verify(hash.as_deref(), &password)
        });
        checked.await.map_err(|_| AuthError::Unavailable)
    }

    fn remembers(&self, digest: &str, now: Timestamp) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(digest).is_some_and(|until| now < *until)
    }

    fn remember(&self, digest: String, now: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        if let Ok(until) = now.checked_add(REMEMBER) {
            remembered.insert(digest, until);
        }
    }
}

fn verify(hash: Option<&str>, password: &SecretString) -> bool {
    let password = password.expose_secret().as_bytes();
    let Some(hash) = hash else {
        // The work of a check, for nothing: the answer's time must not tell whether the name exists.
        let _ = Argon2::default().hash_password_with_salt(password, b"no such account!");
        return false;
    };
    match Argon2::default().verify_password(password, hash) {
        Ok(()) => true,
        Err(argon2::password_hash::Error::PasswordInvalid) => false,
        Err(error) => {
            tracing::error!(event = "password_hash_unreadable", %error, "an account's password hash cannot be read");
            false
        }
    }
}

/// A token's digest is keyed, so the time a comparison takes tells nothing about the token.
pub(super) fn token(
    settings: &Settings,
    key_ring: &KeyRing,
    token: &SecretString,
    peer: IpAddr,
) -> Result<Arc<Account>, AuthError> {
    let digest = key_ring.token_digest(token).map_err(|_| AuthError::Unavailable)?;
    let owns = |account: &&Account| account.token_digest.as_ref() == Some(&digest);
    let account = settings.accounts.iter().find(owns).ok_or(AuthError::InvalidCredentials)?;
    from_network(account, peer)
}

fn from_network(account: &Account, peer: IpAddr) -> Result<Arc<Account>, AuthError> {
    if !account.may_connect_from(peer) {
        return Err(AuthError::NetworkNotAllowed);
    }
    Ok(Arc::new(account.clone()))
}
