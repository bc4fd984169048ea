//! Asking for messages.

use jiff::Timestamp;
use mail::{Address, MessageId};
use serde::{Deserialize, Serialize};
use settings::AccountId;

use crate::{MessageRecord, MessageState};

/// All that is given must hold. Texts match anywhere in the field, letter case ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these; empty: all.
    pub states: Vec<MessageState>,
    pub account: Option<AccountId>,
    /// In sender (reverse-path or header From), recipients, subject, message id.
    pub text: Option<String>,
    /// In reverse-path or header From.
    pub sender: Option<String>,
    pub recipient: Option<Address>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Continue with messages older than this one.
    pub before: Option<MessageId>,
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    pub messages: Vec<MessageRecord>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<MessageId>,
}

/// Totals that cost nothing to ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub queued: u64,
    pub sending: u64,
    pub sent: u64,
    pub failed: u64,
    pub uncertain: u64,
    pub held: u64,
    pub cancelled: u64,
    pub quarantined: u64,
    /// Arrival of the oldest message that is queued or being sent.
    pub oldest_waiting: Option<Timestamp>,
}
