//! Whether a report is about a message of ours, and what it means.

use jiff::{SignedDuration, Timestamp};
use mail::dsn::{Action, ReadReport, ReportedRecipient};
use mail::{Address, EnhancedStatus, MessageId};
use store::{Explanation, MessageDetail, RecipientOutcome, RecipientState, RecipientStatus, StoreError};

use super::Place;
use crate::running::Shared;

/// Messages of one Message-ID that are looked at: software that gives the same to several must not cost more.
const CANDIDATES: u32 = 5;
/// What another system said is shown up to this length.
const SHOWN_CHARS: usize = 500;

/// Marks the recipients that the report is rightly about.
pub(super) async fn settle(
    shared: &Shared,
    place: &Place,
    report: &ReadReport,
    now: Timestamp,
) -> Result<(), StoreError> {
    let store = &*shared.store;
    let mut candidates: Vec<MessageId> = match &report.internet_message_id {
        Some(id) => store.with_internet_message_id(id, CANDIDATES).await?,
        None => Vec::new(),
    };
    // The service may have given the message another Message-ID; the trace field with our id stays.
    candidates.extend(report.traces.iter().filter(|id| !candidates.contains(id)).copied().collect::<Vec<_>>());
    for id in candidates {
        let detail = match store.message(id).await {
            Ok(detail) => detail,
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        for reported in &report.recipients {
            let Some(recipient) = bounced(&detail, place, reported, now, shared.config.limits.bounce_of_at_most) else {
                continue;
            };
            let explanation = explanation(&recipient, reported);
            if store.mark_bounced(id, &recipient, reported.status, explanation, now).await? {
                metrics::counter!("postern_bounces_total").increment(1);
                let code = reported.status.map(|status| status.to_string()).unwrap_or_default();
                tracing::warn!(event = "message_bounced", message_id = %id, mailbox = %place.1, code);
            }
        }
    }
    Ok(())
}

/// The recipient of ours that a report means: one we sent to, from this mailbox, by this connection, lately.
pub(super) fn bounced(
    detail: &MessageDetail,
    place: &Place,
    reported: &ReportedRecipient,
    now: Timestamp,
    at_most: SignedDuration,
) -> Option<Address> {
    if reported.action != Some(Action::Failed) {
        return None;
    }
    let was_sent_from_here = |address: &Address| {
        detail.attempts.iter().any(|attempt| {
            let accepted = attempt.recipients.iter().zip(&attempt.outcomes);
            attempt.connection == place.0
                && attempt.mailbox == place.1
                && attempt.ended_at.is_some_and(|at| now.duration_since(at) <= at_most)
                && accepted.into_iter().any(|(to, outcome)| to == address && *outcome == RecipientOutcome::Accepted)
        })
    };
    let is_meant = |it: &&RecipientStatus| it.state == RecipientState::Sent && reported.addresses.contains(&it.address);
    let meant = detail.recipients.iter().filter(is_meant).map(|it| &it.address);
    meant.into_iter().find(|address| was_sent_from_here(address)).cloned()
}

fn explanation(recipient: &Address, reported: &ReportedRecipient) -> Explanation {
    let said = reported.diagnostic.as_deref().unwrap_or_default();
    let shown: String = said.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
    let (meaning, fix, who) = meaning(reported.status);
    let why = if shown.is_empty() { meaning.to_owned() } else { format!("{meaning} The report says: {shown}") };
    Explanation {
        what: format!("The message to {recipient} came back."),
        why,
        fix: fix.to_owned(),
        who: who.to_owned(),
        code: reported.status.map(|status| status.to_string()),
    }
}

/// RFC 3463, in the words of those who must act.
fn meaning(status: Option<EnhancedStatus>) -> (&'static str, &'static str, &'static str) {
    let Some(status) = status else {
        return ("It could not be delivered.", "Ask the recipient's postmaster with the report at hand.", SENDER);
    };
    match (status.subject, status.detail) {
        (1, _) => ("There is no such address.", "Correct the address in the program that sends, or remove it.", SENDER),
        (2, 2) => {
            ("The recipient's mailbox is full.", "Tell the recipient by other means, and send again later.", SENDER)
        }
        (2 | 3, 3 | 4) => ("The message is too large for the recipient.", "Send it smaller, or a link to it.", SENDER),
        (2, _) => ("The recipient's mailbox takes no mail.", "Ask the recipient by other means.", SENDER),
        (4, 310..=312) => {
            ("The recipient's domain does not exist.", "Correct the address in the program that sends.", SENDER)
        }
        (4, _) => ("The recipient's mail system could not be reached in time.", "Send again later.", SENDER),
        (7, _) => (
            "The recipient's mail system, or Exchange Online, refuses the message by a rule.",
            "Look at the text of the report: it often names the rule. Check SPF, DKIM and DMARC of the sender's domain, and \
             limits on who may write to the recipient.",
            "Exchange administrator",
        ),
        _ => ("It could not be delivered.", "Ask the recipient's postmaster with the report at hand.", SENDER),
    }
}

const SENDER: &str = "Sender";
