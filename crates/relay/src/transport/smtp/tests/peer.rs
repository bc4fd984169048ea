//! A server that does what the test says, and remembers what it was told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The connection ends without a word.
pub(super) const CUT: &str = "";

/// The beginning of a command, the reply to it, and how often.
type Rule = (&'static str, &'static str, usize);

/// What to do about the commands that begin with a word; `connect` and `.` stand for greeting and end of data, `(empty)`
/// for an empty line.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) offers: Vec<&'static str>,
    /// The first rule that fits wins; used up after so many times.
    pub(super) rules: Vec<Rule>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) implicit: bool,
}

impl Script {
    pub(super) fn new(offers: &[&'static str]) -> Self {
        Self { offers: offers.to_vec(), rules: Vec::new(), tls: None, implicit: false }
    }

    pub(super) fn on(mut self, command: &'static str, reply: &'static str) -> Self {
        self.rules.push((command, reply, usize::MAX));
        self
    }

    pub(super) fn once(mut self, command: &'static str, reply: &'static str) -> Self {
        self.rules.push((command, reply, 1));
        self
    }
}

#[derive(Default)]
pub(super) struct Heard {
    pub(super) connections: usize,
    /// Every command line, of all connections.
    pub(super) lines: Vec<String>,
    /// Every message whose end arrived, dots unstuffed.
    pub(super) messages: Vec<Vec<u8>>,
}

pub(super) struct Peer {
    pub(super) port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Peer {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (rules, memory) = (Arc::new(Mutex::new(script.rules.clone())), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                memory.lock().unwrap().connections += 1;
                let session = Session { script: script.clone(), rules: Arc::clone(&rules), heard: Arc::clone(&memory) };
                tokio::spawn(async move {
                    if session.script.implicit {
                        let acceptor = session.script.tls.clone().unwrap();
                        if let Ok(stream) = acceptor.accept(stream).await {
                            session.serve(BufReader::new(stream), true).await;
                        }
                        return;
                    }
                    let acceptor = session.script.tls.clone();
                    if let (Some(stream), Some(acceptor)) =
                        (session.serve(BufReader::new(stream), true).await, acceptor)
                        && let Ok(stream) = acceptor.accept(stream.into_inner()).await
                    {
                        session.serve(BufReader::new(stream), false).await;
                    }
                });
            }
        });
        Self { port, heard }
    }

    pub(super) fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }

    pub(super) fn commands(&self, verb: &str) -> usize {
        self.heard(|heard| heard.lines.iter().filter(|line| line.starts_with(verb)).count())
    }
}

struct Session {
    script: Script,
    rules: Arc<Mutex<Vec<Rule>>>,
    heard: Arc<Mutex<Heard>>,
}

impl Session {
    /// Speaks until the connection ends; gives the stream back when TLS is to begin.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        greets: bool,
    ) -> Option<BufReader<S>> {
        if greets && !self.say(&mut stream, &self.reply("connect", "220 peer.test ESMTP")).await {
            return None;
        }
        let (mut taken, mut has_sender) = (0, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            self.heard.lock().unwrap().lines.push(line.clone());
            let verb = line.split([' ', ':']).next().unwrap().to_uppercase();
            let usual = match verb.as_str() {
                "EHLO" => {
                    let all: Vec<&str> = ["peer.test"].into_iter().chain(self.script.offers.iter().copied()).collect();
                    let last = all.len() - 1;
                    let lines = all.iter().enumerate();
                    let lines = lines.map(|(at, it)| format!("250{}{it}", if at == last { ' ' } else { '-' }));
                    lines.collect::<Vec<_>>().join("\r\n")
                }
                "STARTTLS" => "220 go".to_owned(),
                "DATA" if taken > 0 => "354 go".to_owned(),
                "DATA" => "503 5.5.1 nobody to mail".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                "RCPT" if !has_sender => "503 5.5.1 who sends".to_owned(),
                "MAIL" | "RCPT" | "RSET" => "250 2.0.0 ok".to_owned(),
                _ => "235 2.7.0 hello".to_owned(), // AUTH, or a response to its challenge
            };
            let reply = self.reply(if line.is_empty() { "(empty)" } else { &line }, &usual);
            if !self.say(&mut stream, &reply).await {
                return None;
            }
            match (verb.as_str(), reply.as_bytes().first()) {
                ("STARTTLS", Some(b'2')) => return Some(stream),
                ("RCPT", Some(b'2')) => taken += 1,
                ("MAIL" | "RSET", first) => {
                    taken = 0;
                    has_sender = verb == "MAIL" && first == Some(&b'2');
                }
                ("DATA", Some(b'3')) if !self.message(&mut stream, &mut taken).await? => return None,
                ("QUIT", _) => return None,
                _ => {}
            }
        }
    }

    async fn message<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        taken: &mut usize,
    ) -> Option<bool> {
        if self.reply("body", "go on") == CUT {
            return Some(false);
        }
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        *taken = 0;
        self.heard.lock().unwrap().messages.push(message);
        Some(self.say(stream, &self.reply(".", "250 2.0.0 queued as 7")).await)
    }

    fn reply(&self, line: &str, usual: &str) -> String {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|(command, _, left)| *left > 0 && line.starts_with(command));
        rule.map_or(usual, |(_, reply, left)| {
            *left = left.saturating_sub(1);
            reply
        })
        .to_owned()
    }

    async fn say<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>, reply: &str) -> bool {
        if reply == CUT {
            return false;
        }
        let said = stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_ok() && stream.flush().await.is_ok();
        said && !reply.starts_with("421")
    }
}
