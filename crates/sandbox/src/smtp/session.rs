//! The dialog of one session.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::mechanism;
use super::message::{self, MAX_BYTES, may_send_as};
use super::slots::Slot;
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
    transaction: Option<Vec<String>>,
}

impl Session {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, is_secure: false, submitter: None, transaction: None }
    }

    pub(super) async fn greet<S: AsyncWrite + Unpin>(&self, stream: &mut S) -> bool {
        let now = jiff::fmt::rfc2822::to_string(&self.state.clock.now().to_zoned_datetime(jiff::tz::TimeZone::UTC));
        let greeting = format!("220 {HOSTNAME} Microsoft ESMTP MAIL Service ready at {}", now.unwrap_or_default());
        say(stream, &greeting).await
    }

    /// Speaks until the session ends, or TLS is to begin.
    pub(super) async fn serve<S: AsyncBufRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Next {
        while let Some(line) = read_line(stream).await {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let reply = match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => self.hello(),
                "STARTTLS" if !self.is_secure => {
                    return if say(stream, "220 2.0.0 SMTP server ready").await { Next::StartTls } else { Next::Over };
                }
                "AUTH" if !self.is_secure => "504 5.7.4 Unrecognized authentication type".to_owned(),
                "AUTH" => match self.auth(stream, rest).await {
                    Some(reply) => reply,
                    None => return Next::Over,
                },
                "MAIL" => self.mail(rest),
                "RCPT" => self.rcpt(rest),
                "DATA" => match self.data(stream).await {
                    Some(reply) => reply,
                    None => return Next::Over,
                },
                "RSET" => {
                    self.transaction = None;
                    "250 2.0.0 Resetting".to_owned()
                }
                "NOOP" => "250 2.0.0 OK".to_owned(),
                "QUIT" => {
                    say(stream, "221 2.0.0 Service closing transmission channel").await;
                    return Next::Over;
                }
                _ => "500 5.3.3 Unrecognized command".to_owned(),
            };
            if !say(stream, &reply).await {
                break;
            }
        }
        Next::Over
    }

    fn hello(&mut self) -> String {
        self.transaction = None;
        let more = if self.is_secure { "AUTH LOGIN XOAUTH2" } else { "STARTTLS" };
        format!(
            "250-{HOSTNAME} Hello\r\n250-SIZE {MAX_BYTES}\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n\
             250-{more}\r\n250-8BITMIME\r\n250 SMTPUTF8"
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
        self.transaction = Some(Vec::new());
        "250 2.1.0 Sender OK".to_owned()
    }

    fn rcpt(&mut self, rest: &str) -> String {
        let Some(recipients) = &mut self.transaction else { return "503 5.5.2 Need mail command".to_owned() };
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
        let (Some((submitter, _)), Some(recipients)) =
            (&self.submitter, self.transaction.take_if(|all| !all.is_empty()))
        else {
            return Some("503 5.5.2 Need rcpt command".to_owned());
        };
        say(stream, "354 Start mail input; end with <CRLF>.<CRLF>").await;
        let received = tokio::time::timeout(IDLE_DEADLINE, message::read(stream, MAX_BYTES)).await.ok()??;
        Some(message::submit(&self.state, submitter, &recipients, received, HOSTNAME))
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
