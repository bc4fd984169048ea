//! What the tenant remembers of people who signed in: sessions, codes, refresh tokens, devices, consent, revocations.
//!
//! Promise: what was handed out is found only by whoever holds it (lookups go by digest), and each kind is bounded; the
//! oldest is forgotten first. A serial number orders everything handed out, so that "all before now" can be revoked.
//!
//! Left to others: whether something found is still good for its purpose.

mod consents;
mod issued;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::scope::Asked;
use crate::directory::{App, Tenant, User};
use crate::state::lock;

pub(super) use consents::Consents;
pub(super) use issued::Issued;

/// A user who signed in to an app, and what for.
#[derive(Debug, Clone)]
pub(super) struct Grantee {
    pub(super) tenant: Arc<Tenant>,
    pub(super) app: Arc<App>,
    pub(super) user: Arc<User>,
    pub(super) asked: Asked,
    pub(super) nonce: Option<String>,
    /// Handed to a client that proved nothing; it need prove nothing later.
    pub(super) is_public: bool,
    pub(super) serial: u64,
    pub(super) at: Timestamp,
}

/// An authorization code.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) grantee: Grantee,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<Challenge>,
    pub(super) is_redeemed: bool,
}

/// What the code's verifier must match.
#[derive(Debug, Clone)]
pub(super) enum Challenge {
    Plain(String),
    S256(String),
}

/// A device that waits for somebody to sign in elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) tenant: Arc<Tenant>,
    pub(super) app: Arc<App>,
    pub(super) asked: Asked,
    pub(super) user_code: String,
    pub(super) at: Timestamp,
    pub(super) last_asked: Option<Timestamp>,
    pub(super) verdict: Verdict,
}

/// What the person at the browser decided.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    Pending,
    Accepted(Box<Grantee>),
    Declined,
    /// Tokens were given for it.
    Redeemed,
}

/// A signed-in browser, or a person in the middle of a page's questions.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) tenant_id: String,
    pub(super) user: Arc<User>,
    /// For a ticket: the page it is good for. A browser's session is good for any.
    pub(super) purpose: Option<String>,
    pub(super) serial: u64,
    pub(super) at: Timestamp,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(super) sessions: Issued<Session>,
    pub(super) tickets: Issued<Session>,
    pub(super) codes: Issued<Code>,
    pub(super) refresh_tokens: Issued<Grantee>,
    pub(super) devices: Issued<Device>,
    pub(super) consents: Consents,
    next_serial: AtomicU64,
    /// By object id: everything with a smaller serial is revoked, since when.
    revoked: Mutex<HashMap<String, (u64, Timestamp)>>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            sessions: Issued::default(),
            tickets: Issued::default(),
            codes: Issued::default(),
            refresh_tokens: Issued::default(),
            devices: Issued::default(),
            consents: Consents::default(),
            next_serial: AtomicU64::new(1),
            revoked: Mutex::default(),
        }
    }
}

impl Accounts {
    pub(super) fn take_serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Every session, code and refresh token of `user` so far stops working.
    pub(crate) fn revoke_user(&self, user: &User, now: Timestamp) {
        let below = self.next_serial.load(Ordering::Relaxed);
        lock(&self.revoked).insert(user.id.clone(), (below, now));
    }

    /// Since when things with this serial are revoked for `user`, if they are.
    pub(super) fn revoked_since(&self, user: &User, serial: u64) -> Option<Timestamp> {
        lock(&self.revoked).get(&user.id).filter(|(below, _)| serial < *below).map(|(_, at)| *at)
    }

    /// Every consent to the app is taken back, by users and administrators.
    pub(crate) fn withdraw_consent(&self, app: &App) {
        self.consents.withdraw(app);
    }

    pub(crate) fn has_admin_consent(&self, app: &App) -> bool {
        self.consents.has_roles(app)
    }
}
