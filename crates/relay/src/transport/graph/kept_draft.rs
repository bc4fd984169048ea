//! What is remembered, over restarts, of a draft that an attempt left in its mailbox.
//!
//! Promise: a complete draft that only waits to be sent is gone on with, as long as it is the message that would be made
//! now: from the same mailbox, for the same recipients, under the same policies. Losing the note costs an upload, no mail.
//!
//! Left to others: removing what no attempt will use any more (`leftovers`).

use graph::DraftId;

use super::Attempt;
use crate::leftovers::{Left, forget as forget_left, key, note as note_left};

/// What is remembered of the message's draft.
pub(super) async fn read(attempt: &Attempt<'_>) -> Option<Left> {
    let kept = attempt.message.store.kept(&key(attempt.record.id)).await.ok()??;
    serde_json::from_value(kept).ok()
}

pub(super) async fn note(attempt: &Attempt<'_>, ready: Option<DraftId>) {
    let Some(route) = &attempt.record.routed_to else { return };
    let left = Left {
        route: route.clone(),
        internet_message_id: attempt.record.internet_message_id.clone(),
        ready,
        made_of: Some(made_of(attempt)),
        stuck: None,
    };
    note_left(&*attempt.message.store, attempt.record.id, &left).await;
}

/// Nothing is left any more.
pub(super) async fn forget(attempt: &Attempt<'_>) {
    if attempt.record.attempts > 1 {
        forget_left(&*attempt.message.store, attempt.record.id).await;
    }
}

impl Left {
    /// The draft, if it is what the attempt would make.
    pub(super) fn ready_for(self, attempt: &Attempt<'_>) -> Option<DraftId> {
        let is_same = attempt.record.routed_to.as_ref() == Some(&self.route) && self.made_of == Some(made_of(attempt));
        self.ready.filter(|_| is_same)
    }
}

/// All that decides what the draft says, beside the stored message.
fn made_of(attempt: &Attempt<'_>) -> serde_json::Value {
    let recipients: Vec<&str> = attempt.message.recipients.iter().map(mail::Address::as_str).collect();
    serde_json::json!({
        "recipients": recipients,
        "from_policy": attempt.message.from_policy,
        "added_header": attempt.message.added_header,
    })
}
