//! One attempt through Microsoft Graph: the message as MIME, its header made equal to the attempt's recipients.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use graph::{FailureClass, GraphError, GraphMail, MailboxSegment, MimeBody, MimeSource};
use mail::{Address, EnhancedStatus, MessageId};
use settings::{Connection, FromPolicy, OnUncertain};
use store::{BodyReader, Explanation, RecipientOutcome, Store, StoreError};
use tokio::io::AsyncReadExt as _;

use crate::upstream::explain;
use crate::{Delivery, LaneVerdict, Transport, Verdict};

/// Graph's limit of recipients in To, Cc and Bcc together.
const MAX_RECIPIENTS: u32 = 500;

/// What is read of a body to find its header's end. Intake refuses longer headers; past this, all of it is taken for
/// the header, which is safe, only not cheap.
const HEADER_READ_BYTES: u64 = 512 * 1024;

#[derive(Debug)]
pub(crate) struct GraphTransport {
    mail: GraphMail,
    connection: Connection,
}

impl GraphTransport {
    pub(crate) fn new(mail: GraphMail, connection: Connection) -> Self {
        Self { mail, connection }
    }
}

#[async_trait]
impl Transport for GraphTransport {
    async fn deliver(&self, delivery: Delivery<'_>) -> Verdict {
        let count = delivery.claim.recipients.len();
        let Some(mailbox) = delivery.claim.message.routed_to.as_ref().map(|route| route.mailbox.clone()) else {
            return Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
        };
        let segment = match MailboxSegment::new(mailbox.as_str()) {
            Ok(segment) => segment,
            Err(error) => return impossible_mailbox(count, &mailbox, error),
        };
        let message = OutgoingMime {
            store: Arc::clone(delivery.store),
            id: delivery.claim.message.id,
            added_header: delivery.claim.message.added_header.clone(),
            recipients: delivery.claim.addresses().cloned().collect(),
            mailbox,
            from_policy: delivery.from_policy,
        };
        match self.mail.send_mime(&segment, &message).await {
            Ok(accepted) => {
                Verdict::all(count, RecipientOutcome::Accepted, LaneVerdict::Go).with_request_id(accepted.request_id)
            }
            Err(error) => judge(&error, &message.recipients),
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

/// The message as it leaves, opened anew from the store for every attempt.
struct OutgoingMime {
    store: Arc<dyn Store>,
    id: MessageId,
    added_header: String,
    recipients: Vec<Address>,
    mailbox: Address,
    from_policy: FromPolicy,
}

#[async_trait]
impl MimeSource for OutgoingMime {
    async fn open(&self) -> io::Result<MimeBody> {
        let mut body = self.store.read_body(self.id).await.map_err(io::Error::other)?;
        let mut start = Vec::new();
        read_past_header(&mut body, &mut start).await?;
        let (header, after) = mail::header::split(&start);
        let mut head = Vec::with_capacity(self.added_header.len() + start.len() + 256);
        head.extend_from_slice(self.added_header.as_bytes());
        head.extend_from_slice(&self.edited(header));
        head.extend_from_slice(after);
        let read = u64::try_from(start.len()).unwrap_or(u64::MAX);
        let rest = body.len().saturating_sub(read);
        let head = Bytes::from(head);
        Ok(if rest == 0 { MimeBody::from_bytes(head) } else { MimeBody::with_rest(head, body, rest) })
    }
}

impl OutgoingMime {
    fn edited<'h>(&self, header: &'h [u8]) -> Cow<'h, [u8]> {
        let recipients: Vec<&Address> = self.recipients.iter().collect();
        let aligned = mail::recipients::align_recipients(header, &recipients);
        let from = match self.from_policy {
            FromPolicy::Keep => mail::from::keep_from(&aligned, &self.mailbox),
            FromPolicy::Rewrite => mail::from::rewrite_from(&aligned, &self.mailbox),
        };
        match from {
            Cow::Owned(edited) => Cow::Owned(edited),
            Cow::Borrowed(_) => aligned,
        }
    }
}

/// Reads until the buffer holds the whole header block, and perhaps some of the body.
pub(super) async fn read_past_header(body: &mut BodyReader, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut limited = body.take(HEADER_READ_BYTES);
    loop {
        let before = buffer.len();
        let mut chunk = (&mut limited).take(64 * 1024);
        chunk.read_to_end(buffer).await?;
        let (_, after) = mail::header::split(buffer);
        if !after.is_empty() || buffer.len() == before {
            return Ok(());
        }
    }
}

/// What Graph's answer means for each recipient and for the lane.
fn judge(error: &GraphError, recipients: &[Address]) -> Verdict {
    let count = recipients.len();
    let (outcome, lane) = match error.class() {
        FailureClass::Permanent => {
            return taken_out(error, recipients)
                .unwrap_or_else(|| {
                    Verdict::all(count, RecipientOutcome::Refused(refusal_status(error)), LaneVerdict::MessageOnly)
                })
                .explained(explanation_of(error))
                .with_request_id(Some(request_id(error)));
        }
        // 5.3.4: message too big for system.
        FailureClass::TooLarge => {
            (RecipientOutcome::Refused(EnhancedStatus::permanent(3, 4)), LaneVerdict::MessageOnly)
        }
        FailureClass::Configuration => (RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator),
        FailureClass::Quota { retry_after } => (RecipientOutcome::Deferred, LaneVerdict::QuotaUsedUp(retry_after)),
        FailureClass::Transient { .. } if is_unreadable(error) => {
            let mut verdict = Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
            verdict.is_unreadable = true;
            return verdict.explained(explanation_of(error));
        }
        FailureClass::Transient { retry_after } => (RecipientOutcome::Deferred, rest_after(error, retry_after)),
        FailureClass::Uncertain => (RecipientOutcome::Uncertain, LaneVerdict::Throttled(error.retry_after())),
    };
    Verdict::all(count, outcome, lane).explained(explanation_of(error)).with_request_id(Some(request_id(error)))
}

/// Who must rest after a passing trouble: the lane, unless the trouble may lie in the message (a plain 500).
fn rest_after(error: &GraphError, retry_after: Option<std::time::Duration>) -> LaneVerdict {
    match (error.status(), retry_after) {
        (Some(500), None) => LaneVerdict::MessageOnly,
        (_, wait) => LaneVerdict::Throttled(wait),
    }
}

/// Graph refuses a whole message for one bad recipient. When it names one of several, that one is refused and the
/// others go again at once.
fn taken_out(error: &GraphError, recipients: &[Address]) -> Option<Verdict> {
    let bad: Address = error.invalid_recipient()?.parse().ok()?;
    if recipients.len() < 2 || !recipients.contains(&bad) {
        return None;
    }
    let status = refusal_status(error);
    let mut verdict = Verdict::all(recipients.len(), RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
    for (outcome, recipient) in verdict.outcomes.iter_mut().zip(recipients) {
        if *recipient == bad {
            *outcome = RecipientOutcome::Refused(status);
        }
    }
    verdict.retry_at_once = true;
    Some(verdict)
}

/// RFC 3463 codes for the refusals that have one of their own; 5.0.0 for the others.
fn refusal_status(error: &GraphError) -> EnhancedStatus {
    let code = error.code().unwrap_or_default().to_ascii_lowercase();
    let (subject, detail) = match code.as_str() {
        "errorinvalidrecipients" => (1, 3),
        "errorsendasdenied" | "erroraccessdenied" => (7, 1),
        "errormessagesizeexceeded" | "errorattachmentsizelimitexceeded" => (3, 4),
        "errormimecontentinvalid" | "errormimecontentinvalidbase64string" => (6, 0),
        _ => (0, 0),
    };
    EnhancedStatus::permanent(subject, detail)
}

fn explanation_of(error: &GraphError) -> Explanation {
    let code = error.code().map(str::to_owned).or_else(|| {
        let number = error.token_error()?.aadsts()?;
        Some(format!("AADSTS{number}"))
    });
    Explanation { code, ..explain(&error.explanation()) }
}

/// Microsoft's id if there is one, else ours, which was sent with the request.
fn request_id(error: &GraphError) -> String {
    error.request_id().unwrap_or_else(|| error.client_request_id()).to_owned()
}

fn impossible_mailbox(count: usize, mailbox: &Address, error: graph::MailboxError) -> Verdict {
    let refused = RecipientOutcome::Refused(EnhancedStatus::permanent(1, 8));
    Verdict::all(count, refused, LaneVerdict::MessageOnly).explained(Explanation {
        what: format!("<{mailbox}> cannot be a mailbox to send from."),
        why: error.to_string(),
        fix: "Correct the route's mailbox, or the From address the application uses.".to_owned(),
        who: "Postern administrator".to_owned(),
        code: None,
    })
}

/// The stored body is damaged, as seen through the error of its reader.
fn is_unreadable(error: &GraphError) -> bool {
    let reading = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let stored = reading.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(stored, Some(StoreError::Unreadable { .. }))
}
