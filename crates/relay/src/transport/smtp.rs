//! One attempt by SMTP: to a server of one's own, or to Exchange Online with a token.
//!
//! ```text
//!   message ─► session (an idle one, else a new one) ─► transaction ─► verdict
//!                 ▲                                        │
//!                 └────────── kept while it is good ◄──────┘
//! ```
//!
//! Promise: the recipients are exactly the attempt's, by the envelope; what the server does not offer to carry is converted
//! without loss or refused with words. Before the end of the message is written nobody was mailed; after it, only
//! the server's reply tells.
//!
//! Left to others: retry and rest (`lane`), what may be configured (`admin`).

mod deadlines;
mod exchange;
mod explain;
mod fit;
mod link;
mod login;
mod message;
mod pool;
mod probe;
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

use crate::{Delivery, LaneVerdict, Transport, Verdict};
use explain::Scene;
use fit::Unfit;
use message::Outgoing;
use pool::Pool;
use session::Session;
use trouble::{Cause, Failure, Step};

pub use probe::{SmtpFacts, TestLetter};
pub(crate) use session::Target;

/// Recipients of one transaction: every server takes 100 (RFC 5321 §4.5.3.1.8), most take a thousand, and those who take
/// fewer say so for each one too many.
const MAX_RECIPIENTS: u32 = 100;

#[derive(Debug)]
pub(crate) struct SmtpTransport {
    target: Target,
    connection: Connection,
    pool: Arc<Pool>,
}

impl SmtpTransport {
    pub(crate) fn new(target: Target, connection: Connection, idle_timeout: Duration) -> Self {
        Self { target, connection, pool: Pool::new(idle_timeout) }
    }

    fn scene(&self, sends_as_mailbox: bool) -> Scene<'_> {
        Scene {
            host: &self.target.host,
            port: self.target.port,
            service: self.connection.service,
            sends_as_mailbox,
            signs_in_by_token: self.target.signs_in_by_token(),
        }
    }

    /// Sessions are the mailbox's where the mailbox is the user.
    fn pool_key<'a>(&self, mailbox: &'a Address) -> &'a str {
        if self.target.login.is_of_mailbox() { mailbox.as_str() } else { "" }
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
            if let Err(unfit) = fit::fit(message, &session.offered).await {
                self.pool.put(self.pool_key(mailbox), session);
                return Err(unfit.into());
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
    Beyond(EnhancedStatus, Explanation),
    Failed(Failure),
}

impl From<Failure> for Undelivered {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unfit> for Undelivered {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Beyond(status, words) => Self::Beyond(status, words),
            Unfit::Unread(error) => Self::Failed(Failure::new(Step::Body, Cause::Body(error))),
        }
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
                let verdict = verdict::of_end(&ended, &recipients, &scene);
                verdict::with_untold(verdict, &message.addressed())
            }
            Err(Undelivered::Beyond(status, words)) => {
                let refused = RecipientOutcome::Refused(status);
                Verdict::all(count, refused, LaneVerdict::MessageOnly).explained(words).beyond_the_way()
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

#[cfg(test)]
mod tests;
