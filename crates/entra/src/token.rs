//! One source of tokens for one credential and one service.
//!
//! ```text
//!            token()                    issued
//!   empty ───────────► asking ─────────────────────► fresh ──┐ token(): at once
//!     ▲                  │ refused                     │     │
//!     │ invalidate       ▼                             ▼ refresh time
//!     ├──────────── backing off              ageing: token() at once, asking in the background;
//!     │                  │ back-off over     a refusal changes nothing until the token dies
//!     └──────────────────┘
//! ```
//!
//! Promise: one request in flight, however many callers and whatever they do: it runs in a task of its own, so a caller
//! that gives up does not end it for the others. While a token lives, a failing refresh is nobody's trouble but the log's.
//!
//! Invariant: the lock is never held across an await.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Cause;
use crate::exchange::{Application, Exchange, Issued, Scope};
use crate::{Claims, ClaimsError, EntraError, schedule};

/// A bearer token. `Debug` shows its age, never itself.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    issued: Instant,
    lifetime: Duration,
}

impl AccessToken {
    /// The token itself, for the `Authorization` header or the XOAUTH2 line and nothing else.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// How long ago it was issued.
    pub fn age(&self) -> Duration {
        self.issued.elapsed()
    }

    /// What it says about itself, for diagnostics.
    pub fn claims(&self) -> Result<Claims, ClaimsError> {
        Claims::decode(self.expose())
    }

    fn is_usable(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.issued) < schedule::usable(self.lifetime)
    }

    fn is_ageing(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.issued) >= schedule::refresh_after(self.lifetime)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// Gives tokens to everybody who sends with the same credential. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    exchange: Exchange,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<AccessToken>,
    failure: Option<Failure>,
    asking: Option<Answer>,
}

#[derive(Debug)]
struct Failure {
    error: EntraError,
    /// In a row.
    count: u32,
    until: Instant,
}

/// Holds the result once there is one.
type Answer = watch::Receiver<Option<Result<AccessToken, EntraError>>>;

enum Next {
    Have(AccessToken),
    Refused(EntraError),
    Wait(Answer),
}

impl TokenSource {
    /// A source for `application` on one service. The client brings proxy and trust anchors, and follows no redirects.
    pub fn new(http: reqwest::Client, application: Application, scope: &Scope) -> Result<Self, EntraError> {
        let exchange = Exchange::new(http, application, scope)?;
        Ok(Self(Arc::new(Shared { exchange, state: Mutex::default() })))
    }

    /// A token that is good for the next minute.
    pub async fn token(&self) -> Result<AccessToken, EntraError> {
        let next = self.next(Instant::now());
        match next {
            Next::Have(token) => Ok(token),
            Next::Refused(error) => Err(error),
            Next::Wait(answer) => wait_for(answer).await,
        }
    }

    /// A token asked for now, whatever is remembered: for an administrator's test of a connection. Joins a request that
    /// is already under way.
    pub async fn fresh_token(&self) -> Result<AccessToken, EntraError> {
        let answer = self.ask(&mut self.state());
        wait_for(answer).await
    }

    /// Forgets `token`, because it was refused. Another one that has taken its place meanwhile is kept: of many callers
    /// whose token was refused, one causes a request.
    pub fn invalidate(&self, token: &AccessToken) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|current| current.expose() == token.expose()) {
            state.current = None;
        }
    }

    fn next(&self, now: Instant) -> Next {
        let mut state = self.state();
        let failing = state.failure.as_ref().filter(|failure| now < failure.until);
        let refusal = failing.map(|f| f.error.with_retry_after(f.until.saturating_duration_since(now)));
        if let Some(token) = state.current.clone().filter(|token| token.is_usable(now)) {
            if token.is_ageing(now) && refusal.is_none() {
                self.ask(&mut state);
            }
            return Next::Have(token);
        }
        if let (Some(error), None) = (refusal, &state.asking) {
            return Next::Refused(error);
        }
        Next::Wait(self.ask(&mut state))
    }

    /// Joins the request under way, or starts one.
    fn ask(&self, state: &mut State) -> Answer {
        if let Some(answer) = &state.asking {
            return answer.clone();
        }
        let (sender, answer) = watch::channel(None);
        state.asking = Some(answer.clone());
        let source = self.clone();
        // If the task is dropped with its runtime, the channel closes, the waiters are told, and the guard below lets the
        // next caller ask again.
        let asking = Asking { source: source.clone() };
        tokio::spawn(async move {
            let result = source.0.exchange.request().await;
            let result = asking.finish(result);
            sender.send_replace(Some(result));
        });
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a plain assignment; a panic elsewhere cannot leave it half made.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a request under way; ends that mark however the request ends.
struct Asking {
    source: TokenSource,
}

impl Asking {
    fn finish(self, result: Result<Issued, EntraError>) -> Result<AccessToken, EntraError> {
        let now = Instant::now();
        let mut state = self.source.state();
        match result {
            Ok(Issued { secret, lifetime }) => {
                let token = AccessToken { secret, issued: now, lifetime };
                state.current = Some(token.clone());
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                let count = state.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
                let wait = schedule::back_off(&error, count);
                let kept = state.current.as_ref().is_some_and(|token| token.is_usable(now));
                tracing::warn!(
                    event = "token_failed", %error, failures = count, retry_in_s = wait.as_secs(), old_token_kept = kept
                );
                let error = error.with_retry_after(wait);
                state.failure = Some(Failure { error: error.clone(), count, until: now + wait });
                Err(error)
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.source.state().asking = None;
    }
}

async fn wait_for(mut answer: Answer) -> Result<AccessToken, EntraError> {
    let interrupted = || EntraError::new(Cause::Interrupted, None);
    match answer.wait_for(Option::is_some).await {
        Ok(result) => result.clone().unwrap_or_else(|| Err(interrupted())),
        Err(_) => Err(interrupted()),
    }
}
