//! What every page needs.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use admin::people::{OpenIdGate, SessionPolicy, SetupToken, SignInGate};
use admin::{Flows, Refused};
use jiff::Timestamp;
use relay::{Clock, Network};
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::pages::MAX_LISTENERS;

/// How the console is set up.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Where browsers find the console; never taken from a request.
    pub public_url: Url,
    /// Whether this process itself speaks TLS to browsers.
    pub tls: bool,
    /// Names by which requests may call this server besides those of `public_url`: `host:port` of the listener.
    pub hosts: Vec<String>,
    pub network: Network,
    pub data_dir: PathBuf,
    /// Below this, the disk counts as full.
    pub min_free_bytes: u64,
    /// The name Postern introduces itself with, for messages it makes itself.
    pub hostname: String,
    /// Where mail is taken in, for pointing clients at it.
    pub smtp: Vec<SmtpListener>,
    /// What is wrong with the configuration file, for the doctor.
    pub configuration: Vec<Refused>,
    pub sessions: SessionPolicy,
    /// Makes the first administrator.
    pub setup: SetupToken,
    /// The server stops: pages that follow what happens are let go.
    pub stop: CancellationToken,
}

/// One way in for mail, in words.
#[derive(Debug, Clone)]
pub struct SmtpListener {
    pub listen: SocketAddr,
    /// "STARTTLS", "TLS from the first byte" or "no TLS".
    pub tls: &'static str,
}

impl ConsoleConfig {
    /// A page of ours as others must call it: from `public_url`, never from a request.
    pub(crate) fn address(&self, path: &str) -> Url {
        let mut url = self.public_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url
    }
}

/// The console's state. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shared>);

pub struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: ConsoleConfig,
    pub(crate) gate: SignInGate,
    pub(crate) openid: OpenIdGate,
    /// Sign-ins of delegated connections that are under way.
    pub(crate) flows: Flows,
    /// Places for pages that follow what happens.
    pub(crate) listeners: Arc<Semaphore>,
    clock: Clock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Console {
    pub fn new(store: Arc<dyn Store>, config: ConsoleConfig) -> Self {
        Self::with_clock(store, config, Arc::new(Timestamp::now))
    }

    /// With another clock than the machine's.
    pub fn with_clock(store: Arc<dyn Store>, config: ConsoleConfig, clock: Clock) -> Self {
        let openid = OpenIdGate::new(config.network.clone(), config.address("/sign-in/openid/callback"));
        let listeners = Arc::new(Semaphore::new(MAX_LISTENERS));
        Self(Arc::new(Shared {
            store,
            config,
            gate: SignInGate::default(),
            openid,
            flows: Flows::default(),
            listeners,
            clock,
        }))
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether browsers reach us by https: then cookies are for https alone.
    pub(crate) fn is_secure(&self) -> bool {
        self.config.tls || self.config.public_url.scheme() == "https"
    }
}

impl std::ops::Deref for Console {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
