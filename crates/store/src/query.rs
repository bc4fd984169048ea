//! Asking for messages.

mod words;

use jiff::Timestamp;
use mail::{Address, MessageId};
use serde::{Deserialize, Serialize};
use settings::AccountId;

use crate::{MessageRecord, MessageState};
pub(crate) use words::{any_begins, fold, words};

/// All that is given must hold.
///
/// Texts are looked for word by word: each word of the text must begin a word of the message, in any order, letter case
/// ignored. A word is a run of letters and digits. A blank text is no condition; one of nothing but punctuation finds
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these; empty: all.
    pub states: Vec<MessageState>,
    pub account: Option<AccountId>,
    /// In sender (reverse-path or header From), recipients, subject, Message-ID and our own id.
    pub text: Option<String>,
    /// In reverse-path or header From.
    pub sender: Option<String>,
    /// Exactly one of the recipients.
    pub recipient: Option<Address>,
    /// Exactly the Message-ID field's value.
    pub internet_message_id: Option<String>,
    /// Only messages that bounced.
    pub bounced: bool,
    /// Arrived then or later.
    pub since: Option<Timestamp>,
    /// Arrived before then.
    pub until: Option<Timestamp>,
}

impl Filter {
    pub fn matches(&self, message: &MessageRecord) -> bool {
        self.matcher().matches(message)
    }

    /// The same for many messages: the texts are taken apart once.
    pub(crate) fn matcher(&self) -> Matcher<'_> {
        Matcher { asked: self, text: wanted(self.text.as_deref()), sender: wanted(self.sender.as_deref()) }
    }
}

/// `None`: no condition.
fn wanted(text: Option<&str>) -> Option<Vec<String>> {
    text.filter(|text| !text.trim().is_empty()).map(|text| words(text).map(fold).collect())
}

#[derive(Debug)]
pub(crate) struct Matcher<'f> {
    pub(crate) asked: &'f Filter,
    /// Words in lower case; an empty list finds nothing.
    pub(crate) text: Option<Vec<String>>,
    pub(crate) sender: Option<Vec<String>>,
}

impl Matcher<'_> {
    /// A text without a word was asked for.
    pub(crate) fn finds_nothing(&self) -> bool {
        [&self.text, &self.sender].into_iter().flatten().any(Vec::is_empty)
    }

    pub(crate) fn matches(&self, message: &MessageRecord) -> bool {
        !self.finds_nothing() && self.matches_facts(message) && self.matches_texts(message)
    }

    fn matches_facts(&self, message: &MessageRecord) -> bool {
        let filter = self.asked;
        (filter.states.is_empty() || filter.states.contains(&message.state))
            && (message.bounced || !filter.bounced)
            && filter.account.as_ref().is_none_or(|account| message.account.as_ref() == Some(account))
            && filter.since.is_none_or(|since| message.received_at >= since)
            && filter.until.is_none_or(|until| message.received_at < until)
            && filter.recipient.as_ref().is_none_or(|wanted| recipients(message).any(|address| address == wanted))
            && filter.internet_message_id.as_ref().is_none_or(|id| message.internet_message_id.as_ref() == Some(id))
    }

    fn matches_texts(&self, message: &MessageRecord) -> bool {
        let all_begin = |wanted: &[String], fields: &[&str]| wanted.iter().all(|word| any_begins(fields, word));
        let id = message.id.to_string();
        self.sender.as_ref().is_none_or(|wanted| all_begin(wanted, &senders(message)))
            && self.text.as_ref().is_none_or(|wanted| all_begin(wanted, &searched(message, &id)))
    }
}

fn recipients(message: &MessageRecord) -> impl Iterator<Item = &Address> {
    message.envelope.recipients.iter().map(|recipient| &recipient.address)
}

/// What `Filter::sender` looks into.
pub(crate) fn senders(message: &MessageRecord) -> Vec<&str> {
    let reverse_path = message.envelope.reverse_path.address();
    // Most messages name the same sender twice.
    let header_from = message.header_from.as_ref().filter(|from| reverse_path != Some(from));
    [reverse_path, header_from].into_iter().flatten().map(Address::as_str).collect()
}

/// What `Filter::text` looks into; `id` is the message's, written out.
pub(crate) fn searched<'m>(message: &'m MessageRecord, id: &'m str) -> Vec<&'m str> {
    let mut fields = senders(message);
    fields.extend(recipients(message).map(Address::as_str));
    fields.extend([message.subject.as_deref(), message.internet_message_id.as_deref(), Some(id)].into_iter().flatten());
    fields
}

/// Newest first, by order of arrival in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Continue with messages that arrived before this one. If it is gone, the page begins with the message whose id
    /// comes next below.
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
