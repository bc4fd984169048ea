//! What all sign-ins share: how many are checked at once, how fast one may guess, and what is remembered meanwhile.
//!
//! Promise: passwords are checked off the async threads, a bounded number at once; everything remembered has a bound.

mod attempts;
mod failure_log;
mod throttle;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use settings::UserId;
use store::StoreError;
use tokio::sync::Semaphore;

use attempts::Attempts;
pub(super) use attempts::Subject;
use failure_log::FailureLog;

use super::{SignInError, password};
use crate::Refused;

/// More waiting than this, and whoever comes is told to come later.
const MAX_WAITING: usize = 64;
/// Second factors that were begun and not confirmed; more push the oldest out.
const MAX_PENDING: usize = 256;
/// How long a second factor may stay unconfirmed.
const PENDING_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// Shared by everything in the process that checks passwords of people. Lives as long as the process.
#[derive(Debug)]
pub struct SignInGate {
    checks: Arc<Semaphore>,
    waiting: Semaphore,
    attempts: Mutex<Attempts>,
    failure_log: Mutex<FailureLog>,
    /// Second factors begun, by user.
    pending: Mutex<HashMap<UserId, (SecretString, Timestamp)>>,
    /// The last time step of which a user's code was taken (RFC 6238, 5.2: each is good once).
    used_steps: Mutex<HashMap<UserId, u64>>,
}

impl SignInGate {
    /// `max_checks`: passwords checked at the same time; each takes a core and 19 MiB for some 20 ms.
    pub fn new(max_checks: usize) -> Self {
        Self {
            checks: Arc::new(Semaphore::new(max_checks.max(1))),
            waiting: Semaphore::new(MAX_WAITING),
            attempts: Mutex::default(),
            failure_log: Mutex::default(),
            pending: Mutex::default(),
            used_steps: Mutex::default(),
        }
    }

    /// Whether the password is the hash's. With `None` it is not, after the same time.
    pub(super) async fn check(&self, hash: Option<String>, password: &SecretString) -> Result<bool, SignInError> {
        let password = password.clone();
        self.off_the_async_threads(move || password::verify(hash.as_deref(), &password))
            .await
            .map_err(|_| SignInError::Busy)
    }

    /// The hash to keep for a password.
    pub(super) async fn hash(&self, password: &SecretString) -> Result<String, Refused> {
        let password = password.clone();
        let busy = || Refused::new("too many passwords are being checked", "Try again in a moment.");
        self.off_the_async_threads(move || password::hash(&password)).await.map_err(|_| busy())?
    }

    async fn off_the_async_threads<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TooMany> {
        let _place = self.waiting.try_acquire().map_err(|_| TooMany)?;
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(|_| TooMany)?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| TooMany)
    }

    /// Counts an attempt as failed until it turns out otherwise: many at once must not all see a clean slate.
    pub(super) fn begin(&self, subject: &Subject, now: Timestamp) -> Result<(), SignInError> {
        lock(&self.attempts).begin(subject, now).map_err(|retry_after| SignInError::Throttled { retry_after })
    }

    /// It was no failure, or was never checked.
    pub(super) fn forgive(&self, subject: &Subject) {
        lock(&self.attempts).forgive(subject);
    }

    /// It was right: whoever comes from there is known.
    pub(super) fn succeeded(&self, subject: &Subject, now: Timestamp) {
        lock(&self.attempts).succeeded(subject, now);
    }

    /// `has_session_from_there`: the user is signed in from this address, which outlives a restart.
    pub(super) fn subject(&self, name: &str, peer: IpAddr, has_session_from_there: bool, now: Timestamp) -> Subject {
        lock(&self.attempts).subject(name, peer, has_session_from_there, now)
    }

    /// As [`Self::begin`], for codes of the second factor: the password was right, and a million codes are few.
    pub(super) fn begin_code(&self, subject: &Subject, now: Timestamp) -> Result<(), SignInError> {
        lock(&self.attempts).begin_code(subject, now).map_err(|retry_after| SignInError::Throttled { retry_after })
    }

    /// The code was right.
    pub(super) fn forgive_code(&self, subject: &Subject) {
        lock(&self.attempts).forgive_code(subject);
    }

    /// Whether a failure may be written to the audit log, and how many were left out before it.
    pub(super) fn may_log_failure(&self, now: Timestamp) -> Option<u64> {
        lock(&self.failure_log).admit(now)
    }

    /// Remembers a second factor that is not confirmed yet.
    pub(super) fn put_pending(&self, user: &UserId, secret: SecretString, now: Timestamp) -> Result<(), StoreError> {
        let until = now
            .checked_add(PENDING_LIFETIME)
            .map_err(|error| StoreError::Unavailable { detail: format!("the clock is wrong: {error}") })?;
        let mut pending = lock(&self.pending);
        pending.retain(|_, (_, until)| now < *until);
        if pending.len() >= MAX_PENDING
            && let Some(oldest) = pending.iter().min_by_key(|(_, (_, until))| *until).map(|(user, _)| user.clone())
        {
            pending.remove(&oldest);
        }
        pending.insert(user.clone(), (secret, until));
        Ok(())
    }

    pub(super) fn pending(&self, user: &UserId, now: Timestamp) -> Option<SecretString> {
        lock(&self.pending).get(user).filter(|(_, until)| now < *until).map(|(secret, _)| secret.clone())
    }

    pub(super) fn forget_pending(&self, user: &UserId) {
        lock(&self.pending).remove(user);
    }

    /// Takes the code of this time step; `false`: one of it, or of a later one, was taken before.
    pub(super) fn take_step(&self, user: &UserId, step: u64) -> bool {
        let mut used = lock(&self.used_steps);
        let is_new = used.get(user).is_none_or(|last| *last < step);
        if is_new {
            used.insert(user.clone(), step);
        }
        is_new
    }
}

impl Default for SignInGate {
    fn default() -> Self {
        Self::new(2)
    }
}

struct TooMany;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
