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
//! was killed, takes what was sent for sent, goes on with what only waits to be sent, and removes the rest.

mod cost;
mod judge;
mod kept_draft;
mod large;
mod outgoing;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use graph::{
    DraftContent, FailureClass, GraphError, GraphMail, Left, MailboxSegment, MimeBody, MimeSource as _, NotSent,
    Prepared, Traces,
};
use mail::Address;
use settings::{Connection, Delivery as Choice, OnUncertain, Permission};
use store::{Explanation, MessageRecord, RecipientOutcome};
use tokio::sync::Semaphore;

use super::Leftover;
use crate::{Cost, Delivery, LaneVerdict, Transport, Verdict};
use judge::{impossible_mailbox, judge, of_a_user, unread, unsupported};
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
        judge(error, &self.message.recipients, &self.message.mailbox)
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
        if attempt.record.attempts > 1 {
            if let Some(verdict) = self.go_on_with_kept(attempt).await {
                return verdict;
            }
            match self.settle_traces(attempt).await {
                Settled::By(verdict) => return verdict,
                Settled::NothingWasSent { is_certain } => {
                    let mut verdict = self.by_new_draft(attempt, in_parts).await;
                    verdict.settles_doubt = is_certain && all_accepted(&verdict);
                    return verdict;
                }
            }
        }
        self.by_new_draft(attempt, in_parts).await
    }

    async fn by_new_draft(&self, attempt: &Attempt<'_>, in_parts: bool) -> Verdict {
        if in_parts {
            return self.in_parts(attempt).await;
        }
        let sent = self.mail.send_draft(&attempt.mailbox, DraftContent::Mime(&attempt.message), &marker(attempt)).await;
        match sent {
            Ok(accepted) => attempt.accepted(accepted.request_id),
            Err(NotSent { error, .. }) if self.switches_to_parts(&error) => self.in_parts(attempt).await,
            Err(not_sent) => self.judge_draft(attempt, not_sent).await,
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
            Err(not_sent) => self.judge_draft(attempt, not_sent).await,
        }
    }

    /// An earlier attempt has done all but the sending: it is done, and nothing is uploaded twice.
    async fn go_on_with_kept(&self, attempt: &Attempt<'_>) -> Option<Verdict> {
        let kept = kept_draft::read(attempt).await?;
        let id = kept.ready_for(attempt)?;
        match self.mail.send_prepared(&attempt.mailbox, id).await {
            Ok(Prepared::Sent(accepted)) => {
                kept_draft::forget(attempt).await;
                Some(attempt.accepted(accepted.request_id))
            }
            Ok(Prepared::Gone) => None,
            Err(not_sent) => Some(self.judge_draft(attempt, not_sent).await),
        }
    }

    /// Notes what was left behind, so that it is found even if this message is never attempted again.
    async fn judge_draft(&self, attempt: &Attempt<'_>, not_sent: NotSent) -> Verdict {
        match not_sent.left {
            Left::Nothing => {}
            Left::Ready(id) => kept_draft::note(attempt, Some(id)).await,
            Left::Something => kept_draft::note(attempt, None).await,
        }
        self.judge_parts(attempt, &not_sent.error)
    }

    /// Where only large messages need Mail.ReadWrite, its lack must not stop the others.
    fn judge_parts(&self, attempt: &Attempt<'_>, error: &GraphError) -> Verdict {
        let mut verdict = attempt.judge(error);
        let is_forbidden = error.class() == FailureClass::Configuration && error.status() == Some(403);
        if is_forbidden && self.connection.delivery == Choice::Standard {
            verdict.lane = LaneVerdict::MessageOnly;
        }
        if is_forbidden && self.connection.permission == Permission::Delegated {
            verdict.explanation = verdict.explanation.map(|it| of_a_user(it, &attempt.message.mailbox));
        }
        verdict
    }

    /// What earlier attempts did: it may decide this one.
    async fn settle_traces(&self, attempt: &Attempt<'_>) -> Settled {
        let message_id = attempt.record.internet_message_id.as_deref().map(in_angle_brackets);
        let found = self.mail.find_traces(&attempt.mailbox, &marker(attempt), message_id.as_deref()).await;
        let Traces { sent, drafts } = match found {
            Ok(traces) => traces,
            Err(error) => return Settled::By(self.judge_parts(attempt, &error)),
        };
        for draft in &drafts {
            if let Err(error) = self.mail.remove_draft(&attempt.mailbox, draft).await {
                return Settled::By(self.judge_parts(attempt, &error));
            }
        }
        kept_draft::forget(attempt).await;
        let earlier = usize::try_from(attempt.record.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        // An attempt without a trace may have gone another way, or somebody tidied up.
        let is_certain = sent.len().saturating_add(drafts.len()) >= earlier;
        let copies = sent.len();
        let mailed: HashSet<Address> = sent.into_iter().flat_map(|copy| copy.recipients).collect();
        let is_mailed = |address: &&Address| mailed.contains(*address);
        let count = attempt.message.recipients.iter().filter(is_mailed).count();
        if count == 0 {
            return Settled::NothingWasSent { is_certain: is_certain && copies == 0 };
        }
        tracing::info!(event = "sent_by_an_earlier_attempt", message_id = %attempt.record.id, recipients = count);
        if count == attempt.count() {
            let verdict = attempt.accepted(None);
            return Settled::By(Verdict { settles_doubt: is_certain && copies == 1, ..verdict });
        }
        let mut verdict = Verdict::all(attempt.count(), RecipientOutcome::Deferred, LaneVerdict::Go);
        for (outcome, address) in verdict.outcomes.iter_mut().zip(&attempt.message.recipients) {
            if mailed.contains(address) {
                *outcome = RecipientOutcome::Accepted;
            }
        }
        verdict.retry_at_once = true;
        Settled::By(verdict)
    }
}

/// What the look at earlier attempts' traces came to.
enum Settled {
    By(Verdict),
    /// `is_certain`: every earlier attempt left a draft, and none of them was sent.
    NothingWasSent {
        is_certain: bool,
    },
}

fn all_accepted(verdict: &Verdict) -> bool {
    verdict.outcomes.iter().all(|outcome| *outcome == RecipientOutcome::Accepted)
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

    fn leaves_drafts(&self) -> bool {
        self.connection.makes_drafts()
    }

    async fn clear_away(&self, left: &Leftover<'_>) -> Result<(), Explanation> {
        let Ok(mailbox) = MailboxSegment::new(left.mailbox.as_str()) else { return Ok(()) };
        let message_id = left.internet_message_id.map(in_angle_brackets);
        let traces = self.mail.find_traces(&mailbox, &left.message.to_string(), message_id.as_deref()).await;
        for draft in traces.map_err(|error| judge::explanation_of(&error))?.drafts {
            self.mail.remove_draft(&mailbox, &draft).await.map_err(|error| judge::explanation_of(&error))?;
        }
        Ok(())
    }

    fn cost(&self, message_bytes: u64, is_repeated: bool) -> Cost {
        cost::of(&self.connection, message_bytes, is_repeated)
    }
}
