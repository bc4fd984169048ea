//! A running gateway: store, relay, ways in, pages; started in an order that loses nothing, stopped in the reverse.
//!
//! ```text
//!   start:  lock ─► store ─► sockets bound ─► telling ─► relay ─► sockets served
//!   stop:   sockets closed, transactions finished ─► relay's attempts finished ─► telling ended ─► store closed
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::people::{SessionPolicy, SetupToken, needs_setup, purge_sessions};
use console::{Console, ConsoleConfig, SmtpListener};
use jiff::{SignedDuration, Timestamp};
use relay::{Connections, Relay, RelayConfig, Retention};
use store::sqlite::{ServerLock, SqliteStore};
use store::{NodeId, Store};
use submission::http::HttpLimits;
use submission::smtp::{Listener, ListenerConfig, SmtpServer};
use telling::{Telling, TellingConfig};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::http::HttpServer;
use super::pages::{self, Watched};
use crate::config::{self, Config};
use crate::intake::{intake, smtp_limits};
use crate::opening::{network, open_sqlite};
use crate::terminal::Failure;
use crate::tls::Certificate;

/// One server works on a data folder, so all its lanes are its own; the name stays the same over restarts.
const NODE: &str = "server";
const SESSIONS_LOOKED_AT: Duration = Duration::from_hours(1);

pub(crate) struct Gateway {
    pub(crate) http: SocketAddr,
    /// In the order of the configuration.
    pub(crate) smtp: Vec<SocketAddr>,
    pub(crate) store: Arc<dyn Store>,
    relay: relay::Running,
    telling: telling::Running,
    servers: JoinSet<()>,
    upkeep: JoinHandle<()>,
    stop: CancellationToken,
    grace: Duration,
    certificates: Vec<Certificate>,
    /// Let go last.
    _lock: ServerLock,
}

impl Gateway {
    pub(crate) async fn start(config: &Config) -> Result<Self, Failure> {
        let lock = ServerLock::acquire(&config.data_dir)
            .map_err(|error| Failure::new(error, "One server works on a data folder; --data-dir names another."))?;
        let sqlite = open_sqlite(config)?;
        sqlite
            .listen_for_other_processes()
            .await
            .map_err(|error| Failure::new(error, "Look at notify.sock in the data folder."))?;
        let sqlite = Arc::new(sqlite);
        let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(&sqlite);
        super::metrics::recorder();

        let mut certificates = Vec::new();
        let smtp = bind_smtp(config, Arc::clone(&store), &mut certificates).await?;
        let stop = CancellationToken::new();
        let http = bind_http(config, Arc::clone(&store), &mut certificates, &stop).await?;
        let smtp_addresses = smtp.iter().map(Listener::local_addr).collect();
        let http_address = http.listener.local_addr()?;
        tracing::info!(event = "http_listening", listen = %http_address, tls = http.tls.is_some());

        // Before the relay: what it does from its first moment on is told.
        let telling = start_telling(config, Arc::clone(&store)).await?;
        let relay = start_relay(config, Arc::clone(&store)).await?;
        let mut servers = JoinSet::new();
        smtp.into_iter().for_each(|listener| drop(servers.spawn(listener.serve(stop.clone()))));
        servers.spawn(http.serve(stop.clone()));
        Ok(Self {
            http: http_address,
            smtp: smtp_addresses,
            store,
            relay,
            telling,
            servers,
            upkeep: tokio::spawn(upkeep(sqlite)),
            stop,
            grace: config.limits.shutdown_grace.as_duration(),
            certificates,
            _lock: lock,
        })
    }

    /// New connections get the certificates that are in the files now.
    pub(crate) fn reload_certificates(&self) {
        for certificate in &self.certificates {
            match certificate.reload() {
                Ok(()) => tracing::info!(event = "certificate_reloaded"),
                Err(failure) => tracing::error!(event = "certificate_not_reloaded", reason = failure.what),
            }
        }
    }

    /// Takes nothing new, finishes what is under way, within the grace period.
    pub(crate) async fn shutdown(mut self) {
        self.stop.cancel();
        let finished = tokio::time::timeout(self.grace, async { while self.servers.join_next().await.is_some() {} });
        if finished.await.is_err() {
            tracing::warn!(event = "sessions_cut_off", grace_seconds = self.grace.as_secs());
            self.servers.shutdown().await;
        }
        self.upkeep.abort();
        self.relay.shutdown().await;
        self.telling.shutdown().await;
    }
}

/// What is done besides: figures, and sessions that are over.
async fn upkeep(store: Arc<SqliteStore>) {
    tokio::join!(super::metrics::keep_up(), forget_sessions(store));
}

/// Sessions of the console that are over let nobody in; here they are removed, too.
async fn forget_sessions(store: Arc<SqliteStore>) {
    loop {
        match purge_sessions(&*store, &SessionPolicy::default(), Timestamp::now()).await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(event = "sessions_forgotten", ended),
            Err(error) => tracing::error!(event = "sessions_not_forgotten", %error),
        }
        tokio::time::sleep(SESSIONS_LOOKED_AT).await;
    }
}

async fn start_relay(config: &Config, store: Arc<dyn Store>) -> Result<relay::Running, Failure> {
    let mut relay = RelayConfig::new(NodeId(NODE.to_owned()));
    relay.network = network(config)?;
    relay.limits.shutdown = config.limits.shutdown_grace.as_duration();
    relay.retention = Retention {
        sent: Some(config.retention.sent.as_duration()),
        failed: Some(config.retention.failed.as_duration()),
    };
    let connections = Connections::new(Arc::clone(&store), relay.network.clone()).with_hostname(config.hostname());
    let upstreams = Arc::new(connections);
    Relay::start(store, upstreams, relay)
        .await
        .map_err(|error| Failure::new(format!("the relay cannot start: {error}"), "Run 'postern doctor'."))
}

async fn start_telling(config: &Config, store: Arc<dyn Store>) -> Result<telling::Running, Failure> {
    let mut telling = TellingConfig::new(config.hostname());
    telling.network = network(config)?;
    if let Ok(lifetime) = SignedDuration::try_from(config.limits.queue_lifetime.as_duration()) {
        telling.queue_lifetime = lifetime;
    }
    let (data_dir, min_free_bytes) = (config.data_dir.clone(), config.limits.min_free_bytes);
    telling.has_room = Arc::new(move || super::pages::has_room(&data_dir, min_free_bytes));
    Telling::start(store, telling)
        .await
        .map_err(|error| Failure::new(format!("news cannot be told: {error}"), "Run 'postern doctor'."))
}

async fn bind_smtp(
    config: &Config,
    store: Arc<dyn Store>,
    certificates: &mut Vec<Certificate>,
) -> Result<Vec<Listener>, Failure> {
    let server = SmtpServer::new(intake(config, store), smtp_limits(config));
    let mut listeners = Vec::new();
    for listener in &config.smtp {
        let listener = listener_config(config, listener, certificates)?;
        let bound = server.bind(listener).await;
        listeners.push(bound.map_err(|error| Failure::new(error, "Correct that [[smtp]] section of postern.toml."))?);
    }
    Ok(listeners)
}

fn listener_config(
    config: &Config,
    listener: &config::Smtp,
    certificates: &mut Vec<Certificate>,
) -> Result<ListenerConfig, Failure> {
    use submission::smtp::{AuthMode, TlsMode};
    let tls = match (listener.tls, &listener.tls_cert, &listener.tls_key) {
        (config::TlsMode::None, ..) => TlsMode::None,
        (mode, Some(chain), Some(key)) => {
            let certificate = Certificate::load(chain, key)?;
            let server = certificate.server_config()?;
            certificates.push(certificate);
            if mode == config::TlsMode::StartTls { TlsMode::StartTls(server) } else { TlsMode::Implicit(server) }
        }
        _ => {
            return Err(Failure::new(
                format!("smtp listener {}: no certificate", listener.listen),
                "Give tls_cert and tls_key.",
            ));
        }
    };
    Ok(ListenerConfig {
        listen: listener.listen,
        tls,
        auth: match listener.auth {
            config::AuthMode::Required => AuthMode::Required,
            config::AuthMode::Optional => AuthMode::Optional,
            config::AuthMode::Off => AuthMode::Off,
        },
        allow: listener.allow.clone(),
        line_endings: match listener.line_endings {
            config::LineEndings::Reject => wire::LineEndings::Reject,
            config::LineEndings::Normalize => wire::LineEndings::Normalize,
        },
        hostname: config.hostname(),
    })
}

async fn bind_http(
    config: &Config,
    store: Arc<dyn Store>,
    certificates: &mut Vec<Certificate>,
    stop: &CancellationToken,
) -> Result<HttpServer, Failure> {
    let listen = config.http.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::new(format!("cannot listen for HTTP on {listen}: {error}"), "Set http.listen in postern.toml.")
    })?;
    let tls = match (&config.http.tls_cert, &config.http.tls_key) {
        (Some(chain), Some(key)) => {
            let certificate = Certificate::load(chain, key)?;
            let server = certificate.server_config()?;
            certificates.push(certificate);
            Some(server)
        }
        _ => None,
    };
    let console = console(config, Arc::clone(&store), listener.local_addr()?, tls.is_some(), stop.clone())?;
    let intake = intake(config, Arc::clone(&store));
    let messages = submission::http::calls(intake.clone(), HttpLimits::default());
    let api = console::api(console.clone(), intake, messages);
    let watched = Watched {
        store: Arc::clone(&store),
        data_dir: config.data_dir.clone(),
        min_free_bytes: config.limits.min_free_bytes,
    };
    Ok(HttpServer { listener, tls, router: pages::router(watched).merge(api).merge(console::router(console)) })
}

fn console(
    config: &Config,
    store: Arc<dyn Store>,
    listen: SocketAddr,
    tls: bool,
    stop: CancellationToken,
) -> Result<Console, Failure> {
    let setup = SetupToken::ensure(&config.data_dir, &*store)
        .map_err(|error| Failure::new(format!("the set-up token cannot be written: {error}"), error.fix()))?;
    if needs_setup(&*store) {
        let address = format!("{}/setup", config.public_url.as_str().trim_end_matches('/'));
        tracing::warn!(
            event = "setup_needed", address, token_file = %setup.file().display(),
            "no administrator yet: open the address, with the token in that file"
        );
    }
    let console = ConsoleConfig {
        public_url: config.public_url.clone(),
        tls,
        hosts: hosts(listen),
        network: network(config)?,
        data_dir: config.data_dir.clone(),
        min_free_bytes: config.limits.min_free_bytes,
        hostname: config.hostname(),
        smtp: smtp_listeners(config),
        configuration: config.refusals(),
        sessions: SessionPolicy::default(),
        setup,
        stop,
    };
    Ok(Console::new(store, console))
}

/// For people who point clients at them.
fn smtp_listeners(config: &Config) -> Vec<SmtpListener> {
    let words = |tls| match tls {
        config::TlsMode::None => "no TLS",
        config::TlsMode::StartTls => "STARTTLS",
        config::TlsMode::Implicit => "TLS from the first byte",
    };
    config.smtp.iter().map(|smtp| SmtpListener { listen: smtp.listen, tls: words(smtp.tls) }).collect()
}

/// What the listener itself may be called by browsers on this machine, or by its address.
fn hosts(listen: SocketAddr) -> Vec<String> {
    let port = listen.port();
    let local = ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}"));
    let own = (!listen.ip().is_unspecified()).then(|| listen.to_string());
    local.into_iter().chain(own).collect()
}
