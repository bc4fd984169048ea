//! Sending by way of a draft: what is too large for one request, and what must be sent exactly once.
//!
//! ```text
//!   create ─► (mark) ─► attach ─► send ─► 202 ──────────────────────► accepted
//!      │         │         │       │ ▲ └─► no answer ─► look: moved ─► accepted
//!      └─────────┴─────────┘       │ └──────────────── look: a draft
//!            failed: the draft is removed              look: nothing known ─► uncertain
//!                                  └─► refused for now ─► stays, ready to be sent ([`GraphMail::send_prepared`])
//! ```
//!
//! Promise: only `send` has an effect on recipients, and its draft has an immutable id, so a lost answer is no doubt: the
//! draft tells whether it left. A draft whose message cannot be sent is removed; one that only has to wait is kept, so that
//! nothing is uploaded twice, and the caller is told its id. Each draft carries a marker of the
//! caller's, written before `send`, so that a later process finds what an earlier one left ([`GraphMail::find_traces`]).
//!
//! Invariant: memory is bounded for a message of any size. At once there are the draft's JSON (4 MiB) and Graph's answer
//! to it (8 MiB at most), or one attachment under 3 MiB with its base64 (7 MiB), or one range of an upload (3.75 MiB).
//! `tests/large/test_gateway.py` measures it with 35 MB.
//!
//! Left to others: what the draft says (`mail::graph_json`), whether to look for traces.

mod traces;

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mail::graph_json::File;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Call, Effect, Payload};
use crate::client::{Accepted, GraphMail};
use crate::error::{Cause, FailureClass, GraphError};
use crate::mailbox::MailboxSegment;
use crate::mime::MimeSource;

pub use traces::{SentCopy, Traces};

/// The MAPI property that holds the marker. Part of no header: recipients do not see it.
pub const MARKER_PROPERTY: &str = "String {5d0a7c52-3f0e-4c8b-9d5e-2f9f6f1c7e11} Name PosternMessage";

/// Waits between the questions whether a draft was sent; after the last, it is not known.
const LOOK_AGAIN: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// How often the same draft is sent again after answers that were lost.
const MAX_SENDS: u32 = 4;

/// What a draft is made of.
#[derive(Clone, Copy)]
pub enum DraftContent<'a> {
    /// Keeps the message as it is; must fit one request.
    Mime(&'a dyn MimeSource),
    /// Taken apart; of any size.
    Json(&'a dyn LargeSource),
}

impl std::fmt::Debug for DraftContent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mime(_) => "Mime",
            Self::Json(_) => "Json",
        })
    }
}

/// A message as JSON, and its files.
#[async_trait]
pub trait LargeSource: Send + Sync {
    /// The draft without its files, with the marker as [`MARKER_PROPERTY`].
    fn draft(&self) -> Bytes;

    /// The files, in the order [`open`](Self::open) gives their content.
    fn files(&self) -> &[File];

    /// The decoded content of all files, one after the other, from the first byte.
    async fn open(&self) -> io::Result<Box<dyn Pieces>>;
}

/// Bytes in pieces of bounded size.
#[async_trait]
pub trait Pieces: Send {
    async fn next(&mut self) -> io::Result<Option<Bytes>>;
}

/// The immutable id of a draft: it stays the same when the message moves to Sent Items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DraftId(pub(crate) String);

/// A draft that was not sent, or of which that is not known.
#[derive(Debug)]
pub struct NotSent {
    pub error: GraphError,
    pub left: Left,
}

/// What a failed attempt left in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// Complete and not sent: [`GraphMail::send_prepared`] goes on with it.
    Ready(DraftId),
    /// Perhaps a draft, perhaps a sent message: [`GraphMail::find_traces`] tells.
    Something,
}

/// What became of a draft that was kept.
#[derive(Debug)]
pub enum Prepared {
    /// Now, or by an attempt that could not tell.
    Sent(Accepted),
    /// Somebody emptied Drafts: the message must be prepared anew.
    Gone,
}

impl DraftId {
    /// Its path below the mailbox.
    pub(crate) fn path(&self) -> String {
        format!("messages/{}", utf8_percent_encode(&self.0, NON_ALPHANUMERIC))
    }
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    is_draft: bool,
}

/// What a look at a draft tells.
enum Look {
    StillDraft,
    Sent,
    Gone,
    Unknown,
}

impl GraphMail {
    /// Sends one message from `mailbox` by way of a draft. Needs `Mail.ReadWrite` besides `Mail.Send`.
    pub async fn send_draft(
        &self,
        mailbox: &MailboxSegment,
        content: DraftContent<'_>,
        marker: &str,
    ) -> Result<Accepted, NotSent> {
        let id = self.create(mailbox, content).await.map_err(|error| {
            let left = if may_have_made_it(&error) { Left::Something } else { Left::Nothing };
            NotSent { error, left }
        })?;
        if let Err(error) = self.prepare(mailbox, &id, content, marker).await {
            let left = self.remove_or_tell(mailbox, &id).await;
            return Err(NotSent { error, left });
        }
        self.send_or_keep(mailbox, id).await
    }

    /// Goes on with a draft that an earlier attempt left [`Left::Ready`]: uploads nothing. It is looked at first, for that
    /// attempt's process may have died while it sent the draft after all.
    pub async fn send_prepared(&self, mailbox: &MailboxSegment, id: DraftId) -> Result<Prepared, NotSent> {
        let call = preparing(Method::GET, format!("{}?$select=isDraft", id.path()), Payload::Nothing, StatusCode::OK);
        let answered = match self.call(mailbox, &call).await {
            Ok(answered) => answered,
            Err(error) if is_item_not_found(&error) => return Ok(Prepared::Gone),
            Err(error) => return Err(NotSent { error, left: Left::Ready(id) }),
        };
        let (client_request_id, accepted) = (answered.client_request_id.clone(), answered.accepted());
        match answered.json::<Looked>().await {
            Some(message) if message.is_draft => self.send_or_keep(mailbox, id).await.map(Prepared::Sent),
            Some(_) => Ok(Prepared::Sent(accepted)),
            None => Err(NotSent { error: unreadable(client_request_id), left: Left::Ready(id) }),
        }
    }

    /// A draft that has to wait stays; one that cannot be sent goes; what may have left is kept for who wants to know.
    async fn send_or_keep(&self, mailbox: &MailboxSegment, id: DraftId) -> Result<Accepted, NotSent> {
        let error = match self.send_for_sure(mailbox, &id).await {
            Ok(accepted) => return Ok(accepted),
            Err(error) => error,
        };
        let left = match error.class() {
            FailureClass::Uncertain => Left::Something,
            FailureClass::Transient { .. } | FailureClass::Quota { .. } => Left::Ready(id),
            FailureClass::Permanent | FailureClass::Configuration | FailureClass::TooLarge => {
                self.remove_or_tell(mailbox, &id).await
            }
        };
        Err(NotSent { error, left })
    }

    async fn create(&self, mailbox: &MailboxSegment, content: DraftContent<'_>) -> Result<DraftId, GraphError> {
        let payload = match content {
            DraftContent::Mime(message) => Payload::Mime(message),
            DraftContent::Json(message) => Payload::Json(message.draft()),
        };
        let call = preparing(Method::POST, "messages".to_owned(), payload, StatusCode::CREATED);
        let answered = self.call(mailbox, &call).await?;
        let client_request_id = answered.client_request_id.clone();
        let made: Option<Made> = answered.json().await;
        made.map(|made| DraftId(made.id)).ok_or_else(|| unreadable(client_request_id))
    }

    async fn prepare(
        &self,
        mailbox: &MailboxSegment,
        id: &DraftId,
        content: DraftContent<'_>,
        marker: &str,
    ) -> Result<(), GraphError> {
        match content {
            DraftContent::Mime(_) => self.mark(mailbox, id, marker).await,
            DraftContent::Json(message) => self.attach_all(mailbox, id, message).await,
        }
    }

    /// MIME has no place for the marker, so it is written afterwards. A draft that is not marked was never sent.
    async fn mark(&self, mailbox: &MailboxSegment, id: &DraftId, marker: &str) -> Result<(), GraphError> {
        let body = json!({"singleValueExtendedProperties": [{"id": MARKER_PROPERTY, "value": marker}]});
        let payload = Payload::Json(Bytes::from(body.to_string()));
        self.call(mailbox, &preparing(Method::PATCH, id.path(), payload, StatusCode::OK)).await.map(|_| ())
    }

    /// Sends the draft, the same one again while it demonstrably is still a draft.
    async fn send_for_sure(&self, mailbox: &MailboxSegment, id: &DraftId) -> Result<Accepted, GraphError> {
        let mut sends = 0;
        loop {
            sends += 1;
            let call = Call {
                method: Method::POST,
                below_mailbox: format!("{}/send", id.path()),
                payload: Payload::Nothing,
                expected: StatusCode::ACCEPTED,
                effect: Effect::Sends,
            };
            let error = match self.call(mailbox, &call).await {
                Ok(answered) => return Ok(answered.accepted()),
                Err(error) => error,
            };
            // Graph may also say that the draft is not there, or none any more, when an earlier send took it after all.
            let is_about_the_item = matches!(error.status(), Some(400 | 404 | 409 | 412));
            let is_doubtful = error.class() == FailureClass::Uncertain || (sends > 1 && is_about_the_item);
            if !is_doubtful {
                return Err(error);
            }
            match self.look(mailbox, id).await {
                Look::Sent => {
                    tracing::info!(event = "draft_was_sent", %error, mailbox = %mailbox);
                    return Ok(accepted_after(&error));
                }
                Look::StillDraft if sends < MAX_SENDS => {
                    tracing::info!(event = "draft_sent_again", %error, mailbox = %mailbox, sends);
                }
                Look::StillDraft => return Err(GraphError { class: not_sent(&error), ..error }),
                Look::Gone | Look::Unknown => return Err(GraphError { class: FailureClass::Uncertain, ..error }),
            }
        }
    }

    async fn look(&self, mailbox: &MailboxSegment, id: &DraftId) -> Look {
        let path = format!("{}?$select=isDraft", id.path());
        for wait in LOOK_AGAIN {
            tokio::time::sleep(wait).await;
            let call = preparing(Method::GET, path.clone(), Payload::Nothing, StatusCode::OK);
            match self.call(mailbox, &call).await {
                Ok(answered) => match answered.json::<Looked>().await {
                    Some(message) if message.is_draft => return Look::StillDraft,
                    Some(_) => return Look::Sent,
                    None => {}
                },
                Err(error) if is_item_not_found(&error) => return Look::Gone,
                Err(error) => tracing::warn!(event = "draft_not_seen", %error, mailbox = %mailbox),
            }
        }
        Look::Unknown
    }

    /// Removes a draft. One that is gone already is as it should be.
    pub async fn remove_draft(&self, mailbox: &MailboxSegment, id: &DraftId) -> Result<(), GraphError> {
        let call = preparing(Method::DELETE, id.path(), Payload::Nothing, StatusCode::NO_CONTENT);
        match self.call(mailbox, &call).await {
            Ok(_) => Ok(()),
            Err(error) if is_item_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A draft that stays behind is found by its marker at the next attempt.
    async fn remove_or_tell(&self, mailbox: &MailboxSegment, id: &DraftId) -> Left {
        match self.remove_draft(mailbox, id).await {
            Ok(()) => Left::Nothing,
            Err(error) => {
                tracing::warn!(event = "draft_left_behind", %error, mailbox = %mailbox);
                Left::Something
            }
        }
    }
}

pub(crate) fn preparing(method: Method, below_mailbox: String, payload: Payload<'_>, expected: StatusCode) -> Call<'_> {
    Call { method, below_mailbox, payload, expected, effect: Effect::Prepares }
}

/// An answer of the right status that is not what it should be.
pub(crate) fn unreadable(client_request_id: String) -> GraphError {
    let problem = crate::error::LostBy::Breaking("its answer could not be read".to_owned());
    GraphError {
        cause: Cause::Lost { sent: crate::error::Sent::Part, problem },
        class: FailureClass::Transient { retry_after: None },
        client_request_id,
    }
}

fn is_item_not_found(error: &GraphError) -> bool {
    error.status() == Some(404) && error.code().is_some_and(|code| code.eq_ignore_ascii_case("ErrorItemNotFound"))
}

/// The draft may be there, although its making failed.
fn may_have_made_it(error: &GraphError) -> bool {
    match &error.cause {
        Cause::Token(_) | Cause::Source(_) | Cause::Address => false,
        Cause::Lost { sent, .. } => *sent != crate::error::Sent::Nothing,
        Cause::Refused(_) => error.status().is_some_and(|status| status >= 500),
    }
}

fn not_sent(error: &GraphError) -> FailureClass {
    FailureClass::Transient { retry_after: error.retry_after() }
}

fn accepted_after(error: &GraphError) -> Accepted {
    Accepted {
        client_request_id: error.client_request_id().to_owned(),
        request_id: error.request_id().map(str::to_owned),
        date: error.date().map(str::to_owned),
    }
}
