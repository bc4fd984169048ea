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
use crate::query::{Matcher, fold, searched, senders, words};

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

/// The question in the index's language; `None`: the filter asks for nothing that the index knows.
pub(super) fn question(filter: &Matcher<'_>) -> Option<String> {
    let beginnings = |kind: &'static str, words: &Option<Vec<String>>| {
        let words: Vec<String> = words.iter().flatten().take(WORDS_ASKED_MAX).cloned().collect();
        words.into_iter().map(move |word| format!("\"{kind}{word}\"*"))
    };
    let recipient = filter.asked.recipient.as_ref().map(|address| format!("\"r={}\"", whole(address)));
    let account = filter.asked.account.as_ref().map(|account| format!("\"a={}\"", code(account)));
    let parts: Vec<String> =
        beginnings("", &filter.text).chain(beginnings("s=", &filter.sender)).chain(recipient).chain(account).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
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
