//! One client's session: a line in, a reply out, until one of us has enough.
//!
//! Invariant: a transaction is there from an accepted MAIL until DATA, RSET, EHLO or the end; everything the limits
//! count is counted here.
//!
//! ```text
//!   connect ──► greeted ── EHLO ──► ready ── MAIL ──► transaction ── RCPT* ── DATA ──► (message) ──► ready
//!                  │                 │ ▲ AUTH           │ RSET, EHLO ──► ready
//!                  └─────────────────┴─┴──── QUIT, limits, shutdown (not in a transaction) ──► closed
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use mail::Envelope;
use settings::{Account, AccountId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use wire::{LineFault, LineReader, LineStep, Reply, parse_command};

use super::admission::Place;
use super::connection::{Connection, Gone, Interruptible};
use super::listener::Context;
use super::{AuthMode, replies};
use crate::intake::Submitter;

/// Who is at the other end, as far as we know.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// TLS version and cipher suite.
    pub(super) tls: Option<String>,
    /// What it called itself in EHLO or HELO.
    pub(super) name: Option<String>,
    pub(super) account: Option<SignedIn>,
}

#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) account: Arc<Account>,
    _place: Place<AccountId>,
}

impl SignedIn {
    pub(super) fn new(account: Arc<Account>, place: Place<AccountId>) -> Self {
        Self { account, _place: place }
    }
}

impl Client {
    pub(super) fn new(peer: IpAddr) -> Self {
        Self { peer, tls: None, name: None, account: None }
    }

    pub(super) fn submitter(&self) -> Submitter {
        match &self.account {
            Some(signed_in) => Submitter::Account(Arc::clone(&signed_in.account)),
            None => Submitter::Network,
        }
    }
}

/// What comes after a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    /// The reply is the last one.
    Close,
    StartTls,
}

/// How a session ended.
#[derive(Debug)]
pub(super) enum End<S> {
    Over,
    /// The client went away between an accepted MAIL and the reply to its message.
    InsideTransaction,
    /// The stream is to be upgraded to TLS.
    StartTls(S),
}

pub(super) struct Session<'a, S> {
    pub(super) context: &'a Context,
    pub(super) connection: Connection<S>,
    pub(super) client: Client,
    pub(super) transaction: Option<Envelope>,
    pub(super) counted: Counted,
    /// Content is coming in; it belongs to no transaction any more and to no message yet.
    pub(super) is_receiving: bool,
    lines: LineReader,
    started: Instant,
    /// Content of the message that is coming in; kept to be used again.
    pub(super) content: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) messages: u64,
    commands_since_message: u32,
    bad_commands: u32,
    pub(super) login_failures: u32,
}

impl Counted {
    pub(super) fn message_accepted(&mut self) {
        self.messages += 1;
        self.commands_since_message = 0;
        self.bad_commands = 0;
    }
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(context: &'a Context, connection: Connection<S>, client: Client) -> Self {
        let lines = LineReader::new(context.shared.limits.line_octets, context.config.line_endings);
        Self {
            context,
            connection,
            client,
            transaction: None,
            counted: Counted::default(),
            is_receiving: false,
            lines,
            started: Instant::now(),
            content: Vec::new(),
        }
    }

    /// Greets, or tells the client that it has no business here; then [`Session::run`].
    pub(super) async fn greet_and_run(mut self) -> End<S> {
        if self.context.config.auth == AuthMode::Off && !self.is_trusted_network() {
            self.say(&replies::address_not_served(self.client.peer));
            self.connection.close().await;
            return End::Over;
        }
        self.connection.say(&replies::greeting(&self.context.config.hostname));
        self.run().await
    }

    /// Serves the client to the end.
    pub(super) async fn run(mut self) -> End<S> {
        tracing::debug!(event = "smtp_session_started", peer = %self.client.peer, tls = self.client.tls);
        let mut line = Vec::new();
        let end = loop {
            match self.step(&mut line).await {
                Ok(Flow::Continue) => {}
                end => break end,
            }
        };
        tracing::debug!(event = "smtp_session_ended", peer = %self.client.peer, messages = self.counted.messages);
        let is_owing = self.transaction.is_some() || self.is_receiving;
        match end {
            Ok(Flow::StartTls) => return self.connection.into_stream().await.map_or(End::Over, End::StartTls),
            // Who says goodbye inside a transaction has given it up.
            Ok(_) => {
                self.connection.close().await;
                return End::Over;
            }
            Err(Gone::ShuttingDown) => self.say(&replies::shutting_down()),
            Err(Gone::TimedOut) => self.say(&replies::timed_out()),
            // In the middle of a message this is worth knowing, at its end it is how many clients say goodbye.
            Err(Gone::Closed) => {}
            Err(Gone::Broken(error)) => {
                tracing::debug!(event = "smtp_connection_lost", peer = %self.client.peer, %error);
            }
        }
        self.connection.close().await;
        if is_owing { End::InsideTransaction } else { End::Over }
    }

    /// One line and its reply.
    async fn step(&mut self, line: &mut Vec<u8>) -> Result<Flow, Gone> {
        self.connection.relieve().await?;
        let read = self.read_line(line).await?;
        if let Some(flow) = self.out_of_patience() {
            return Ok(flow);
        }
        let flow = match read {
            Ok(()) => match parse_command(line) {
                Ok(command) => self.obey(command).await,
                Err(error) => Ok(self.answer(&error.reply())),
            },
            Err(LineFault::TooLong) => Ok(self.answer(&replies::line_too_long())),
            Err(LineFault::BareCr) => Ok(self.answer(&replies::bare_cr_in_command())),
            Err(LineFault::BareLf) => Ok(self.answer(&replies::bare_lf_in_command())),
        };
        // It may have been a password.
        line.fill(0);
        flow
    }

    /// Reads the next line into `line`; replies that wait are written before the client is waited for.
    pub(super) async fn read_line(&mut self, line: &mut Vec<u8>) -> Result<Result<(), LineFault>, Gone> {
        line.clear();
        let mut deadline = None;
        loop {
            let consumed = match self.lines.next(self.connection.input()) {
                LineStep::Line { line: found, consumed } => {
                    line.extend_from_slice(found);
                    self.connection.consume_and_wipe(consumed);
                    return Ok(Ok(()));
                }
                LineStep::Fault { fault, consumed } => {
                    self.connection.consume_and_wipe(consumed);
                    return Ok(Err(fault));
                }
                LineStep::NeedMore { consumed } => consumed,
            };
            self.connection.consume_and_wipe(consumed);
            let interruptible = if self.transaction.is_some() { Interruptible::No } else { Interruptible::Yes };
            let timeout = self.context.shared.limits.command_timeout;
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
            self.connection.fill(deadline, interruptible).await?;
        }
    }

    /// Counts a command, and ends a session that has had its share.
    fn out_of_patience(&mut self) -> Option<Flow> {
        let limits = &self.context.shared.limits;
        self.counted.commands_since_message += 1;
        let reply = if self.counted.commands_since_message > limits.commands_between_messages {
            replies::too_many_commands()
        } else if self.counted.bad_commands >= limits.bad_commands {
            replies::too_many_errors()
        } else if self.transaction.is_none() && self.connection.is_shutting_down() {
            replies::shutting_down()
        } else if self.transaction.is_none() && self.started.elapsed() > limits.session_timeout {
            replies::session_over()
        } else {
            return None;
        };
        Some(self.answer(&reply))
    }

    /// Says `reply`; a 421 or 521 is the last one (RFC 5321 §3.8, RFC 7504).
    pub(super) fn answer(&mut self, reply: &Reply) -> Flow {
        if matches!(reply.code(), 500..=504 | 555) {
            self.counted.bad_commands += 1;
        }
        self.say(reply);
        if matches!(reply.code(), 421 | 521) { Flow::Close } else { Flow::Continue }
    }

    fn say(&mut self, reply: &Reply) {
        if reply.is_refusal() {
            let status = reply.status().map(|status| status.to_string()).unwrap_or_default();
            let account = self.client.account.as_ref().map(|signed_in| signed_in.account.name.as_str());
            tracing::info!(event = "smtp_refused", peer = %self.client.peer, account, code = reply.code(), status, told = reply.text());
            metrics::counter!("postern_smtp_refusals_total", "status" => status).increment(1);
        }
        self.connection.say(reply);
    }

    /// May this peer sign in without TLS, and send where `auth` leaves it to the network?
    pub(super) fn is_trusted_network(&self) -> bool {
        self.context.config.allows(self.client.peer)
    }
}
