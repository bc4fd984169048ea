//! Whom a report is about, and what it says of each, from what is known of a message.

use jiff::Timestamp;
use mail::dsn::{Action, RecipientReport};
use mail::{Address, EnhancedStatus, Recipient, ReversePath};
use settings::ConnectionId;
use store::{Attempt, Explanation, MessageDetail, Operation, RecipientOutcome, RecipientState, RecipientStatus};

use crate::delays::is_not_due_yet;

/// RFC 3463: X.0.0, nothing more is known.
const FAILED: EnhancedStatus = EnhancedStatus::permanent(0, 0);
/// Delivery time is running.
const DELAYED: EnhancedStatus = EnhancedStatus::transient(4, 0);
const RELAYED: EnhancedStatus = EnhancedStatus::new(mail::Class::Success, 0, 0);

#[derive(Debug, PartialEq)]
pub(super) struct Reported<'a> {
    pub(super) to: &'a Address,
    pub(super) recipients: Vec<RecipientReport>,
}

/// `None`: nobody is to be told. `is_graph` says of a connection that it carries no NOTIFY, so that success is ours to
/// report as `relayed` (RFC 3461 §6.2.7.4); an SMTP server that takes over the request reports itself.
pub(super) fn reported(
    detail: &MessageDetail,
    action: Action,
    now: Timestamp,
    is_graph: impl Fn(&ConnectionId) -> bool,
) -> Option<Reported<'_>> {
    let ReversePath::Address(to) = &detail.message.envelope.reverse_path else { return None };
    if action == Action::Delayed && is_not_due_yet(&detail.message, now) {
        return None;
    }
    let known = detail.message.envelope.recipients.iter().zip(&detail.recipients);
    let concerned: Vec<(&Recipient, &RecipientStatus)> =
        known.filter(|(asked, status)| concerns(action, asked, status, detail, &is_graph)).collect();
    // To somebody who cannot be reached, about that alone, it would only come back in its turn.
    let is_to_itself = action == Action::Failed && concerned.iter().all(|(asked, _)| asked.address == *to);
    if concerned.is_empty() || is_to_itself {
        return None;
    }
    let recipients = concerned.into_iter().map(|(asked, status)| describe(detail, action, asked, status)).collect();
    Some(Reported { to, recipients })
}

fn concerns(
    action: Action,
    asked: &Recipient,
    status: &RecipientStatus,
    detail: &MessageDetail,
    is_graph: impl Fn(&ConnectionId) -> bool,
) -> bool {
    match (action, status.state) {
        (Action::Failed, RecipientState::Failed) => asked.notify.is_none_or(|notify| notify.failure),
        (Action::Delayed, RecipientState::Pending) => asked.notify.is_none_or(|notify| notify.delay),
        (Action::Relayed, RecipientState::Sent) => {
            let taken = last_attempt(detail, &asked.address, |it| it == RecipientOutcome::Accepted);
            // What an earlier end had told stays told: after a retry only the others are news.
            let is_news = taken.is_some_and(|it| last_retry(detail).is_none_or(|retry| it.started_at >= retry));
            let by_graph = taken.is_some_and(|it| is_graph(&it.connection));
            asked.notify.is_some_and(|notify| notify.success) && is_news && by_graph
        }
        _ => false,
    }
}

/// When the message was last sent on its way again by somebody.
fn last_retry(detail: &MessageDetail) -> Option<Timestamp> {
    let retries = detail.events.iter().filter(|event| event.kind == Operation::Retry.name());
    retries.map(|event| event.at).max()
}

/// The newest attempt for that recipient with an outcome of that kind.
fn last_attempt<'d>(
    detail: &'d MessageDetail,
    recipient: &Address,
    wanted: impl Fn(RecipientOutcome) -> bool,
) -> Option<&'d Attempt> {
    let had = |attempt: &&Attempt| {
        let outcomes = attempt.recipients.iter().zip(&attempt.outcomes);
        outcomes.into_iter().any(|(address, outcome)| address == recipient && wanted(*outcome))
    };
    detail.attempts.iter().rev().find(had)
}

fn describe(detail: &MessageDetail, action: Action, asked: &Recipient, status: &RecipientStatus) -> RecipientReport {
    let attempt = match action {
        Action::Failed => last_attempt(detail, &asked.address, |it| matches!(it, RecipientOutcome::Refused(_))),
        Action::Delayed => last_attempt(detail, &asked.address, |it| it == RecipientOutcome::Deferred),
        Action::Relayed | Action::Delivered => {
            last_attempt(detail, &asked.address, |it| it == RecipientOutcome::Accepted)
        }
    };
    let said = attempt.and_then(|attempt| attempt.explanation.as_ref());
    // A message whose lifetime ended failed without an attempt that says so.
    let said = said.or(detail.message.last_error.as_ref()).filter(|_| action != Action::Relayed);
    RecipientReport {
        address: asked.address.clone(),
        original_recipient: asked.original_recipient.clone(),
        status: match action {
            Action::Failed => status.status.unwrap_or(FAILED),
            Action::Delayed => status.status.filter(|it| it.class == mail::Class::Transient).unwrap_or(DELAYED),
            Action::Relayed | Action::Delivered => RELAYED,
        },
        diagnostic: said.map(sentence),
        last_attempt: attempt.map(when),
    }
}

fn when(attempt: &Attempt) -> Timestamp {
    attempt.ended_at.unwrap_or(attempt.started_at)
}

/// What a sender can use of an explanation; what the administrator must do is not theirs to read.
fn sentence(explanation: &Explanation) -> String {
    let parts = [explanation.what.as_str(), explanation.why.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
