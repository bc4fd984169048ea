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
    /// Arrived then or later.
    pub since: Option<Timestamp>,
    /// Arrived before then.
    pub until: Option<Timestamp>,
}

impl Filter {
    pub fn matches(&self, message: &MessageRecord) -> bool {
        self.matches_facts(message) && self.matches_texts(message)
    }

    fn matches_facts(&self, message: &MessageRecord) -> bool {
        (self.states.is_empty() || self.states.contains(&message.state))
            && self.account.as_ref().is_none_or(|account| message.account.as_ref() == Some(account))
            && self.since.is_none_or(|since| message.received_at >= since)
            && self.until.is_none_or(|until| message.received_at < until)
    }

    fn matches_texts(&self, message: &MessageRecord) -> bool {
        let senders = [message.envelope.reverse_path.address(), message.header_from.as_ref()];
        let senders = || senders.into_iter().flatten().map(Address::as_str);
        let recipients = || message.envelope.recipients.iter().map(|recipient| &recipient.address);
        let anywhere = |text: &str| {
            let id = message.id.to_string();
            let others = [message.subject.as_deref(), message.internet_message_id.as_deref(), Some(&id)];
            any_contains(senders(), text)
                || any_contains(recipients().map(Address::as_str), text)
                || any_contains(others.into_iter().flatten(), text)
        };
        self.sender.as_deref().is_none_or(|text| any_contains(senders(), text))
            && self.recipient.as_ref().is_none_or(|wanted| recipients().any(|address| address == wanted))
            && self.text.as_deref().is_none_or(anywhere)
    }
}

fn any_contains<'t>(mut fields: impl Iterator<Item = &'t str>, text: &str) -> bool {
    let wanted = text.to_lowercase();
    fields.any(|field| field.to_lowercase().contains(&wanted))
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
