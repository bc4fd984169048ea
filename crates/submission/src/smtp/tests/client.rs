//! A client that does exactly as it is told.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Nothing on loopback takes that long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Client {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self { stream: Box::new(stream), unread: Vec::new() }
    }

    pub(super) async fn send(&mut self, octets: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(octets.as_ref())).await.expect("the server does not read").unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line without CRLF; `None` when the server closed the connection.
    pub(super) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.unread, b"\r\n") {
                let rest = self.unread.split_off(at + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8(line[..at].to_vec()).unwrap());
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await;
            match read.unwrap_or_else(|_| panic!("the server says nothing; unread: {:?}", self.unread)) {
                Ok(0) | Err(_) => {
                    assert!(self.unread.is_empty(), "half a reply: {:?}", self.unread);
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    /// A whole reply; its last line.
    pub(super) async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await.expect("the server closed the connection");
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }

    /// Sends a line and gives the last line of its reply.
    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    pub(super) async fn upgrade(self, tls: &Arc<rustls::ClientConfig>) -> Self {
        assert!(self.unread.is_empty(), "the server spoke before TLS");
        let name = ServerName::try_from("mx.test").unwrap();
        let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, self.stream);
        Self::new(timeout(PATIENCE, connecting).await.unwrap().unwrap())
    }
}
