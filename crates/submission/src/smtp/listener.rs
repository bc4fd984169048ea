//! Listeners: who is let in, TLS, and the orderly end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::Reply;

use super::admission::{Admission, Full};
use super::connection::Connection;
use super::session::{Client, End, Session};
use super::{ListenerConfig, ListenerConfigError, SmtpLimits, TlsMode, replies};
use crate::intake::Intake;

/// When the system has no sockets left, accepting fails at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners share: the intake, the limits, and who is here.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) intake: Intake,
    pub(super) limits: SmtpLimits,
    pub(super) admission: Admission,
}

/// What the sessions of one listener share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) shared: Arc<Shared>,
    pub(super) config: ListenerConfig,
}

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(transparent)]
    Config(#[from] ListenerConfigError),
    #[error("cannot listen for SMTP on {listen}: {source}")]
    Bind { listen: SocketAddr, source: io::Error },
}

impl SmtpServer {
    pub fn new(intake: Intake, limits: SmtpLimits) -> Self {
        let admission = Admission::new(&limits);
        Self { shared: Arc::new(Shared { intake, limits, admission }) }
    }

    /// Opens a listener, unless it would be an open relay.
    pub async fn bind(&self, config: ListenerConfig) -> Result<Listener, ListenError> {
        config.validate()?;
        if let Some(warning) = config.warning() {
            tracing::warn!(event = "smtp_listener_doubtful", listen = %config.listen, %warning);
        }
        let listen = config.listen;
        let socket = TcpListener::bind(listen).await.map_err(|source| ListenError::Bind { listen, source })?;
        let local_addr = socket.local_addr().map_err(|source| ListenError::Bind { listen, source })?;
        tracing::info!(event = "smtp_listening", listen = %local_addr);
        Ok(Listener { socket, local_addr, context: Arc::new(self.context(config)) })
    }

    /// Serves one client whose octets come and go through `stream` and who is as good as one at `peer`: a program on
    /// this machine that speaks SMTP to our standard input. There is no TLS; ends with QUIT or with the input. `false`:
    /// the input ended inside a transaction, so its message was not taken.
    pub async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: IpAddr,
        config: ListenerConfig,
    ) -> bool {
        let context = self.context(config);
        let never = CancellationToken::new();
        let connection = Connection::new(stream, self.shared.limits.write_timeout, &never);
        let end = Session::new(&context, connection, Client::new(peer)).greet_and_run().await;
        !matches!(end, End::InsideTransaction)
    }

    pub(super) fn context(&self, config: ListenerConfig) -> Context {
        Context { shared: Arc::clone(&self.shared), config }
    }
}

/// An open listener; clients wait until [`Listener::serve`] runs.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
    context: Arc<Context>,
}

impl Listener {
    /// The address, with the port the system chose where the configuration said 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves clients until `shutdown`, then until the last session is over: transactions under way are finished,
    /// everybody else hears 421. How long that may take is the caller's business.
    pub async fn serve(self, shutdown: CancellationToken) {
        let sessions = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.welcome(stream, peer.ip().to_canonical(), &sessions, &shutdown),
                Err(error) => {
                    tracing::error!(event = "smtp_accept_failed", listen = %self.local_addr, %error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.socket);
        sessions.close();
        tracing::info!(event = "smtp_stopping", listen = %self.local_addr, sessions = sessions.len());
        sessions.wait().await;
    }

    fn welcome(&self, stream: TcpStream, peer: IpAddr, sessions: &TaskTracker, shutdown: &CancellationToken) {
        metrics::counter!("postern_smtp_connections_total").increment(1);
        match self.context.shared.admission.admit(peer) {
            Err(full) => {
                let (reply, reason) = match full {
                    Full::Server => (replies::server_full(), "server"),
                    Full::Address => (replies::address_full(), "address"),
                };
                tracing::warn!(event = "smtp_connection_refused", %peer, full = reason);
                metrics::counter!("postern_smtp_connections_refused_total", "full" => reason).increment(1);
                self.turn_away(stream, &reply);
            }
            Ok(admitted) => {
                let (context, shutdown) = (Arc::clone(&self.context), shutdown.clone());
                sessions.spawn(async move {
                    metrics::gauge!("postern_smtp_sessions").increment(1.0);
                    let _gauge = SessionGauge;
                    serve_connection(&context, stream, peer, &shutdown).await;
                    drop(admitted);
                });
            }
        }
    }

    /// One try to say why, without a task and without waiting: this is the path an attack takes.
    fn turn_away(&self, stream: TcpStream, reply: &Reply) {
        if matches!(self.context.config.tls, TlsMode::Implicit(_)) {
            return;
        }
        let mut octets = Vec::new();
        reply.write_to(&mut octets);
        // Nobody is left to hear of an error.
        let _ = stream.into_std().and_then(|mut stream| io::Write::write(&mut stream, &octets));
    }
}

/// Counts a session out, also when its task panicked.
struct SessionGauge;

impl Drop for SessionGauge {
    fn drop(&mut self) {
        metrics::gauge!("postern_smtp_sessions").decrement(1.0);
    }
}

async fn serve_connection(context: &Context, stream: TcpStream, peer: IpAddr, shutdown: &CancellationToken) {
    // Replies are written whole; waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(event = "smtp_nodelay_failed", %peer, %error);
    }
    let write_timeout = context.shared.limits.write_timeout;
    let upgrade = match &context.config.tls {
        TlsMode::Implicit(tls) => Some((TlsAcceptor::from(Arc::clone(tls)), stream)),
        TlsMode::None | TlsMode::StartTls(_) => {
            let session = Session::new(context, Connection::new(stream, write_timeout, shutdown), Client::new(peer));
            match (session.greet_and_run().await, &context.config.tls) {
                (End::StartTls(stream), TlsMode::StartTls(tls)) => Some((TlsAcceptor::from(Arc::clone(tls)), stream)),
                _ => None,
            }
        }
    };
    let Some((acceptor, stream)) = upgrade else { return };
    let Some(stream) = handshake(context, &acceptor, stream, peer).await else { return };
    // A new session: nothing that was said in the clear counts any more (RFC 3207 §4.2).
    let client = Client { tls: Some(description(&stream)), ..Client::new(peer) };
    let session = Session::new(context, Connection::new(stream, write_timeout, shutdown), client);
    match &context.config.tls {
        TlsMode::Implicit(_) => session.greet_and_run().await,
        _ => session.run().await,
    };
}

async fn handshake(
    context: &Context,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: IpAddr,
) -> Option<TlsStream<TcpStream>> {
    let handshake = timeout(context.shared.limits.handshake_timeout, acceptor.accept(stream)).await;
    match handshake.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => Some(stream),
        Err(error) => {
            metrics::counter!("postern_smtp_tls_failures_total").increment(1);
            tracing::info!(event = "smtp_tls_failed", %peer, %error);
            None
        }
    }
}

/// TLS version and cipher suite, as in `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
fn description(stream: &TlsStream<TcpStream>) -> String {
    let (_, tls) = stream.get_ref();
    let version = tls.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
    let suite = tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    format!("{version} {suite}")
}
