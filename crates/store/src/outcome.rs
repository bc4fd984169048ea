//! News of messages that somebody may want to be told: senders, webhooks, administrators.

use jiff::Timestamp;
use mail::MessageId;
use serde::{Deserialize, Serialize};
use settings::News;

use crate::MessageState;

/// One move of a message worth telling, written in the same transaction as the move. It outlives the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Grows by one with every outcome and is never used again.
    pub number: u64,
    pub message: MessageId,
    pub kind: OutcomeKind,
    pub at: Timestamp,
}

/// What a message came to. A later outcome of the same message may say otherwise: doubt is settled, a failed message is
/// tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// The upstream accepted it for every recipient.
    Sent,
    /// Finally, for at least one recipient.
    Failed,
    /// It waits for longer than somebody asked; see [`crate::Store::note_delayed`].
    Delayed,
    /// It became [`crate::MessageState::Uncertain`], be it that policy sends it again at once.
    Uncertain,
    /// A non-delivery report came back for a recipient.
    Bounced,
    Quarantined,
}

impl OutcomeKind {
    pub const ALL: [Self; 6] =
        [Self::Sent, Self::Failed, Self::Delayed, Self::Uncertain, Self::Bounced, Self::Quarantined];

    /// What there is to tell when an attempt has brought a message into this state.
    pub(crate) fn of_attempt(state: MessageState) -> Option<Self> {
        match state {
            MessageState::Sent => Some(Self::Sent),
            MessageState::Failed => Some(Self::Failed),
            MessageState::Uncertain => Some(Self::Uncertain),
            _ => None,
        }
    }

    pub fn news(self) -> News {
        match self {
            Self::Sent => News::Sent,
            Self::Failed => News::Failed,
            Self::Delayed => News::Delayed,
            Self::Uncertain => News::Uncertain,
            Self::Bounced => News::Bounced,
            Self::Quarantined => News::Quarantined,
        }
    }
}
