//! A queued message and what became of it.

use std::net::IpAddr;

use jiff::Timestamp;
use mail::{Address, EnhancedStatus, Envelope, MessageId};
use serde::{Deserialize, Serialize};
use settings::{AccountId, ConnectionId, RoutedTo};

use crate::{LaneId, Lease, MessageState, StagedBody};

/// What intake hands in. Durable once [`crate::Store::enqueue`] returned.
#[derive(Debug)]
pub struct NewMessage {
    pub id: MessageId,
    pub envelope: Envelope,
    pub body: StagedBody,
    /// Header fields Postern adds in front of the body (Received, a missing Date or Message-ID), with their CRLFs.
    pub added_header: String,
    /// First mailbox of the header From, if it has a readable one: routing and search need it.
    pub header_from: Option<Address>,
    pub subject: Option<String>,
    /// The Message-ID field's value, with its angle brackets.
    pub internet_message_id: Option<String>,
    /// Which lane; `None`: no route takes it now, it waits for the settings.
    pub routed_to: Option<RoutedTo>,
    /// The reason why it is `held` from the start; `None`: it is queued.
    pub hold: Option<String>,
    pub priority: Priority,
    /// Not before then.
    pub send_at: Option<Timestamp>,
    pub received_at: Timestamp,
    /// After that it fails instead of being tried again.
    pub expires_at: Timestamp,
    pub account: Option<AccountId>,
    pub via: Via,
    pub peer: Option<IpAddr>,
    pub idempotency: Option<IdempotencyKey>,
    /// The submitter's own labels, JSON.
    pub metadata: Option<serde_json::Value>,
}

/// "The same request again" for one account, until `expires_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub key: String,
    /// SHA-256 of what was asked; another digest under the same key is a mistake of the client.
    pub request_digest: [u8; 32],
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// This message is now durable.
    New(MessageId),
    /// The idempotency key stands for that earlier message; this one was not stored.
    Repeated(MessageId),
}

/// The way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    Smtp,
    Http,
    Sendmail,
    Cli,
    /// A letter of the gateway's own: a report to a sender, an alarm.
    Gateway,
}

/// Within a lane, a higher priority goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    High,
    #[default]
    Normal,
    Bulk,
}

/// What is stored of a message, without its body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageRecord {
    pub id: MessageId,
    pub state: MessageState,
    pub envelope: Envelope,
    /// Size of the body as stored, without `added_header`.
    pub size_bytes: u64,
    pub added_header: String,
    pub header_from: Option<Address>,
    pub subject: Option<String>,
    pub internet_message_id: Option<String>,
    pub lane: Option<LaneId>,
    pub routed_to: Option<RoutedTo>,
    pub priority: Priority,
    pub received_at: Timestamp,
    pub expires_at: Timestamp,
    /// When the next attempt is due, while queued.
    pub due_at: Option<Timestamp>,
    /// Attempts started so far.
    pub attempts: u32,
    /// At least one attempt's answer was lost: a recipient may get the message twice.
    pub may_be_duplicated: bool,
    /// At least one recipient is [`RecipientState::Bounced`].
    pub bounced: bool,
    /// The last failure, deferral or doubt in words; `None` once all is well.
    pub last_error: Option<Explanation>,
    pub account: Option<AccountId>,
    pub via: Via,
    pub peer: Option<IpAddr>,
    pub metadata: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MessageDetail {
    pub message: MessageRecord,
    /// In the envelope's order.
    pub recipients: Vec<RecipientStatus>,
    /// Oldest first.
    pub attempts: Vec<Attempt>,
    /// Oldest first. Arrival and attempts are not repeated here.
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipientStatus {
    pub address: Address,
    pub state: RecipientState,
    pub status: Option<EnhancedStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientState {
    /// Still to be sent to.
    Pending,
    /// The upstream accepted it.
    Sent,
    /// The upstream had accepted it, and a non-delivery report came back.
    Bounced,
    Failed,
    /// The answer was lost.
    Uncertain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub i64);

/// The right, and the durable intention, to send one message to some of its recipients once. Returned only after the
/// attempt's start is on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub attempt: AttemptId,
    pub lease: Lease,
    pub message: MessageRecord,
    /// Indices into `message.envelope.recipients`: whom this attempt is for.
    pub recipients: Vec<usize>,
}

impl Claim {
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.recipients.iter().filter_map(|index| self.message.envelope.recipients.get(*index)).map(|r| &r.address)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// One for each of the claim's recipients, in the same order.
    pub outcomes: Vec<RecipientOutcome>,
    pub explanation: Option<Explanation>,
    /// The upstream's name for the request, to quote to its support.
    pub request_id: Option<String>,
    /// When what is still pending is due next.
    pub due_at: Timestamp,
    /// Policy `on_uncertain = retry`: recipients whose outcome is [`RecipientOutcome::Uncertain`] become pending again
    /// instead of leaving the message `uncertain`. `may_be_duplicated` is set either way.
    pub retry_uncertain: bool,
    /// The attempt learned exactly what became of the earlier ones: they leave no doubt, and `may_be_duplicated` is
    /// cleared unless an outcome of this report is [`RecipientOutcome::Uncertain`].
    pub settles_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientOutcome {
    Accepted,
    /// Not sent; stays pending.
    Deferred,
    Refused(EnhancedStatus),
    Uncertain,
}

impl RecipientOutcome {
    pub fn state(self) -> RecipientState {
        match self {
            Self::Accepted => RecipientState::Sent,
            Self::Deferred => RecipientState::Pending,
            Self::Refused(_) => RecipientState::Failed,
            Self::Uncertain => RecipientState::Uncertain,
        }
    }
}

/// An attempt as the timeline shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    pub id: AttemptId,
    pub connection: ConnectionId,
    pub mailbox: Address,
    pub recipients: Vec<Address>,
    pub started_at: Timestamp,
    /// `None`: under way, or never heard of again (then its recipients are uncertain).
    pub ended_at: Option<Timestamp>,
    /// In the order of `recipients`; empty until it ended.
    pub outcomes: Vec<RecipientOutcome>,
    pub explanation: Option<Explanation>,
    pub request_id: Option<String>,
}

/// Something that happened to a message outside attempts: an operation, a lost claim, a new route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    /// `snake_case` name, stable.
    pub kind: String,
    /// Who did it: a user name, `cli`, `system`.
    pub actor: String,
    pub detail: Option<String>,
}

/// An error as an explanation: what failed, why, what to do, and who must do it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explanation {
    pub what: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// The upstream's own code: `ErrorAccessDenied`, `AADSTS7000215`, `5.7.60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
