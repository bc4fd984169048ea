//! Everything one running sandbox shares between its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::bounces::Bounces;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::credentials::Credentials;
use crate::directory::Directory;
use crate::entra::Accounts;
use crate::faults::Faults;
use crate::graph::{BearerCache, Drafts, Throttle};
use crate::issuer::IssuerKey;
use crate::journal::Journal;
use crate::machine::ArcKeys;
use crate::mailbox::Mailboxes;
use crate::signing::SigningKey;
use crate::smtp::Slots;

/// The state of one sandbox.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) key: SigningKey,
    pub(crate) issuer_key: IssuerKey,
    pub(crate) arc_keys: ArcKeys,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) bearers: BearerCache,
    pub(crate) clock: Arc<Clock>,
    pub(crate) accounts: Accounts,
    pub(crate) drafts: Drafts,
    pub(crate) bounces: Bounces,
    /// Where upload sessions are answered; known once the sandbox listens.
    pub(crate) upload_port: OnceLock<u16>,
    /// Ports this sandbox answers on: a resource on one of them at a loopback name is its own Graph.
    pub(crate) ports: Vec<u16>,
    /// Sessions that submit by SMTP.
    pub(crate) smtp_sessions: Arc<Slots>,
    next_token: AtomicU64,
    revoked_below: AtomicU64,
}

impl State {
    pub(crate) fn build(config: Config, key: SigningKey, ports: Vec<u16>) -> Result<Self, ConfigError> {
        if config.token.min_lifetime_seconds == 0
            || config.token.min_lifetime_seconds > config.token.max_lifetime_seconds
        {
            return Err(ConfigError::TokenLifetime);
        }
        let clock = Arc::new(Clock::default());
        Ok(Self {
            directory: Directory::build(&config.tenants)?,
            key,
            issuer_key: IssuerKey::default(),
            arc_keys: ArcKeys::default(),
            faults: Faults::default(),
            journal: Journal::new(&config.storage),
            mailboxes: Mailboxes::new(&config.storage),
            throttle: Arc::new(Throttle::new(&config.limits, Arc::clone(&clock))),
            bearers: BearerCache::default(),
            clock,
            accounts: Accounts::default(),
            drafts: Drafts::new(&config.storage),
            bounces: Bounces::default(),
            upload_port: OnceLock::new(),
            ports,
            smtp_sessions: Arc::default(),
            next_token: AtomicU64::new(1),
            revoked_below: AtomicU64::new(0),
            config,
        })
    }

    /// The serial number of the next token.
    pub(crate) fn take_token_serial(&self) -> u64 {
        self.next_token.fetch_add(1, Ordering::Relaxed)
    }

    /// Every token issued so far stops working.
    pub(crate) fn revoke_tokens(&self) {
        self.revoked_below.store(self.next_token.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn is_revoked(&self, serial: u64) -> bool {
        serial < self.revoked_below.load(Ordering::Relaxed)
    }

    /// Revokes the sign-ins of a user, in whichever tenant it is; `false` if in none.
    pub(crate) fn revoke_user(&self, key: &str) -> bool {
        let user = self.directory.tenants.iter().find_map(|tenant| tenant.user(key));
        user.inspect(|user| self.accounts.revoke_user(user, self.clock.now())).is_some()
    }

    /// Puts other credentials in place of an app's; `false` if there is no app of this id.
    pub(crate) fn change_credentials(&self, client_id: &str, change: impl FnOnce(&mut Credentials)) -> bool {
        let app = self.directory.tenants.iter().find_map(|tenant| tenant.app(client_id));
        app.inspect(|app| app.change_credentials(change)).is_some()
    }

    /// Takes back every consent to an app; `false` if there is none of this id.
    pub(crate) fn withdraw_consent(&self, client_id: &str) -> bool {
        let app = self.directory.tenants.iter().find_map(|tenant| tenant.app(client_id));
        app.inspect(|app| self.accounts.withdraw_consent(app)).is_some()
    }

    /// Whether tokens for `resource` are Graph's. `host` is the name the client knows the sandbox by.
    pub(crate) fn is_graph_resource(&self, resource: &str, host: &str) -> bool {
        const MICROSOFT: [&str; 5] = [
            "00000003-0000-0000-c000-000000000000",
            "https://graph.microsoft.com",
            "https://graph.microsoft.us",
            "https://dod-graph.microsoft.us",
            "https://microsoftgraph.chinacloudapi.cn",
        ];
        let plain = resource.trim_end_matches('/');
        if MICROSOFT.contains(&plain) || self.config.token.graph_resources.iter().any(|own| own == plain) {
            return true;
        }
        let Some(authority) = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://")) else {
            return false;
        };
        if authority.eq_ignore_ascii_case(host) {
            return true;
        }
        let Some((name, port)) = authority.rsplit_once(':') else { return false };
        let is_loopback = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        is_loopback && port.parse().is_ok_and(|port| self.ports.contains(&port))
    }
}

/// Locks, also after a panic elsewhere: what these locks guard is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
