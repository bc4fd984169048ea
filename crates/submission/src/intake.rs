//! The one way into the queue, for SMTP, HTTP, `sendmail` and the command line alike.
//!
//! Promise: [`Incoming::commit`] returns an id only after the message and its envelope are durable; until then the message
//! does not exist, and dropping an [`Incoming`] forgets it. Nobody sends as somebody they may not be: MAIL FROM and
//! every address of the header From are checked. What is stored is in canonical CRLF form, whatever came.
//!
//! Left to others: the protocols (`smtp`, `http`), the queue (`store`), everything behind it.
//!
//! Invariant: memory per message is bounded by the header limit; the body streams through.
//!
//! ```text
//!   authenticate ─► check_reverse_path ─► begin ─► write* ─► commit ─► id
//!                                           └────────┴─► dropped: nothing happened
//! ```

mod accounts;
mod header_facts;
mod ids;
mod incoming;
mod policy;
mod rate;
mod refusal;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mail::{Envelope, ReversePath};
use secrecy::SecretString;
use settings::{Account, Settings};
use store::{Priority, Store};

use crate::clock::Clock;
use accounts::Authenticator;
use ids::IdSource;
use rate::RateLimiter;

pub use accounts::AuthError;
pub use incoming::Incoming;
pub use refusal::{Refusal, RefusalKind};
pub use store::Via;

/// What bounds a message.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Config `limits.max_message_bytes`. 35 MiB is what Exchange Online takes by default.
    pub max_message_bytes: u64,
    /// Config `limits.max_recipients`. 500 is Exchange Online's default for one message.
    pub max_recipients: usize,
    /// Config `limits.queue_lifetime`: after that a message fails instead of being tried again.
    pub queue_lifetime: SignedDuration,
    /// The header is kept in memory while a message comes in. Real headers stay below 64 KiB.
    pub max_header_bytes: usize,
    /// More `Received` fields than that are a loop (RFC 5321 §6.3 asks for at least 100).
    pub max_received_fields: usize,
    /// Password checks at once: each takes a core and 19 MiB for some 20 ms.
    pub max_password_checks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 35 * 1024 * 1024,
            max_recipients: 500,
            queue_lifetime: SignedDuration::from_hours(48),
            max_header_bytes: 256 * 1024,
            max_received_fields: 100,
            max_password_checks: 2,
        }
    }
}

/// Who hands the message in.
#[derive(Debug, Clone)]
pub enum Submitter {
    /// Proved to be this submission account.
    Account(Arc<Account>),
    /// Not authenticated; the listener trusts the network.
    Network,
    /// On this machine's command line.
    Local,
}

impl Submitter {
    pub fn account(&self) -> Option<&Arc<Account>> {
        match self {
            Self::Account(account) => Some(account),
            Self::Network | Self::Local => None,
        }
    }
}

/// Where a message comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    pub via: Via,
    pub peer: Option<IpAddr>,
    /// What the client called itself, as it came.
    pub helo: Option<String>,
    /// TLS version and cipher suite, if the way in was encrypted.
    pub tls: Option<String>,
    pub submitter: Submitter,
    /// The listener's host name, if it has one of its own.
    pub hostname: Option<String>,
}

/// What a submitter may ask for beside the envelope.
#[derive(Debug, Clone, Default)]
pub struct SubmissionOptions {
    pub priority: Priority,
    /// Not before then. The lifetime counts from then.
    pub send_at: Option<Timestamp>,
    pub metadata: Option<serde_json::Value>,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hostname: String,
    limits: Limits,
    authenticator: Authenticator,
    rates: RateLimiter,
    ids: IdSource,
}

impl Intake {
    /// `hostname` stands in Received fields and in Message-IDs that were missing.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, hostname: impl Into<String>, limits: Limits) -> Self {
        let authenticator = Authenticator::new(limits.max_password_checks);
        let (rates, ids) = (RateLimiter::default(), IdSource::default());
        Self { shared: Arc::new(Shared { store, clock, hostname: hostname.into(), limits, authenticator, rates, ids }) }
    }

    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The largest message taken now, in octets: the configured limit, or less where no way out carries that much.
    pub fn max_message_bytes(&self) -> u64 {
        let configured = self.shared.limits.max_message_bytes;
        self.settings().max_message_bytes().map_or(configured, |carried| carried.min(configured))
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The account with this name and password, if it may connect from `peer`. An unknown name takes as long as a wrong
    /// password.
    pub async fn authenticate_password(
        &self,
        user: &str,
        password: &SecretString,
        peer: IpAddr,
    ) -> Result<Arc<Account>, AuthError> {
        let (settings, key_ring) = (self.settings(), self.shared.store.key_ring());
        self.shared.authenticator.password(&settings, &key_ring, user, password, peer, self.now()).await
    }

    /// The account with this API token, if it may connect from `peer`.
    pub fn authenticate_token(&self, token: &SecretString, peer: IpAddr) -> Result<Arc<Account>, AuthError> {
        accounts::token(&self.settings(), &self.shared.store.key_ring(), token, peer)
    }

    /// May this submitter use this MAIL FROM? For SMTP, which asks before the recipients; [`Self::begin`] asks again.
    pub fn check_reverse_path(&self, submitter: &Submitter, path: &ReversePath) -> Result<(), Refusal> {
        let submitter = self.current(submitter)?;
        policy::check_reverse_path(&submitter, path)
    }

    /// Opens a place for the message and takes a token of the account's rate.
    pub async fn begin(&self, origin: Origin, envelope: Envelope) -> Result<Incoming, Refusal> {
        let submitter = self.current(&origin.submitter)?;
        policy::check_reverse_path(&submitter, &envelope.reverse_path)?;
        policy::check_recipient_count(envelope.recipients.len(), self.shared.limits.max_recipients)?;
        let now = self.now();
        if let Some(account) = submitter.account() {
            self.shared.rates.take(account, now)?;
        }
        let id = self.shared.ids.next(now).map_err(|error| refusal::unavailable(&error.to_string()))?;
        let writer = self.shared.store.stage_body().await.map_err(|error| refusal::from_store(&error))?;
        Ok(Incoming::new(Arc::clone(&self.shared), id, Origin { submitter, ..origin }, envelope, writer))
    }

    /// The submitter as the settings know it now: an account may have changed, or gone, since the session began.
    fn current(&self, submitter: &Submitter) -> Result<Submitter, Refusal> {
        let Submitter::Account(account) = submitter else { return Ok(submitter.clone()) };
        let settings = self.settings();
        let known = settings.account(&account.id).ok_or_else(|| refusal::account_gone(&account.name))?;
        if known == &**account {
            return Ok(submitter.clone());
        }
        Ok(Submitter::Account(Arc::new(known.clone())))
    }

    fn settings(&self) -> Arc<Settings> {
        self.shared.store.settings().borrow().clone()
    }
}
