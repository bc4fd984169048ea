//! The dialog of one session.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::mechanism;
use super::message::{self, MAX_BYTES, Received, may_send_as};
use super::slots::Slot;
use super::suffering::{Suffered, step_of, suffer};
use super::token::{self, Submitter, UNSUCCESSFUL};
use crate::config::UserState;
use crate::graph::is_resolvable;
use crate::guid;
use crate::state::State;

const HOSTNAME: &str = "sandbox.outlook.office365.com";
/// A client that says nothing for so long is gone.
const IDLE_DEADLINE: Duration = Duration::from_mins(5);
/// RFC 4954 §4 allows AUTH this much; nothing else comes near.
const MAX_LINE_OCTETS: u64 = 12_288;
const MAX_RECIPIENTS: usize = 500;

/// Why a stretch of the dialog is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    StartTls,
    Over,
}

#[derive(Debug)]
pub(super) struct Session {
    state: Arc<State>,
    pub(super) is_secure: bool,
    submitter: Option<(Submitter, Slot)>,
    transaction: Option<Transaction>,
}

#[derive(Debug, Default)]
struct Transaction {
    recipients: Vec<String>,
    /// BODY=BINARYMIME, which DATA cannot carry (RFC 3030 §3).
    is_binary: bool,
    /// What has come by BDAT.
    chunks: Option<Received>,
}

impl Session {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, is_secure: false, submitter: None, transaction: None }
    }

    pub(super) async fn greet<S: AsyncWrite + Unpin>(&self, stream: &mut S) -> bool {
        let now = jiff::fmt::rfc2822::to_string(&self.state.clock.now().to_zoned_datetime(jiff::tz::TimeZone::UTC));
        match suffer(&self.state, None, "smtpConnect").await {
            Suffered::Nothing => {}
            Suffered::Reply(reply) => {
                say(stream, &reply).await;
                return false;
            }
            Suffered::Gone | Suffered::GoneAfterCommit => return false,
        }
        let greeting = format!("220 {HOSTNAME} Microsoft ESMTP MAIL Service ready at {}", now.unwrap_or_default());
        say(stream, &greeting).await
    }

    /// Speaks until the session ends, or TLS is to begin.
    pub(super) async fn serve<S: AsyncBufRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Next {
        while let Some(line) = read_line(stream).await {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            if verb == "STARTTLS" && !self.is_secure {
                return if say(stream, "220 2.0.0 SMTP server ready").await { Next::StartTls } else { Next::Over };
            }
            let suffered = match step_of(&verb) {
                Some(step) => suffer(&self.state, self.mailbox(), step).await,
                None => Suffered::Nothing,
            };
            let reply = match suffered {
                Suffered::Gone | Suffered::GoneAfterCommit => break,
                Suffered::Reply(reply) => self.refuse(stream, &verb, rest, reply).await,
                Suffered::Nothing => self.answer(stream, &verb, rest).await,
            };
            let Some(reply) = reply else { break };
            if !say(stream, &reply).await || verb == "QUIT" || reply.starts_with("421") {
                break;
            }
        }
        Next::Over
    }

    /// What was ordered. A chunk comes on the heels of its command, whatever is answered.
    async fn refuse<S: AsyncBufRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        verb: &str,
        rest: &str,
        reply: String,
    ) -> Option<String> {
        if verb == "BDAT"
            && let Some((octets, _)) = chunk(rest)
        {
            message::read_chunk(stream, octets, &mut Received::new()).await?;
        }
        Some(reply)
    }

    /// `None`: the client is gone, or is to think so.
    async fn answer<S: AsyncBufRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        verb: &str,
        rest: &str,
    ) -> Option<String> {
        Some(match verb {
            "EHLO" | "HELO" => self.hello(),
            "AUTH" if !self.is_secure => "504 5.7.4 Unrecognized authentication type".to_owned(),
            "AUTH" => self.auth(stream, rest).await?,
            "MAIL" => self.mail(rest),
            "RCPT" => self.rcpt(rest),
            "DATA" => self.data(stream).await?,
            "BDAT" => self.bdat(stream, rest).await?,
            "RSET" => {
                self.transaction = None;
                "250 2.0.0 Resetting".to_owned()
            }
            "NOOP" => "250 2.0.0 OK".to_owned(),
            "QUIT" => "221 2.0.0 Service closing transmission channel".to_owned(),
            _ => "500 5.3.3 Unrecognized command".to_owned(),
        })
    }

    /// Whose session it is, once that is known.
    fn mailbox(&self) -> Option<&str> {
        self.submitter.as_ref().map(|(submitter, _)| submitter.user.mailbox.as_str())
    }

    fn hello(&mut self) -> String {
        self.transaction = None;
        let more = if self.is_secure { "AUTH LOGIN XOAUTH2" } else { "STARTTLS" };
        format!(
            "250-{HOSTNAME} Hello\r\n250-SIZE {MAX_BYTES}\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n\
             250-{more}\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250 SMTPUTF8"
        )
    }

    /// `None`: the client is gone.
    async fn auth<S: AsyncBufRead + AsyncWrite + Unpin>(&mut self, stream: &mut S, rest: &str) -> Option<String> {
        if self.submitter.is_some() {
            return Some("503 5.5.2 Send hello first".to_owned());
        }
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        match mechanism.to_ascii_uppercase().as_str() {
            "LOGIN" => {
                for prompt in
                    ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"].into_iter().skip(usize::from(!initial.is_empty()))
                {
                    say(stream, prompt).await;
                    read_line(stream).await?;
                }
                Some(format!("535 5.7.139 Authentication unsuccessful, basic authentication is disabled. {}", tag()))
            }
            "XOAUTH2" => {
                let response = if initial.is_empty() {
                    say(stream, "334 ").await;
                    read_line(stream).await?
                } else {
                    initial.to_owned()
                };
                Some(self.with_token(&response))
            }
            _ => Some("504 5.7.4 Unrecognized authentication type".to_owned()),
        }
    }

    fn with_token(&mut self, response: &str) -> String {
        let Some(bearer) = mechanism::read(response) else { return format!("{UNSUCCESSFUL} {}", tag()) };
        let submitter = match token::check(&self.state, &bearer) {
            Ok(submitter) => submitter,
            Err(sentence) => return format!("{sentence} {}", tag()),
        };
        let Some(slot) = self.state.smtp_sessions.take(&submitter.user.mailbox) else {
            return format!(
                "432 4.3.2 Concurrent connection limit exceeded. Visit https://aka.ms/concurrent_sending for more \
                 information. {}",
                tag()
            );
        };
        self.submitter = Some((submitter, slot));
        "235 2.7.0 Authentication successful".to_owned()
    }

    fn mail(&mut self, rest: &str) -> String {
        let Some((submitter, _)) = &self.submitter else {
            return format!("530 5.7.57 Client not authenticated to send mail. {}", tag());
        };
        if self.transaction.is_some() {
            return "503 5.5.2 Sender already specified".to_owned();
        }
        let Some((path, parameters)) = path(rest, "FROM:") else { return "501 5.5.4 Invalid arguments".to_owned() };
        let size = parameters.split(' ').find_map(|word| word.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > MAX_BYTES) {
            return "552 5.3.4 Message size exceeds fixed maximum message size".to_owned();
        }
        if submitter.user.settings.state == UserState::Blocked {
            return "550 5.1.8 Access denied, bad outbound sender. For more information please go to \
                    http://go.microsoft.com/fwlink/?LinkId=875724"
                .to_owned();
        }
        if !path.is_empty() && !may_send_as(submitter, path) {
            return "550 5.7.60 SMTP; Client does not have permissions to send as this sender".to_owned();
        }
        let is_binary = parameters.split(' ').any(|word| word.eq_ignore_ascii_case("BODY=BINARYMIME"));
        self.transaction = Some(Transaction { is_binary, ..Transaction::default() });
        "250 2.1.0 Sender OK".to_owned()
    }

    fn rcpt(&mut self, rest: &str) -> String {
        let open = self.transaction.as_mut().filter(|transaction| transaction.chunks.is_none());
        let Some(Transaction { recipients, .. }) = open else { return "503 5.5.2 Need mail command".to_owned() };
        let Some((address, _)) = path(rest, "TO:") else { return "501 5.5.4 Invalid arguments".to_owned() };
        if !is_resolvable(address) {
            return "501 5.1.3 Invalid address".to_owned();
        }
        if recipients.len() >= MAX_RECIPIENTS {
            return "452 4.5.3 Too many recipients".to_owned();
        }
        if !recipients.iter().any(|known| known.eq_ignore_ascii_case(address)) {
            recipients.push(address.to_owned());
        }
        "250 2.1.5 Recipient OK".to_owned()
    }

    /// `None`: the client is gone; then nothing was taken.
    async fn data<S: AsyncBufRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Option<String> {
        let is_ready = |transaction: &mut Transaction| {
            !transaction.recipients.is_empty() && !transaction.is_binary && transaction.chunks.is_none()
        };
        let Some(transaction) = self.transaction.take_if(is_ready) else {
            return Some("503 5.5.2 Need rcpt command".to_owned());
        };
        say(stream, "354 Start mail input; end with <CRLF>.<CRLF>").await;
        let received = tokio::time::timeout(IDLE_DEADLINE, message::read(stream, MAX_BYTES)).await.ok()??;
        self.submit(&transaction.recipients, received).await
    }

    /// A chunk is read to its end whatever becomes of it (RFC 3030 §2).
    async fn bdat<S: AsyncBufRead + AsyncWrite + Unpin>(&mut self, stream: &mut S, rest: &str) -> Option<String> {
        let Some((octets, is_last)) = chunk(rest) else { return Some("501 5.5.4 Invalid arguments".to_owned()) };
        let open = self.transaction.as_mut().filter(|transaction| !transaction.recipients.is_empty());
        let mut stray = Received::new();
        let (is_stray, received) = match open {
            Some(transaction) => (false, transaction.chunks.get_or_insert_with(Received::new)),
            None => (true, &mut stray),
        };
        let reading = message::read_chunk(stream, octets, received);
        tokio::time::timeout(IDLE_DEADLINE, reading).await.ok()??;
        if is_stray {
            return Some("503 5.5.2 Need rcpt command".to_owned());
        }
        if !is_last {
            return Some(format!("250 2.6.0 CHUNK received OK, {octets} octets"));
        }
        let transaction = self.transaction.take()?;
        self.submit(&transaction.recipients, transaction.chunks?).await
    }

    /// `None`: the client is to hear nothing more.
    async fn submit(&self, recipients: &[String], received: Received) -> Option<String> {
        let (submitter, _) = self.submitter.as_ref()?;
        let suffered = suffer(&self.state, self.mailbox(), "smtpEndOfData").await;
        match suffered {
            Suffered::Gone => return None,
            Suffered::Reply(reply) => return Some(reply),
            Suffered::Nothing | Suffered::GoneAfterCommit => {}
        }
        let reply = message::submit(&self.state, submitter, recipients, received, HOSTNAME);
        (!matches!(suffered, Suffered::GoneAfterCommit)).then_some(reply)
    }
}

/// Octets of a chunk, and whether it is the last.
fn chunk(arguments: &str) -> Option<(u64, bool)> {
    let mut words = arguments.split_ascii_whitespace();
    let octets = words.next()?.parse().ok()?;
    match (words.next(), words.next()) {
        (None, None) => Some((octets, false)),
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => Some((octets, true)),
        _ => None,
    }
}

/// The path of MAIL or RCPT without its angle brackets, and the parameters behind it.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (word, rest) = rest.split_at_checked(keyword.len())?;
    let rest = rest.trim_start().strip_prefix('<').filter(|_| word.eq_ignore_ascii_case(keyword))?;
    let (path, parameters) = rest.rsplit_once('>')?;
    Some((path, parameters.trim()))
}

/// What Exchange ends its sentences with, to be quoted to support.
fn tag() -> String {
    format!("[{} {}]", HOSTNAME, guid::random())
}

/// The next line without its end; `None`: the client is gone, said nothing for too long, or too much.
async fn read_line<S: AsyncBufRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut line = Vec::new();
    let mut limited = stream.take(MAX_LINE_OCTETS);
    let reading = limited.read_until(b'\n', &mut line);
    tokio::time::timeout(IDLE_DEADLINE, reading).await.ok()?.ok()?;
    let text = line.strip_suffix(b"\n")?;
    String::from_utf8(text.strip_suffix(b"\r").unwrap_or(text).to_vec()).ok()
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, reply: &str) -> bool {
    let wire = format!("{reply}\r\n");
    stream.write_all(wire.as_bytes()).await.is_ok() && stream.flush().await.is_ok()
}
