//! One attempt through Microsoft Graph.
//!
//! ```text
//!   fits one request, delivery standard ──► MIME sendMail ──413──┐
//!   fits one request, delivery tracked ───► MIME draft ──────────┤ (where large messages are allowed)
//!   larger, large messages allowed ───────► JSON draft ◄─────────┘
//! ```
//!
//! Promise: whatever way, the addresses Graph is asked to mail are those of the attempt. By way of a draft a message is sent
//! exactly once: an attempt after the first looks what earlier ones left in the mailbox, also those of a process that
//! was killed, takes what was sent for sent and removes what was not.

mod judge;
mod large;
mod outgoing;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use graph::{DraftContent, FailureClass, GraphError, GraphMail, MailboxSegment, MimeBody, MimeSource as _, Traces};
use mail::Address;
use settings::{Connection, Delivery as Choice, OnUncertain};
use store::{MessageRecord, RecipientOutcome};
use tokio::sync::Semaphore;

use crate::{Delivery, LaneVerdict, Transport, Verdict};
use judge::{impossible_mailbox, judge, unread, unsupported};
use large::{LargeMessage, NotTakenApart};
use outgoing::OutgoingMime;

pub(super) use outgoing::read_past_header;

/// Graph's limit of recipients in To, Cc and Bcc together.
const MAX_RECIPIENTS: u32 = 500;

/// Messages of a connection that are taken apart at once. Each holds up to 12 MiB while it is; others wait.
const LARGE_AT_ONCE: usize = 3;

/// What the header can grow by when recipients are added to it: 500 addresses of 64 bytes.
const HEADER_GROWTH_BYTES: u64 = 32 * 1024;

#[derive(Debug)]
pub(crate) struct GraphTransport {
    mail: GraphMail,
    connection: Connection,
    large: Arc<Semaphore>,
}

/// One attempt on its way.
struct Attempt<'a> {
    mailbox: MailboxSegment,
    message: OutgoingMime,
    record: &'a MessageRecord,
}

impl Attempt<'_> {
    fn count(&self) -> usize {
        self.message.recipients.len()
    }

    fn accepted(&self, request_id: Option<String>) -> Verdict {
        Verdict::all(self.count(), RecipientOutcome::Accepted, LaneVerdict::Go).with_request_id(request_id)
    }

    fn judge(&self, error: &GraphError) -> Verdict {
        judge(error, &self.message.recipients)
    }
}

impl GraphTransport {
    pub(crate) fn new(mail: GraphMail, connection: Connection) -> Self {
        Self { mail, connection, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }

    async fn carry(&self, attempt: &Attempt<'_>) -> Verdict {
        let fits = match self.fits_one_request(attempt).await {
            Ok(fits) => fits,
            Err(error) => return unread(attempt.count(), &error),
        };
        if !fits || self.connection.delivery == Choice::Tracked {
            return self.by_draft(attempt, !fits).await;
        }
        match self.mail.send_mime(&attempt.mailbox, &attempt.message).await {
            Ok(accepted) => attempt.accepted(accepted.request_id),
            Err(error) if self.switches_to_parts(&error) => self.by_draft(attempt, true).await,
            Err(error) => attempt.judge(&error),
        }
    }

    /// Microsoft does not say exactly where its limit is.
    fn switches_to_parts(&self, error: &GraphError) -> bool {
        error.class() == FailureClass::TooLarge && self.connection.takes_large_apart()
    }

    /// Without leave to take it apart every message goes whole, and Graph decides: intake refused what is too large.
    async fn fits_one_request(&self, attempt: &Attempt<'_>) -> std::io::Result<bool> {
        if !self.connection.takes_large_apart() {
            return Ok(true);
        }
        let limit = MimeBody::request_bytes_for(self.connection.mime_limit());
        let added = u64::try_from(attempt.message.added_header.len()).unwrap_or(u64::MAX);
        let at_most = attempt.record.size_bytes.saturating_add(added).saturating_add(HEADER_GROWTH_BYTES);
        if MimeBody::request_bytes_for(at_most) <= limit {
            return Ok(true);
        }
        Ok(attempt.message.open().await?.request_bytes() <= limit)
    }

    async fn by_draft(&self, attempt: &Attempt<'_>, in_parts: bool) -> Verdict {
        if attempt.record.attempts > 1
            && let Some(verdict) = self.settle_traces(attempt).await
        {
            return verdict;
        }
        if in_parts {
            return self.in_parts(attempt).await;
        }
        let sent = self.mail.send_draft(&attempt.mailbox, DraftContent::Mime(&attempt.message), &marker(attempt)).await;
        match sent {
            Ok(accepted) => attempt.accepted(accepted.request_id),
            Err(error) if self.switches_to_parts(&error) => self.in_parts(attempt).await,
            Err(error) => attempt.judge(&error),
        }
    }

    async fn in_parts(&self, attempt: &Attempt<'_>) -> Verdict {
        // Closed by nobody; and if it were, the bound would be worth less than the mail.
        let _permit = self.large.acquire().await;
        let large = match LargeMessage::read(&attempt.message, &marker(attempt)).await {
            Ok(large) => large,
            Err(NotTakenApart::Unsupported(error)) => return unsupported(attempt.count(), &error),
            Err(NotTakenApart::Unread(error)) => return unread(attempt.count(), &error),
        };
        match self.mail.send_draft(&attempt.mailbox, DraftContent::Json(&large), &marker(attempt)).await {
            Ok(accepted) => attempt.accepted(accepted.request_id),
            Err(error) => self.judge_parts(attempt, &error),
        }
    }

    /// Where only large messages need Mail.ReadWrite, its lack must not stop the others.
    fn judge_parts(&self, attempt: &Attempt<'_>, error: &GraphError) -> Verdict {
        let mut verdict = attempt.judge(error);
        let is_forbidden = error.class() == FailureClass::Configuration && error.status() == Some(403);
        if is_forbidden && self.connection.delivery == Choice::Standard {
            verdict.lane = LaneVerdict::MessageOnly;
        }
        verdict
    }

    /// What earlier attempts did, if it decides this one.
    async fn settle_traces(&self, attempt: &Attempt<'_>) -> Option<Verdict> {
        let message_id = attempt.record.internet_message_id.as_deref().map(in_angle_brackets);
        let found = self.mail.find_traces(&attempt.mailbox, &marker(attempt), message_id.as_deref()).await;
        let Traces { sent, drafts } = match found {
            Ok(traces) => traces,
            Err(error) => return Some(self.judge_parts(attempt, &error)),
        };
        for draft in &drafts {
            if let Err(error) = self.mail.remove_draft(&attempt.mailbox, draft).await {
                return Some(self.judge_parts(attempt, &error));
            }
        }
        let mailed: HashSet<Address> = sent.into_iter().flat_map(|copy| copy.recipients).collect();
        let is_mailed = |address: &&Address| mailed.contains(*address);
        let count = attempt.message.recipients.iter().filter(is_mailed).count();
        if count == 0 {
            return None;
        }
        tracing::info!(event = "sent_by_an_earlier_attempt", message_id = %attempt.record.id, recipients = count);
        if count == attempt.count() {
            return Some(attempt.accepted(None));
        }
        let mut verdict = Verdict::all(attempt.count(), RecipientOutcome::Deferred, LaneVerdict::Go);
        for (outcome, address) in verdict.outcomes.iter_mut().zip(&attempt.message.recipients) {
            if mailed.contains(address) {
                *outcome = RecipientOutcome::Accepted;
            }
        }
        verdict.retry_at_once = true;
        Some(verdict)
    }
}

/// What the message's drafts are found by.
fn marker(attempt: &Attempt<'_>) -> String {
    attempt.record.id.to_string()
}

fn in_angle_brackets(id: &str) -> String {
    format!("<{}>", id.trim().trim_start_matches('<').trim_end_matches('>'))
}

#[async_trait]
impl Transport for GraphTransport {
    async fn deliver(&self, delivery: Delivery<'_>) -> Verdict {
        let count = delivery.claim.recipients.len();
        let record = &delivery.claim.message;
        let Some(mailbox) = record.routed_to.as_ref().map(|route| route.mailbox.clone()) else {
            return Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
        };
        let segment = match MailboxSegment::new(mailbox.as_str()) {
            Ok(segment) => segment,
            Err(error) => return impossible_mailbox(count, &mailbox, error),
        };
        let message = OutgoingMime {
            store: Arc::clone(delivery.store),
            id: record.id,
            added_header: record.added_header.clone(),
            recipients: delivery.claim.addresses().cloned().collect(),
            mailbox,
            from_policy: delivery.from_policy,
        };
        self.carry(&Attempt { mailbox: segment, message, record }).await
    }

    fn in_flight(&self) -> u32 {
        self.connection.in_flight
    }

    fn max_recipients(&self) -> u32 {
        MAX_RECIPIENTS
    }

    /// Tracked, an attempt after a doubt looks before it sends: trying again is exact.
    fn on_uncertain(&self) -> OnUncertain {
        match self.connection.delivery {
            Choice::Tracked => OnUncertain::Retry,
            Choice::Standard => self.connection.on_uncertain,
        }
    }
}
