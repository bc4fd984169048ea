//! The index of words: what lies in it of a message, and how it is asked.
//!
//! Promise: whatever [`crate::Filter`] finds by words, account or recipient, the index finds. It may find more, for it
//! only narrows.
//!
//! One column holds everything: the words of a message as they are; `s=` and a word of a sender; `r=` and a whole
//! recipient; `a=` and the account.

use std::fmt::Write;

use mail::Address;
use settings::AccountId;

use crate::MessageRecord;
use crate::query::{Matcher, any_begins, fold, searched, senders, words};

/// Words of a search that the index is asked for; more would not narrow it further.
const WORDS_ASKED_MAX: usize = 8;

/// What to index, separated by blanks.
pub(super) fn of_message(message: &MessageRecord) -> String {
    let id = message.id.to_string();
    let mut text = String::new();
    let mut add = |kind: &str, word: &str| {
        text.push_str(kind);
        text.push_str(word);
        text.push(' ');
    };
    for field in searched(message, &id) {
        words(field).for_each(|word| add("", &fold(word)));
    }
    for field in senders(message) {
        words(field).for_each(|word| add("s=", &fold(word)));
    }
    for recipient in &message.envelope.recipients {
        add("r=", &whole(&recipient.address));
    }
    if let Some(account) = &message.account {
        add("a=", &code(account));
    }
    text
}

/// What a filter asks the index for: all of these must be in a message.
pub(super) struct Question {
    parts: Vec<Part>,
}

struct Part {
    /// In the index's language.
    term: String,
    kind: Kind,
}

enum Kind {
    /// The beginning of a word, anywhere or in a sender.
    Text(String),
    Sender(String),
    Whole,
}

impl Question {
    /// `None`: the filter asks for nothing that the index knows.
    pub(super) fn new(filter: &Matcher<'_>) -> Option<Self> {
        let wanted = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().into_iter().take(WORDS_ASKED_MAX);
        let text = wanted(&filter.text).map(|word| Part { term: format!("\"{word}\"*"), kind: Kind::Text(word) });
        let message_id = filter.asked.internet_message_id.as_deref().map(words).into_iter().flatten().map(fold);
        let message_id =
            message_id.take(WORDS_ASKED_MAX).map(|word| Part { term: format!("\"{word}\""), kind: Kind::Text(word) });
        let sender =
            wanted(&filter.sender).map(|word| Part { term: format!("\"s={word}\"*"), kind: Kind::Sender(word) });
        let recipient = filter.asked.recipient.as_ref().map(|address| format!("\"r={}\"", whole(address)));
        let account = filter.asked.account.as_ref().map(|account| format!("\"a={}\"", code(account)));
        let wholes = recipient.into_iter().chain(account).map(|term| Part { term, kind: Kind::Whole });
        let parts: Vec<Part> = text.chain(message_id).chain(sender).chain(wholes).collect();
        (!parts.is_empty()).then_some(Self { parts })
    }

    pub(super) fn is_of_several(&self) -> bool {
        self.parts.len() > 1
    }

    pub(super) fn all(&self) -> String {
        joined(self.parts.iter())
    }

    /// The same without what is in most of these messages: the index must gather all that begins with a word before it
    /// gives its first answer, and such a word narrows little. `None`: there is nothing to leave out, or nothing else.
    pub(super) fn without_common(&self, sample: &[MessageRecord]) -> Option<String> {
        let is_common = |part: &&Part| sample.iter().filter(|message| part.is_in(message)).count() * 2 > sample.len();
        let rare: Vec<&Part> = self.parts.iter().filter(|part| !is_common(part)).collect();
        (!rare.is_empty() && rare.len() < self.parts.len()).then(|| joined(rare.into_iter()))
    }
}

impl Part {
    fn is_in(&self, message: &MessageRecord) -> bool {
        match &self.kind {
            Kind::Text(word) => any_begins(&searched(message, &message.id.to_string()), word),
            Kind::Sender(word) => any_begins(&senders(message), word),
            // Gathers nothing, however many messages have it.
            Kind::Whole => false,
        }
    }
}

fn joined<'p>(parts: impl Iterator<Item = &'p Part>) -> String {
    parts.map(|part| part.term.as_str()).collect::<Vec<_>>().join(" ")
}

/// Equal for equal addresses; seldom equal for others.
fn whole(address: &Address) -> String {
    fold(address.as_str()).chars().map(|c| if c.is_alphanumeric() || !c.is_ascii() { c } else { '_' }).collect()
}

fn code(account: &AccountId) -> String {
    account.0.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
