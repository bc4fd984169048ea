//! A message as a row of the list.

use jiff::Timestamp;
use mail::ReversePath;
use store::{MessageRecord, MessageState, Via};

use super::{Waits, foreign};
use crate::show;

#[derive(Debug)]
pub(in crate::pages) struct Row {
    pub(in crate::pages) id: String,
    pub(in crate::pages) time: String,
    pub(in crate::pages) ago: String,
    pub(in crate::pages) sender: String,
    /// The header From, if it is another address than the envelope's.
    pub(in crate::pages) header_from: Option<String>,
    pub(in crate::pages) to: String,
    pub(in crate::pages) more: usize,
    pub(in crate::pages) subject: String,
    pub(in crate::pages) state: MessageState,
    /// It was sent, and came back for a recipient.
    pub(in crate::pages) bounced: bool,
    pub(in crate::pages) reason: String,
    pub(in crate::pages) via: &'static str,
    pub(in crate::pages) size: String,
}

impl Row {
    pub(in crate::pages) fn of(message: &MessageRecord, waits: &Waits, now: Timestamp) -> Self {
        let recipients = &message.envelope.recipients;
        let first = recipients.first().map_or("", |recipient| recipient.address.as_str());
        let sender = message.envelope.reverse_path.address();
        let header_from = message.header_from.as_ref().filter(|from| Some(*from) != sender);
        Self {
            id: message.id.to_string(),
            time: show::time(&message.received_at),
            ago: show::distance(&message.received_at, &now),
            sender: sender_text(&message.envelope.reverse_path),
            header_from: header_from.map(|from| foreign::line(from.as_str(), foreign::LINE_MAX_CHARS)),
            to: foreign::line(first, foreign::LINE_MAX_CHARS),
            more: recipients.len().saturating_sub(1),
            subject: subject_text(message),
            state: message.state,
            bounced: message.bounced,
            reason: reason(message, waits.why(message, now)),
            via: via_text(message.via),
            size: show::bytes(message.size_bytes),
        }
    }

    pub(in crate::pages) fn state_text(&self) -> &'static str {
        if self.bounced { "Bounced" } else { state_text(self.state) }
    }

    /// The end of its class.
    pub(in crate::pages) fn state_class(&self) -> &'static str {
        if self.bounced { "failed" } else { self.state.name() }
    }
}

pub(in crate::pages) fn sender_text(reverse_path: &ReversePath) -> String {
    match reverse_path.address() {
        Some(address) => foreign::line(address.as_str(), foreign::LINE_MAX_CHARS),
        None => "<> (a report)".to_owned(),
    }
}

pub(in crate::pages) fn subject_text(message: &MessageRecord) -> String {
    let subject = foreign::line(message.subject.as_deref().unwrap_or_default(), foreign::LINE_MAX_CHARS);
    if subject.trim().is_empty() { "(no subject)".to_owned() } else { subject }
}

pub(in crate::pages) fn state_text(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "Queued",
        MessageState::Sending => "Sending",
        MessageState::Sent => "Sent",
        MessageState::Failed => "Failed",
        MessageState::Uncertain => "Uncertain",
        MessageState::Held => "Held",
        MessageState::Cancelled => "Cancelled",
        MessageState::Quarantined => "Quarantined",
    }
}

pub(in crate::pages) fn via_text(via: Via) -> &'static str {
    match via {
        Via::Smtp => "SMTP",
        Via::Http => "HTTP",
        Via::Sendmail => "sendmail",
        Via::Cli => "command",
        Via::Gateway => "Postern",
    }
}

/// Why it is in that state, in a sentence or two; empty where the state says it all.
fn reason(message: &MessageRecord, waits: Option<String>) -> String {
    // The error of an uncertain message says in other words that it is uncertain.
    let error = message.last_error.as_ref().filter(|_| message.state != MessageState::Uncertain);
    let error = error.map(|error| foreign::line(&error.what, foreign::LINE_MAX_CHARS));
    let doubt = match message.state {
        MessageState::Uncertain => Some("It may have been delivered.".to_owned()),
        MessageState::Sent if message.may_be_duplicated => Some("It may have been delivered twice.".to_owned()),
        _ => None,
    };
    [error, waits, doubt].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
