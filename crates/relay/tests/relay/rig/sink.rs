//! An SMTP server that takes everything and remembers it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One message as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    pub(crate) recipients: Vec<String>,
    pub(crate) raw: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Self { port, taken }
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

/// Ends with the connection.
async fn serve(stream: TcpStream, all: Arc<Mutex<Vec<Taken>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut message = Taken::default();
    stream.write_all(b"220 sink.test ESMTP\r\n").await.ok()?;
    loop {
        let line = read_line(&mut stream).await?;
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let upper = text.to_ascii_uppercase();
        let reply = if upper.starts_with("EHLO") {
            "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 200000000\r\n"
        } else if upper.starts_with("RCPT TO:<") {
            message.recipients.push(text["RCPT TO:<".len()..].split('>').next().unwrap().to_owned());
            "250 ok\r\n"
        } else if upper == "DATA" {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            message.raw = read_data(&mut stream).await?;
            all.lock().unwrap().push(std::mem::take(&mut message));
            "250 2.0.0 taken\r\n"
        } else if upper == "QUIT" {
            stream.write_all(b"221 bye\r\n").await.ok()?;
            return Some(());
        } else {
            "250 ok\r\n"
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    (stream.read_until(b'\n', &mut line).await.ok()? > 0).then_some(line)
}

async fn read_data(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let line = read_line(stream).await?;
        match line.as_slice() {
            b".\r\n" => return Some(raw),
            [b'.', rest @ ..] => raw.extend_from_slice(rest),
            whole => raw.extend_from_slice(whole),
        }
    }
}
