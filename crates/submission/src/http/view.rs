//! Messages as the API shows them: names that stay when the store's change.

use jiff::Timestamp;
use mail::{Address, MessageId, ReversePath};
use serde::Serialize;
use store::{
    Attempt, Event, Explanation, MessageDetail, MessageRecord, MessageState, Priority, RecipientOutcome,
    RecipientState, RecipientStatus, Via,
};
use utoipa::ToSchema;

use super::openapi::{
    DateTime, EventView, ExplanationView, MessageStatus, OutcomeName, PriorityName, RecipientStatusName, WayIn,
};

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MessageSummary {
    #[schema(value_type = String)]
    pub id: MessageId,
    #[schema(value_type = MessageStatus)]
    pub status: MessageState,
    #[schema(value_type = DateTime)]
    pub received_at: Timestamp,
    pub envelope: EnvelopeView,
    #[schema(required, value_type = Option<String>)]
    pub from: Option<Address>,
    #[schema(required)]
    pub subject: Option<String>,
    pub size_bytes: u64,
    #[schema(value_type = WayIn)]
    pub via: Via,
    /// Then it fails instead of being tried again.
    #[schema(value_type = DateTime)]
    pub expires_at: Timestamp,
    /// When it is tried next, while it is queued.
    #[schema(required, value_type = Option<DateTime>)]
    pub due_at: Option<Timestamp>,
    /// An attempt's answer was lost: a recipient may get it twice.
    pub may_be_duplicated: bool,
    #[schema(required, value_type = Option<ExplanationView>)]
    pub error: Option<Explanation>,
}

/// `from` is null for a report (`MAIL FROM:<>`).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EnvelopeView {
    #[schema(required, value_type = Option<String>)]
    pub from: Option<Address>,
    #[schema(value_type = Vec<String>)]
    pub to: Vec<Address>,
}

/// Everything about one message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MessageView {
    #[serde(flatten)]
    pub summary: MessageSummary,
    #[schema(required)]
    pub message_id: Option<String>,
    #[schema(value_type = PriorityName)]
    pub priority: Priority,
    pub recipients: Vec<RecipientView>,
    pub attempts: Vec<AttemptView>,
    #[schema(value_type = Vec<EventView>)]
    pub events: Vec<Event>,
    #[schema(required, value_type = Value)]
    pub metadata: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RecipientView {
    #[schema(value_type = String)]
    pub address: Address,
    #[schema(value_type = RecipientStatusName)]
    pub status: RecipientState,
    /// As in `5.1.1`.
    #[schema(required)]
    pub enhanced_status: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AttemptView {
    #[schema(value_type = DateTime)]
    pub started_at: Timestamp,
    /// Null: under way, or its end was lost.
    #[schema(required, value_type = Option<DateTime>)]
    pub ended_at: Option<Timestamp>,
    #[schema(value_type = String)]
    pub mailbox: Address,
    pub recipients: Vec<OutcomeView>,
    #[schema(required, value_type = Option<ExplanationView>)]
    pub explanation: Option<Explanation>,
    #[schema(required)]
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OutcomeView {
    #[schema(value_type = String)]
    pub address: Address,
    /// Null until the attempt ended.
    #[schema(required, value_type = Option<OutcomeName>)]
    pub outcome: Option<&'static str>,
    #[schema(required)]
    pub enhanced_status: Option<String>,
}

impl From<MessageRecord> for MessageSummary {
    fn from(record: MessageRecord) -> Self {
        let reverse_path: ReversePath = record.envelope.reverse_path;
        Self {
            id: record.id,
            status: record.state,
            received_at: record.received_at,
            envelope: EnvelopeView {
                from: reverse_path.into(),
                to: record.envelope.recipients.into_iter().map(|recipient| recipient.address).collect(),
            },
            from: record.header_from,
            subject: record.subject,
            size_bytes: record.size_bytes,
            via: record.via,
            expires_at: record.expires_at,
            due_at: record.due_at,
            may_be_duplicated: record.may_be_duplicated,
            error: record.last_error,
        }
    }
}

impl From<MessageDetail> for MessageView {
    fn from(detail: MessageDetail) -> Self {
        let mut record = detail.message;
        Self {
            message_id: record.internet_message_id.take(),
            priority: record.priority,
            metadata: record.metadata.take(),
            recipients: detail.recipients.into_iter().map(RecipientView::from).collect(),
            attempts: detail.attempts.into_iter().map(AttemptView::from).collect(),
            events: detail.events,
            summary: record.into(),
        }
    }
}

impl From<RecipientStatus> for RecipientView {
    fn from(recipient: RecipientStatus) -> Self {
        let enhanced_status = recipient.status.map(|status| status.to_string());
        Self { address: recipient.address, status: recipient.state, enhanced_status }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let outcomes = attempt.outcomes.into_iter().map(Some).chain(std::iter::repeat(None));
        Self {
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            mailbox: attempt.mailbox,
            recipients: attempt.recipients.into_iter().zip(outcomes).map(OutcomeView::from).collect(),
            explanation: attempt.explanation,
            request_id: attempt.request_id,
        }
    }
}

impl From<(Address, Option<RecipientOutcome>)> for OutcomeView {
    fn from((address, outcome): (Address, Option<RecipientOutcome>)) -> Self {
        let name = outcome.map(|outcome| match outcome {
            RecipientOutcome::Accepted => "accepted",
            RecipientOutcome::Deferred => "deferred",
            RecipientOutcome::Refused(_) => "refused",
            RecipientOutcome::Uncertain => "uncertain",
        });
        let enhanced_status = match outcome {
            Some(RecipientOutcome::Refused(status)) => Some(status.to_string()),
            _ => None,
        };
        Self { address, outcome: name, enhanced_status }
    }
}
