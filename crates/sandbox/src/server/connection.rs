//! Connections: which protocol they speak, their requests, and the reset that cuts them.
//!
//! The accept loop is our own because a handler must be able to cut its connection with a TCP reset, which no
//! framework offers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::dispatch::{self, Door};
use crate::exchange::Answer;
use crate::state::State;

/// The first byte of a TLS record that opens a handshake; no HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// A new connection must say something within this time.
const FIRST_BYTE_DEADLINE: Duration = Duration::from_secs(30);
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// An idle connection is closed after this long, as Microsoft's front doors do.
const IDLE_DEADLINE: Duration = Duration::from_mins(2);
/// After a failed accept (no file descriptors, say) the loop rests, so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener understands.
#[derive(Clone)]
pub(super) struct Speech {
    pub(super) plain: bool,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) door: Door,
}

/// Accepts connections until told to stop.
pub(super) async fn accept_all(
    listener: TcpListener,
    state: Arc<State>,
    speech: Speech,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(greet(stream, Arc::clone(&state), speech.clone(), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(event = "sandbox.accept_failed", %error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Finds out whether a connection speaks TLS, and serves it.
async fn greet(stream: TcpStream, state: Arc<State>, speech: Speech, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let mut first = [0; 1];
    let peeked = tokio::select! {
        _ = stop.changed() => return,
        peeked = tokio::time::timeout(FIRST_BYTE_DEADLINE, stream.peek(&mut first)) => peeked,
    };
    if !matches!(peeked, Ok(Ok(1))) {
        return;
    }
    match speech.tls {
        Some(acceptor) if first == [TLS_HANDSHAKE] => {
            match tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve(stream, state, (true, speech.door), stop).await,
                Ok(Err(error)) => tracing::debug!(event = "sandbox.tls_failed", %error),
                Err(_) => {}
            }
        }
        _ if speech.plain => serve(stream, state, (false, speech.door), stop).await,
        _ => {}
    }
}

/// A stream that can be cut.
trait Cut {
    /// Closes with a TCP reset: what was sent and not read is lost, and the peer sees an error.
    fn cut(self);
}

impl Cut for TcpStream {
    fn cut(self) {
        let _ = self.set_zero_linger();
    }
}

impl Cut for TlsStream<TcpStream> {
    fn cut(self) {
        let (stream, _) = self.into_inner();
        stream.cut();
    }
}

async fn serve<S>(stream: S, state: Arc<State>, (secure, door): (bool, Door), mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Cut + Unpin + Send + 'static,
{
    let reset = Arc::new(Notify::new());
    let wanted = Arc::clone(&reset);
    let service = service_fn(move |request| {
        let (state, wanted) = (Arc::clone(&state), Arc::clone(&wanted));
        Box::pin(async move {
            match dispatch::answer(&state, request, secure, door).await {
                Answer::Reply(response) => Ok::<_, Infallible>(response),
                Answer::Reset => {
                    wanted.notify_one();
                    std::future::pending().await
                }
            }
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            () = reset.notified() => {
                connection.into_parts().io.into_inner().cut();
                return;
            }
            _ = stop.changed(), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(event = "sandbox.connection_failed", %error);
                }
                return;
            }
        }
    }
}
