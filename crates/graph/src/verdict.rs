//! What an answer means for the message, and how it is said.
//!
//! Promise: plain functions of the answer's row, the answer, and how much of the request had gone out.

use std::fmt::Write as _;

use entra::{Claims, Explanation};

use crate::error::{FailureClass, Refused, Sent};
use crate::failure_table::Kind::{Configuration, Permanent, Quota, StrangeSuccess, TooLarge, Transient, Unknown};
use crate::failure_table::Row;
use crate::refusal::Refusal;

/// What to do with a message that got this answer, to a request of this many bytes.
pub(crate) fn class_of(row: &Row, refusal: &Refusal, sent: Sent, request_bytes: u64) -> FailureClass {
    let retry_after = refusal.retry_after;
    match row.kind {
        Permanent => FailureClass::Permanent,
        Configuration => FailureClass::Configuration,
        Quota => FailureClass::Quota { retry_after },
        TooLarge => FailureClass::TooLarge,
        Unknown if sent == Sent::Everything => FailureClass::Uncertain,
        Transient | Unknown => FailureClass::Transient { retry_after },
        StrangeSuccess => class_of_strange_success(refusal, request_bytes),
    }
}

/// The smallest request for which Graph was seen to answer `200` and send nothing: 2.2 MB of MIME, in base64.
const SUSPICIOUS_REQUEST_BYTES: u64 = 2_900_000;

/// A success other than `202`. Graph gives one to a message over its limit, and sends nothing: that one is too large.
/// Without Graph's ids, something on the way answered in its place, and Graph never saw the message. What is left, a small
/// message and Graph itself, is documented nowhere, so it is not known whether it was sent.
fn class_of_strange_success(refusal: &Refusal, request_bytes: u64) -> FailureClass {
    if !refusal.is_from_graph() {
        FailureClass::Transient { retry_after: refusal.retry_after }
    } else if request_bytes >= SUSPICIOUS_REQUEST_BYTES {
        FailureClass::TooLarge
    } else {
        FailureClass::Uncertain
    }
}

/// Puts an answer into words.
pub(crate) fn explain(class: FailureClass, refused: &Refused) -> Explanation {
    let Refused { refusal, row, claims, mailbox, is_about_drafts } = refused;
    let what = match class {
        FailureClass::Uncertain => {
            format!("It is not known whether the message was sent from {mailbox}: it may have been delivered.")
        }
        _ => format!("Microsoft Graph did not accept the message from {mailbox}."),
    };
    let mut why = row.cause.to_owned();
    // Writing to a String cannot fail.
    if let Some(recipient) = refusal.invalid_recipient() {
        let _ = write!(why, " The recipient is {recipient}.");
    }
    if *is_about_drafts && refusal.status == 403 {
        why.push_str(
            " Large messages and tracked delivery work through a draft, for which the permission is Mail.ReadWrite.",
        );
    }
    if let Some(claims) = claims {
        why.push_str(&describe(claims));
    }
    if let Some(error) = &refusal.challenge {
        let _ = write!(why, " The challenge is {error}.");
    }
    let _ = write!(why, " Graph says: {refusal}");
    if let Some(date) = &refusal.date {
        let _ = write!(why, " at {date}");
    }
    Explanation::new(what, why, row.fix, row.who)
}

/// What the refused token says about itself. That `roles` is empty is legitimate with RBAC for Applications, so it is
/// reported, not judged.
fn describe(claims: &Claims) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let granted = match (claims.roles.as_slice(), &claims.scp) {
        ([], None) => "no roles (right if RBAC for Applications grants the access)".to_owned(),
        ([], Some(scp)) => format!("scopes {scp}"),
        (roles, _) => format!("roles {}", roles.join(" ")),
    };
    format!(
        " The token is for audience {}, tenant {}, application {}, with {granted}.",
        or_none(&claims.aud),
        or_none(&claims.tid),
        or_none(&claims.appid),
    )
}

/// Whether what a refused token says about itself helps to explain this answer.
pub(crate) fn is_about_permission(refusal: &Refusal) -> bool {
    matches!(refusal.status, 401 | 403)
}
