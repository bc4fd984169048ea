//! The other end of a connection, on loopback: sees every byte of a request, answers whatever the test wants, and can
//! misbehave in the ways networks do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// `POST /path HTTP/1.1`
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as form fields.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(crate) fn field(&self, name: &str) -> String {
        self.form().into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap_or_default()
    }
}

pub(crate) type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What to do with a request; decided when its head has been read.
pub(crate) enum Reply {
    /// Read the body, answer these bytes, keep the connection.
    Answer(Vec<u8>),
    /// Read the body, answer when this is ready.
    Later(Later),
    /// Read the body, close without an answer.
    Close,
    /// Read this many bytes of the body, then reset.
    ResetAfter(usize),
    /// Answer at once, whatever is still coming.
    Early(Vec<u8>),
    /// Read the body, answer with a body that never ends; counts its bytes.
    Endless(&'static str, Arc<AtomicUsize>),
    /// Read the body, then say nothing for ever.
    Silence,
}

/// An HTTP answer with a body of known length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Answer(answer_bytes(status, headers, body))
}

pub(crate) fn answer_bytes(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) struct FarSide {
    pub(crate) origin: String,
    seen: UnboundedReceiver<Seen>,
}

type Script = dyn Fn(&Seen) -> Reply + Send + Sync;

impl FarSide {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (sender, seen) = unbounded_channel();
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, connection, Arc::clone(&script), sender.clone()));
            }
        });
        Self { origin, seen }
    }

    /// The next request, when it has been read as far as the script wants it.
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.unwrap()
    }

    /// Requests seen and not yet taken.
    pub(crate) fn waiting(&self) -> usize {
        self.seen.len()
    }
}

async fn serve(mut stream: TcpStream, connection: usize, script: Arc<Script>, sender: UnboundedSender<Seen>) {
    let mut buffer = Vec::new();
    while let Some(mut seen) = read_head(&mut stream, &mut buffer).await {
        seen.connection = connection;
        let length: usize = seen.header("content-length").map_or(0, |value| value.parse().unwrap());
        let reply = script(&seen);
        let wanted = match reply {
            Reply::ResetAfter(bytes) => bytes.min(length),
            Reply::Early(_) => 0,
            _ => length,
        };
        while buffer.len() < wanted {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let rest = buffer.split_off(wanted);
        seen.body = std::mem::replace(&mut buffer, rest);
        let _ = sender.send(seen);
        let bytes = match reply {
            Reply::Answer(bytes) => bytes,
            Reply::Later(later) => later.await,
            Reply::Close => return,
            Reply::ResetAfter(_) => {
                // With nothing to linger for and bytes unread, closing sends RST.
                let _ = stream.set_zero_linger();
                return;
            }
            Reply::Early(bytes) => {
                let _ = stream.write_all(&bytes).await;
                // Closing with bytes unread would send RST and could take the answer with it.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                return;
            }
            Reply::Endless(status, written) => {
                let head = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
                let mut result = stream.write_all(head.as_bytes()).await;
                while result.is_ok() {
                    result = stream.write_all(&chunk).await;
                    written.fetch_add(chunk.len(), Ordering::SeqCst);
                }
                return;
            }
            Reply::Silence => std::future::pending().await,
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let rest = buffer.split_off(end + 4);
    let head = String::from_utf8(std::mem::replace(buffer, rest)).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Seen { line, headers, ..Seen::default() })
}
