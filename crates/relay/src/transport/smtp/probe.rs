//! Tests of a connection: as a message would find it, with nothing sent, or with one message past the queue.

use std::time::Duration;

use bytes::Bytes;
use mail::{Address, Envelope};
use store::Explanation;
use wire::Extension;

use super::message::Outgoing;
use super::session::Session;
use super::{SmtpTransport, Undelivered, explain, fit, transaction, verdict};

/// How long a test waits for each reply. A server that is only slow to greet (some are, on purpose) answers within it.
const PROBE_WAIT: Duration = Duration::from_secs(30);

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
    /// What the server said to the test's message, if there was one.
    pub accepted: Option<String>,
}

/// A message for a test.
#[derive(Debug, Clone)]
pub struct TestLetter {
    /// The reverse-path.
    pub from: Address,
    pub to: Address,
    /// Header and body, in ASCII.
    pub content: Bytes,
}

impl SmtpTransport {
    /// Opens a session, hands `letter` in if there is one, and ends it. Somebody waits for the outcome, so the server is
    /// given less time than mail would give.
    pub(crate) async fn probe(
        mut self,
        mailbox: Option<&Address>,
        letter: Option<&TestLetter>,
    ) -> Result<SmtpFacts, Explanation> {
        let waits = &mut self.target.deadlines;
        waits.command = waits.command.min(PROBE_WAIT);
        waits.data = waits.data.min(PROBE_WAIT);
        waits.end_of_data = waits.end_of_data.min(PROBE_WAIT);
        let user = mailbox.map(Address::as_str).unwrap_or_default();
        let session = Session::open(&self.target, user).await;
        let mut session = session.map_err(|failure| explain::failure(&failure, &self.scene(true)))?;
        let accepted = match letter {
            Some(letter) => Some(self.send_letter(&mut session, mailbox, letter).await?),
            None => None,
        };
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
            accepted,
        };
        session.quit().await;
        Ok(facts)
    }

    /// Returns what the server said when it took the message.
    async fn send_letter(
        &self,
        session: &mut Session,
        mailbox: Option<&Address>,
        letter: &TestLetter,
    ) -> Result<String, Explanation> {
        let scene = self.scene(mailbox.is_none_or(|mailbox| *mailbox == letter.from));
        let mut envelope = Envelope::new(letter.from.clone());
        envelope.add(letter.to.clone());
        let mut message = Outgoing::of_text(envelope, letter.content.clone());
        let sent = match fit::fit(&mut message, &session.offered).await {
            Ok(()) => transaction::send(session, &mut message).await.map_err(Undelivered::from),
            Err(unfit) => Err(Undelivered::from(unfit)),
        };
        let ended = sent.map_err(|undelivered| match undelivered {
            Undelivered::Beyond(_, words) => words,
            Undelivered::Failed(failure) => explain::failure(&failure, &scene),
        })?;
        let verdict = verdict::of_end(&ended, &[&letter.to], &scene);
        match verdict.explanation {
            Some(words) => Err(words),
            None => Ok(verdict.request_id.unwrap_or_default()),
        }
    }
}
