//! One attempt by SMTP: to a server of one's own, or to Exchange Online with a token.
//!
//! ```text
//!   message ─► session (an idle one, else a new one) ─► transaction ─► verdict
//!                 ▲                                        │
//!                 └────────── kept while it is good ◄──────┘
//! ```
//!
//! Promise: the recipients are exactly the attempt's, by the envelope; what the server does not offer to carry is refused with
//! words, never sent otherwise than it is. Before the end of the message is written nobody was mailed; after it, only
//! the server's reply tells.
//!
//! Left to others: retry and rest (`lane`), what may be configured (`admin`).

mod deadlines;
mod exchange;
mod explain;
mod link;
mod login;
mod message;
mod pool;
mod session;
mod target;
mod transaction;
mod trouble;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mail::{Address, EnhancedStatus};
use settings::{Connection, FromPolicy, OnUncertain, Service};
use store::{Explanation, RecipientOutcome};
use wire::{Capabilities, Extension};

use crate::{Delivery, LaneVerdict, Transport, Verdict};
use explain::Scene;
use message::Outgoing;
use pool::Pool;
use session::Session;
use trouble::{Cause, Failure, Step};

pub(crate) use session::Target;

/// Recipients of one transaction: every server takes 100 (RFC 5321 §4.5.3.1.8), most take a thousand, and those who take
/// fewer say so for each one too many.
const MAX_RECIPIENTS: u32 = 100;

/// How long a test waits for each reply. A server that is only slow to greet (some are, on purpose) answers within it.
const PROBE_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct SmtpTransport {
    target: Target,
    connection: Connection,
    pool: Arc<Pool>,
}

/// What a test of a connection found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpFacts {
    pub host: String,
    pub port: u16,
    /// The session was protected.
    pub tls: bool,
    /// It was proved who we are.
    pub authenticated: bool,
    /// Octets; `None`: the server names no limit.
    pub max_message_bytes: Option<u64>,
    /// What the server lacks of what mail may need.
    pub lacks: Vec<&'static str>,
}

impl SmtpTransport {
    pub(crate) fn new(target: Target, connection: Connection, idle_timeout: Duration) -> Self {
        Self { target, connection, pool: Pool::new(idle_timeout) }
    }

    /// Opens a session and ends it. Somebody waits for the outcome, so the server is given less time than mail would give.
    pub(crate) async fn probe(mut self, mailbox: Option<&Address>) -> Result<SmtpFacts, Explanation> {
        self.target.deadlines.command = self.target.deadlines.command.min(PROBE_WAIT);
        let user = mailbox.map(Address::as_str).unwrap_or_default();
        let session = Session::open(&self.target, user).await;
        let session = session.map_err(|failure| explain::failure(&failure, &self.scene(true)))?;
        let lacks = [
            (Extension::EightBitMime, "8BITMIME"),
            (Extension::SmtpUtf8, "SMTPUTF8"),
            (Extension::Dsn, "DSN"),
            (Extension::Pipelining, "PIPELINING"),
        ];
        let facts = SmtpFacts {
            host: self.target.host.clone(),
            port: self.target.port,
            tls: self.target.is_protected(),
            authenticated: self.target.authenticates(),
            max_message_bytes: session.offered.max_message_bytes,
            lacks: lacks.into_iter().filter(|(it, _)| !session.offered.offers(*it)).map(|(_, name)| name).collect(),
        };
        session.quit().await;
        Ok(facts)
    }

    fn scene(&self, sends_as_mailbox: bool) -> Scene<'_> {
        Scene { host: &self.target.host, port: self.target.port, service: self.connection.service, sends_as_mailbox }
    }

    /// Sessions are the mailbox's where the mailbox is the user.
    fn pool_key<'a>(&self, mailbox: &'a Address) -> &'a str {
        if self.connection.service == Service::Exchange { mailbox.as_str() } else { "" }
    }

    /// An idle session that still answers, or a new one; and whether it is an old one.
    async fn session(&self, mailbox: &Address) -> Result<(Session, bool), Failure> {
        while let Some(mut session) = self.pool.take(self.pool_key(mailbox)) {
            if session.is_clean || session.reset().await.is_ok() {
                return Ok((session, true));
            }
        }
        Ok((Session::open(&self.target, mailbox.as_str()).await?, false))
    }

    /// Carries the message. A session that ended while it was idle says nothing about the message: then a new one is used.
    async fn carry(&self, message: &mut Outgoing, mailbox: &Address) -> Result<transaction::Ended, Undelivered> {
        loop {
            let (mut session, is_old) = self.session(mailbox).await?;
            if let Some(reason) = impossible(message, &session.offered) {
                self.pool.put(self.pool_key(mailbox), session);
                return Err(Undelivered::Impossible(reason));
            }
            match transaction::send(&mut session, message).await {
                Ok(ended) => {
                    if !matches!(ended.end, transaction::End::Lost(_)) && !is_goodbye(&ended) {
                        self.pool.put(self.pool_key(mailbox), session);
                    }
                    return Ok(ended);
                }
                Err(failure) if is_old && failure.step < Step::Body && failure.is_lost_connection() => {}
                Err(failure) => {
                    if matches!(failure.cause, Cause::Reply(_)) && failure.step == Step::Mail {
                        self.pool.put(self.pool_key(mailbox), session);
                    }
                    return Err(failure.into());
                }
            }
        }
    }
}

/// Why a message was not carried.
enum Undelivered {
    /// The server does not offer what the message needs; not asked.
    Impossible((EnhancedStatus, Explanation)),
    Failed(Failure),
}

impl From<Failure> for Undelivered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn deliver(&self, delivery: Delivery<'_>) -> Verdict {
        let count = delivery.claim.recipients.len();
        let Some(route) = delivery.claim.message.routed_to.as_ref() else {
            return Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
        };
        // Exchange takes mail from the mailbox, or from whom it may send as; elsewhere the envelope is the message's own.
        let rewrites = self.connection.service == Service::Exchange && delivery.from_policy == FromPolicy::Rewrite;
        let mail_from = rewrites.then(|| route.mailbox.clone());
        let opened = Outgoing::open(&delivery, &route.mailbox, mail_from).await;
        let mut message = match opened {
            Ok(message) => message,
            Err(error) => {
                let failure = Failure::new(Step::Body, Cause::Body(error));
                return verdict::of_failure(&failure, count, &self.scene(true));
            }
        };
        let scene = self.scene(message.envelope.reverse_path.address().is_none_or(|from| *from == route.mailbox));
        match self.carry(&mut message, &route.mailbox).await {
            Ok(ended) => {
                let recipients: Vec<&Address> = message.envelope.recipients.iter().map(|it| &it.address).collect();
                verdict::of_end(&ended, &recipients, &scene)
            }
            Err(Undelivered::Impossible((status, reason))) => {
                Verdict::all(count, RecipientOutcome::Refused(status), LaneVerdict::MessageOnly).explained(reason)
            }
            Err(Undelivered::Failed(failure)) => verdict::of_failure(&failure, count, &scene),
        }
    }

    fn in_flight(&self) -> u32 {
        self.connection.in_flight
    }

    fn max_recipients(&self) -> u32 {
        MAX_RECIPIENTS
    }

    fn on_uncertain(&self) -> OnUncertain {
        self.connection.on_uncertain
    }
}

/// The server has ended the session with its last reply.
fn is_goodbye(ended: &transaction::Ended) -> bool {
    matches!(&ended.end, transaction::End::Reply(_, reply) if reply.code == 421)
}

/// What the message needs and the server does not offer.
fn impossible(message: &Outgoing, offered: &Capabilities) -> Option<(EnhancedStatus, Explanation)> {
    if let Some(max) = offered.max_message_bytes.filter(|max| message.size > *max) {
        // 5.3.4: message too big for system.
        let why = format!("It has {} octets; the server takes {max}.", message.size);
        let words = explain::impossible(
            "The message is larger than the server takes.",
            &why,
            "Send a smaller message, or enlarge the limit there.",
        );
        return Some((EnhancedStatus::permanent(3, 4), words));
    }
    if message.needs_smtputf8 && !offered.offers(Extension::SmtpUtf8) {
        // 5.6.7: non-ASCII addresses not permitted (RFC 6531 §3.5).
        let words = explain::impossible(
            "The server takes no international addresses.",
            "An address or the header has letters beyond ASCII, and the server does not offer SMTPUTF8.",
            "Use addresses in ASCII, or a server that offers SMTPUTF8.",
        );
        return Some((EnhancedStatus::permanent(6, 7), words));
    }
    if message.is_8bit() && !offered.offers(Extension::EightBitMime) {
        // 5.6.3: conversion required but not supported.
        let words = explain::impossible(
            "The server takes no 8-bit text.",
            "The message has octets beyond ASCII, and the server does not offer 8BITMIME. This version does not convert them.",
            "Send it in quoted-printable or base64, or use a server that offers 8BITMIME.",
        );
        return Some((EnhancedStatus::permanent(6, 3), words));
    }
    None
}

#[cfg(test)]
mod tests;
