//! Faults of a session: what was ordered for one of its steps.

use crate::faults::{FaultKind, Stroke};
use crate::state::State;

/// What becomes of a step.
#[derive(Debug)]
pub(super) enum Suffered {
    Nothing,
    /// This is said instead.
    Reply(String),
    /// The session ends without a word.
    Gone,
    /// The same, once the mail is taken.
    GoneAfterCommit,
}

/// Waits as ordered, and says what is to happen at `step`.
pub(super) async fn suffer(state: &State, mailbox: Option<&str>, step: &str) -> Suffered {
    let Stroke { delay, fault } = state.faults.strike_smtp(mailbox, step);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match fault.map(|fault| (fault.kind, fault.message)) {
        Some((FaultKind::SmtpReply, Some(reply))) => Suffered::Reply(reply),
        Some((FaultKind::SmtpDrop, _)) => Suffered::Gone,
        Some((FaultKind::SmtpDropAfterCommit, _)) => Suffered::GoneAfterCommit,
        _ => Suffered::Nothing,
    }
}

/// The step of the dialog that a verb is.
pub(super) fn step_of(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "EHLO" | "HELO" => "smtpEhlo",
        "AUTH" => "smtpAuth",
        "MAIL" => "smtpMail",
        "RCPT" => "smtpRcpt",
        "DATA" | "BDAT" => "smtpData",
        _ => return None,
    })
}
