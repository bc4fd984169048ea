//! What an attempt's end means for each recipient and for the lane.

use std::error::Error as _;
use std::io;

use graph::{FailureClass, GraphError};
use mail::graph_json::Unsupported;
use mail::{Address, EnhancedStatus};
use store::{Explanation, RecipientOutcome, StoreError};

use crate::upstream::explain;
use crate::{LaneVerdict, Verdict};

/// What Graph's answer means for each recipient and for the lane.
pub(super) fn judge(error: &GraphError, recipients: &[Address], mailbox: &Address) -> Verdict {
    let mut verdict = meaning(error, recipients);
    verdict.is_beyond_the_way = error.class() == FailureClass::TooLarge;
    if is_no_user(error)
        && let Some(explanation) = &mut verdict.explanation
    {
        explanation.fix = format!(
            "Correct the mailbox <{mailbox}>, or create it. If it is an alias or a shared mailbox's second address, make a \
             route for this sender with mailbox = the owner's address (the user principal name), and from_policy = \"keep\": \
             From stays what it is."
        );
    }
    verdict
}

/// An alias is an address of a mailbox, but no name of a user.
fn is_no_user(error: &GraphError) -> bool {
    error.code().is_some_and(|code| code.eq_ignore_ascii_case("ErrorInvalidUser"))
}

fn meaning(error: &GraphError, recipients: &[Address]) -> Verdict {
    let count = recipients.len();
    let (outcome, lane) = match error.class() {
        FailureClass::Permanent => {
            return taken_out(error, recipients)
                .unwrap_or_else(|| {
                    Verdict::all(count, RecipientOutcome::Refused(refusal_status(error)), LaneVerdict::MessageOnly)
                })
                .explained(explanation_of(error))
                .with_request_id(Some(request_id(error)));
        }
        // 5.3.4: message too big for system.
        FailureClass::TooLarge => {
            (RecipientOutcome::Refused(EnhancedStatus::permanent(3, 4)), LaneVerdict::MessageOnly)
        }
        FailureClass::Configuration => (RecipientOutcome::Deferred, LaneVerdict::NeedsAdministrator),
        FailureClass::Quota { retry_after } => (RecipientOutcome::Deferred, LaneVerdict::QuotaUsedUp(retry_after)),
        FailureClass::Transient { .. } if is_unreadable(error) => {
            let mut verdict = Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
            verdict.is_unreadable = true;
            return verdict.explained(explanation_of(error));
        }
        FailureClass::Transient { retry_after } => (RecipientOutcome::Deferred, rest_after(error, retry_after)),
        FailureClass::Uncertain => (RecipientOutcome::Uncertain, LaneVerdict::Throttled(error.retry_after())),
    };
    Verdict::all(count, outcome, lane).explained(explanation_of(error)).with_request_id(Some(request_id(error)))
}

/// Who must rest after a passing trouble: the lane, unless the trouble may lie in the message (a plain 500).
fn rest_after(error: &GraphError, retry_after: Option<std::time::Duration>) -> LaneVerdict {
    match (error.status(), retry_after) {
        (Some(500), None) => LaneVerdict::MessageOnly,
        (_, wait) => LaneVerdict::Throttled(wait),
    }
}

/// Graph refuses a whole message for one bad recipient. When it names one of several, that one is refused and the
/// others go again at once.
fn taken_out(error: &GraphError, recipients: &[Address]) -> Option<Verdict> {
    let bad: Address = error.invalid_recipient()?.parse().ok()?;
    if recipients.len() < 2 || !recipients.contains(&bad) {
        return None;
    }
    let status = refusal_status(error);
    let mut verdict = Verdict::all(recipients.len(), RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
    for (outcome, recipient) in verdict.outcomes.iter_mut().zip(recipients) {
        if *recipient == bad {
            *outcome = RecipientOutcome::Refused(status);
        }
    }
    verdict.retry_at_once = true;
    Some(verdict)
}

/// RFC 3463 codes for the refusals that have one of their own; 5.0.0 for the others.
fn refusal_status(error: &GraphError) -> EnhancedStatus {
    let code = error.code().unwrap_or_default().to_ascii_lowercase();
    let (subject, detail) = match code.as_str() {
        "errorinvalidrecipients" => (1, 3),
        "errorsendasdenied" | "erroraccessdenied" => (7, 1),
        "errormessagesizeexceeded" | "errorattachmentsizelimitexceeded" => (3, 4),
        "errormimecontentinvalid" | "errormimecontentinvalidbase64string" => (6, 0),
        _ => (0, 0),
    };
    EnhancedStatus::permanent(subject, detail)
}

pub(super) fn explanation_of(error: &GraphError) -> Explanation {
    let code = error.code().map(str::to_owned).or_else(|| {
        let number = error.token_error()?.aadsts()?;
        Some(format!("AADSTS{number}"))
    });
    Explanation { code, ..explain(&error.explanation()) }
}

/// Why a user's token may not make drafts in this mailbox, and what helps: Graph says the same of both reasons.
pub(super) fn of_a_user(explanation: Explanation, mailbox: &Address) -> Explanation {
    Explanation {
        why: format!(
            "{} With delegated permission that is so when whoever signed in has not allowed Mail.ReadWrite, or when \
             {mailbox} is not their own: to a shared mailbox Microsoft lets no user upload large attachments.",
            explanation.why
        ),
        fix: "Sign in again with Setup Authentication, which asks for Mail.ReadWrite. For a shared mailbox, use a \
              connection with application permission."
            .to_owned(),
        who: entra::Who::GatewayAdministrator.to_string(),
        ..explanation
    }
}

/// Microsoft's id if there is one, else ours, which was sent with the request.
fn request_id(error: &GraphError) -> String {
    error.request_id().unwrap_or_else(|| error.client_request_id()).to_owned()
}

pub(super) fn impossible_mailbox(count: usize, mailbox: &Address, error: graph::MailboxError) -> Verdict {
    let refused = RecipientOutcome::Refused(EnhancedStatus::permanent(1, 8));
    Verdict::all(count, refused, LaneVerdict::MessageOnly).explained(Explanation {
        what: format!("<{mailbox}> cannot be a mailbox to send from."),
        why: error.to_string(),
        fix: "Correct the route's mailbox, or the From address the application uses.".to_owned(),
        who: "Postern administrator".to_owned(),
        code: None,
    })
}

/// The stored body is damaged, as seen through the error of its reader.
fn is_unreadable(error: &GraphError) -> bool {
    error.source().and_then(|source| source.downcast_ref::<io::Error>()).is_some_and(is_damage)
}

/// The stored body is damaged, as its reader says.
pub(super) fn is_damage(error: &io::Error) -> bool {
    let stored = Some(error).and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(stored, Some(StoreError::Unreadable { .. }))
}

/// The message is too large for one request, and cannot be taken apart without damage.
pub(super) fn unsupported(count: usize, error: &Unsupported) -> Verdict {
    let status = match error {
        // 5.3.4: message too big for system. 5.6.3: conversion required but not supported.
        Unsupported::BodyTooLarge => EnhancedStatus::permanent(3, 4),
        _ => EnhancedStatus::permanent(6, 3),
    };
    Verdict::all(count, RecipientOutcome::Refused(status), LaneVerdict::MessageOnly).beyond_the_way().explained(
        Explanation {
            what: "The message is too large for one request to Microsoft Graph, and cannot be sent in parts."
                .to_owned(),
            why: format!("Larger messages are sent as JSON with separate attachments, but {error}."),
            fix: "Send it smaller, give the route a fallback by SMTP, or route this sender over SMTP.".to_owned(),
            who: "Sender".to_owned(),
            code: None,
        },
    )
}

/// The message could not be read here.
pub(super) fn unread(count: usize, error: &io::Error) -> Verdict {
    let mut verdict = Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::MessageOnly);
    verdict.is_unreadable = is_damage(error);
    verdict.explained(Explanation {
        what: "The message could not be read for sending.".to_owned(),
        why: format!("The local store answered: {error}."),
        fix: "Check the disk and the data folder; it is tried again.".to_owned(),
        who: "Postern administrator".to_owned(),
        code: None,
    })
}
