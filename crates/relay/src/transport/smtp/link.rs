//! The connection: octets out, replies in, each within a deadline.
//!
//! Invariant: what arrived before TLS is never read as if it had arrived within.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use graph::Stream;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::{ServerReply, parse_reply};

use super::trouble::Trouble;

/// What is read at once. Replies are short.
const READ_BYTES: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    received: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

impl Link {
    pub(super) fn new(stream: Stream) -> Self {
        Self { socket: Socket::Plain(stream), received: Vec::new() }
    }

    /// The address of this end, as a literal for EHLO.
    pub(super) fn local_literal(&self) -> Option<String> {
        let Socket::Plain(stream) = &self.socket else { return None };
        stream.local_addr().ok().map(|address| match address {
            std::net::SocketAddr::V4(v4) => format!("[{}]", v4.ip()),
            std::net::SocketAddr::V6(v6) => format!("[IPv6:{}]", v6.ip()),
        })
    }

    /// Begins TLS.
    pub(super) async fn secure(self, host: &str, config: Arc<ClientConfig>, wait: Duration) -> Result<Self, Trouble> {
        let Socket::Plain(stream) = self.socket else { return Ok(self) };
        if !self.received.is_empty() {
            return Err(Trouble::Injected);
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Trouble::HostName)?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        let stream = timeout(wait, handshake).await.map_err(|_| Trouble::TimedOut)?.map_err(Trouble::Tls)?;
        Ok(Self { socket: Socket::Tls(Box::new(stream)), received: Vec::new() })
    }

    pub(super) async fn send(&mut self, octets: &[u8], wait: Duration) -> Result<(), Trouble> {
        let sending = async {
            self.socket.write_all(octets).await?;
            self.socket.flush().await
        };
        Ok(timeout(wait, sending).await.map_err(|_| Trouble::TimedOut)??)
    }

    /// The next reply. The wait is for the whole of it: a server that dribbles gains nothing.
    pub(super) async fn reply(&mut self, wait: Duration) -> Result<ServerReply, Trouble> {
        timeout(wait, self.read_reply()).await.map_err(|_| Trouble::TimedOut)?
    }

    async fn read_reply(&mut self) -> Result<ServerReply, Trouble> {
        loop {
            if let Some((reply, consumed)) = parse_reply(&self.received)? {
                self.received.drain(..consumed);
                return Ok(reply);
            }
            self.received.reserve(READ_BYTES);
            if self.socket.read_buf(&mut self.received).await? == 0 {
                return Err(Trouble::Closed);
            }
        }
    }

    /// Whether an idle connection is still there. What a server says unasked (a 421, its end) says that it is not.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut octet = [0; 1];
        self.received.is_empty() && self.socket.read(&mut octet).now_or_never().is_none()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
