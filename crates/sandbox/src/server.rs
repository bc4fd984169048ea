//! The sandbox as something that runs: listeners, connections, and a handle to look at and to stop it.

mod connection;
mod running;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, ConfigError};
use crate::dispatch::Door;
use crate::signing::SigningKey;
use crate::smtp;
use crate::state::State;
use crate::tls::{Tls, TlsError};
use connection::{Speech, accept_all};

pub use running::Running;

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot listen on {addr}: {source}")]
    Listen { addr: SocketAddr, source: std::io::Error },
    #[error("https_listen is set, but there is no certificate")]
    NoCertificate,
    #[error("no certificate could be made for SMTP: {0}")]
    Certificate(#[from] TlsError),
    #[error("the key that signs tokens could not be made: {0}")]
    Key(String),
}

/// A stand-in tenant.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Starts a sandbox on `listen` (port 0: any). With `tls` the port answers HTTPS, and HTTP as well unless the
    /// settings say otherwise.
    pub async fn start(config: Config, listen: SocketAddr, tls: Option<Tls>) -> Result<Running, StartError> {
        let main = bind(listen).await?;
        let uploads_at = config.listener.upload_listen.unwrap_or_else(|| SocketAddr::new(listen.ip(), 0));
        let uploads = bind(uploads_at).await?;
        let upload_port = local_addr(&uploads, uploads_at)?.port();
        let second = match config.listener.https_listen {
            Some(addr) => Some(bind(addr).await?),
            None => None,
        };
        if second.is_some() && tls.is_none() {
            return Err(StartError::NoCertificate);
        }
        let addr = local_addr(&main, listen)?;
        let https_addr = match &second {
            Some(listener) => Some(local_addr(listener, listen)?),
            None => tls.is_some().then_some(addr),
        };
        let ports = [Some(addr), https_addr].into_iter().flatten().map(|addr| addr.port()).collect();
        let speaks_plain = tls.is_none() || second.is_some() || config.listener.plain_http;
        let key = SigningKey::generate().map_err(StartError::Key)?;
        let state = Arc::new(State::build(config, key, ports)?);
        state.upload_port.get_or_init(|| upload_port);

        let smtp = Submission::bind(&state, tls.as_ref()).await?;
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.config()));
        let (stop, stopped) = watch::channel(false);
        let plain = Speech { plain: true, tls: None, door: Door::Main };
        let secure = Speech { plain: false, tls: acceptor.clone(), door: Door::Main };
        let both = Speech { plain: speaks_plain, tls: acceptor.clone(), door: Door::Main };
        // Either way of speaking: an upload URL has the scheme of the request that asked for it.
        let uploads_speech = Speech { plain: speaks_plain, tls: acceptor, door: Door::Uploads };
        tokio::spawn(accept_all(uploads, Arc::clone(&state), uploads_speech, stopped.clone()));
        let first_speech = if second.is_some() { plain } else { both };
        tokio::spawn(accept_all(main, Arc::clone(&state), first_speech, stopped.clone()));
        if let Some(listener) = second {
            tokio::spawn(accept_all(listener, Arc::clone(&state), secure, stopped.clone()));
        }
        let smtp = smtp.map(|smtp| smtp.start(&state, stopped.clone()));
        drop(stopped);
        Ok(Running::new(addr, https_addr, tls, state, stop).with_smtp(smtp))
    }
}

/// The listener for submission by SMTP, which always has a certificate: the sandbox's, or one of its own.
struct Submission {
    listener: TcpListener,
    addr: SocketAddr,
    tls: Tls,
}

impl Submission {
    async fn bind(state: &State, tls: Option<&Tls>) -> Result<Option<Self>, StartError> {
        let Some(asked) = state.config.listener.smtp_listen else { return Ok(None) };
        let tls = match tls {
            Some(tls) => tls.clone(),
            None => Tls::self_signed(&[])?,
        };
        let listener = bind(asked).await?;
        let addr = local_addr(&listener, asked)?;
        Ok(Some(Self { listener, addr, tls }))
    }

    fn start(self, state: &Arc<State>, stopped: watch::Receiver<bool>) -> (SocketAddr, Tls) {
        let acceptor = TlsAcceptor::from(self.tls.config());
        tokio::spawn(smtp::accept_all(self.listener, Arc::clone(state), acceptor, stopped));
        (self.addr, self.tls)
    }
}

/// Runs a sandbox until `shutdown` resolves.
pub async fn run(
    config: Config,
    listen: SocketAddr,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let running = Sandbox::start(config, listen, tls).await?;
    tracing::info!(event = "sandbox.started", address = %running.addr, url = %running.base_url);
    shutdown.await;
    running.shutdown().await;
    tracing::info!(event = "sandbox.stopped");
    Ok(())
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr).await.map_err(|source| StartError::Listen { addr, source })
}

fn local_addr(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { addr: asked, source })
}
