//! The HTTP listener: HTTP/1.1, with TLS where a certificate is configured, bounded and with an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// Connections at once; more wait in the system's queue, so that clients cannot make the process grow.
const MAX_CONNECTIONS: usize = 512;
/// A handshake is a few round trips.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// For a request's header section, and for the next request on a connection that is kept open.
const HEADER_DEADLINE: Duration = Duration::from_mins(1);
/// When the system has no sockets left, accepting fails at once, again and again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct HttpServer {
    pub listener: TcpListener,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub router: Router,
}

impl HttpServer {
    /// Serves until `shutdown`, then until the requests under way are answered.
    pub(super) async fn serve(self, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let acceptor = self.tls.map(TlsAcceptor::from);
        loop {
            let place = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                // The semaphore is never closed.
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (router, acceptor, shutdown) = (self.router.clone(), acceptor.clone(), shutdown.clone());
                    connections.spawn(async move {
                        connection(stream, peer, router, acceptor, shutdown).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(event = "http_accept_failed", %error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        connections.close();
        connections.wait().await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(event = "http_nodelay_failed", %peer, %error);
    }
    let Some(acceptor) = acceptor else { return requests(stream, peer, router, shutdown).await };
    match timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => requests(stream, peer, router, shutdown).await,
        Ok(Err(error)) => tracing::info!(event = "http_tls_failed", %peer, %error),
        Err(_) => tracing::info!(event = "http_tls_failed", %peer, error = "timed out"),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(event = "http_connection_failed", %peer, %error);
    }
}
