//! One source of tokens for one credential or one grant, and one service.
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

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Cause, SetupProblem};
use crate::exchange::{Application, Exchange, Issued, Scope, setup};
use crate::grant::{Delegated, GrantKeeper};
use crate::managed_identity::ManagedIdentity;
use crate::{Claims, ClaimsError, Credential, EntraError, Quiet, schedule};

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
    identity: Identity,
    state: Mutex<State>,
}

/// Whose rights the tokens carry.
#[derive(Debug)]
enum Identity {
    /// The application's own.
    Application(Exchange, Scope),
    /// Those of the machine, for one service.
    Machine(ManagedIdentity, String),
    /// Those of a user who signed in.
    Delegated(Exchange, Delegated),
}

#[derive(Debug, Default)]
struct State {
    current: Option<AccessToken>,
    failure: Option<Failure>,
    asking: Option<Answer>,
    /// Shared with the other sources of the application.
    quiet: Quiet,
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
        let identity = match &application.credential {
            Credential::PublicClient => return Err(setup(SetupProblem::NoCredential)),
            Credential::ManagedIdentity(host) => {
                let machine = ManagedIdentity::new(http, &application, host.clone());
                Identity::Machine(machine, scope.resource(&application.cloud))
            }
            _ => Identity::Application(Exchange::new(http, application)?, scope.clone()),
        };
        Ok(Self::of(identity))
    }

    /// A source for the user whose grant `keeper` keeps. Asks nothing yet, not even of the keeper.
    pub fn delegated(
        http: reqwest::Client,
        application: Application,
        keeper: Arc<dyn GrantKeeper>,
    ) -> Result<Self, EntraError> {
        Ok(Self::of(Identity::Delegated(Exchange::new(http, application)?, Delegated::new(keeper))))
    }

    fn of(identity: Identity) -> Self {
        Self(Arc::new(Shared { identity, state: Mutex::default() }))
    }

    /// The same, quiet together with every other source that has this `quiet`: to be one for each application.
    #[must_use]
    pub fn quiet_with(self, quiet: &Quiet) -> Self {
        self.state().quiet = quiet.clone();
        self
    }

    /// A token that is good for the next minute.
    pub async fn token(&self) -> Result<AccessToken, EntraError> {
        let mut next = self.next(Instant::now());
        if matches!(&next, Next::Refused(error) if error.needs_sign_in()) && self.notice_sign_in().await {
            next = self.next(Instant::now());
        }
        match next {
            Next::Have(token) => Ok(token),
            Next::Refused(error) => Err(error),
            Next::Wait(answer) => wait_for(answer).await,
        }
    }

    /// Forgets token and failures if somebody has signed in anew, perhaps as somebody else; returns whether so. To be
    /// called when the kept grant has changed; after a dead grant it is noticed without.
    pub async fn notice_sign_in(&self) -> bool {
        let Identity::Delegated(_, delegated) = &self.0.identity else { return false };
        // A keeper that fails says so again, with its reason, when the next token is asked for.
        let is_another = delegated.is_another().await.unwrap_or(false);
        if is_another {
            let mut state = self.state();
            state.current = None;
            state.failure = None;
        }
        is_another
    }

    /// Exchanges the refresh token of a grant that was not used for `idle`, so that it does not end from disuse; returns
    /// whether it did. For everything that is no living grant there is nothing to do.
    pub async fn keep_alive(&self, idle: Duration, now: Timestamp) -> Result<bool, EntraError> {
        let Identity::Delegated(_, delegated) = &self.0.identity else { return Ok(false) };
        let Some(kept) = delegated.load().await? else { return Ok(false) };
        if Duration::try_from(now.duration_since(kept.refreshed_at)).unwrap_or_default() < idle {
            return Ok(false);
        }
        self.fresh_token().await.map(|_| true)
    }

    /// A token asked for now, whatever is remembered: for an administrator's test of a connection. Joins a request that
    /// is already under way. Only silence that Entra asked for is kept.
    pub async fn fresh_token(&self) -> Result<AccessToken, EntraError> {
        let answer = {
            let mut state = self.state();
            if let (Some(error), None) = (state.quiet.reason(Instant::now()), &state.asking) {
                return Err(error);
            }
            self.ask(&mut state)
        };
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
        let refusal = refusal.or_else(|| state.quiet.reason(now));
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
            let result = source.0.request().await;
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

impl Shared {
    async fn request(&self) -> Result<Issued, EntraError> {
        match &self.identity {
            Identity::Application(exchange, scope) => exchange.client_credentials(scope).await,
            Identity::Machine(machine, resource) => machine.token(resource).await,
            Identity::Delegated(exchange, delegated) => delegated.refresh(exchange).await,
        }
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
                let is_throttled = error.is_throttled();
                let error = error.with_retry_after(wait);
                if is_throttled {
                    state.quiet.begin(now + wait, &error);
                }
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
