//! What a transport says about an attempt, in words that do not depend on the upstream.

use std::time::Duration;

use store::{Explanation, RecipientOutcome};

/// The end of one attempt.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a claim of its own")]
pub struct Verdict {
    /// One for each recipient of the attempt, in order.
    pub outcomes: Vec<RecipientOutcome>,
    pub lane: LaneVerdict,
    pub explanation: Option<Explanation>,
    /// The upstream's name for the request.
    pub request_id: Option<String>,
    /// What is deferred may go again at once: the attempt taught how to do better (a refused recipient was taken out).
    pub retry_at_once: bool,
    /// The stored message is damaged: it must be set aside.
    pub is_unreadable: bool,
    /// Not the message is refused, but this way cannot carry it: another one may.
    pub is_beyond_the_way: bool,
    /// The attempt found out exactly what became of the earlier ones: nobody got the message twice.
    pub settles_doubt: bool,
}

/// What the attempt means for the other messages of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneVerdict {
    /// The upstream works.
    Go,
    /// This message had trouble; the lane goes on.
    MessageOnly,
    /// The upstream asks for, or evidently needs, a rest; with the time if it named one.
    Throttled(Option<Duration>),
    /// A sending quota is used up; with the time if the upstream named one.
    QuotaUsedUp(Option<Duration>),
    /// Nothing will go before an administrator acts.
    NeedsAdministrator,
}

impl Verdict {
    /// The same for all `count` recipients.
    pub fn all(count: usize, outcome: RecipientOutcome, lane: LaneVerdict) -> Self {
        Self {
            outcomes: vec![outcome; count],
            lane,
            explanation: None,
            request_id: None,
            retry_at_once: false,
            is_unreadable: false,
            is_beyond_the_way: false,
            settles_doubt: false,
        }
    }

    #[must_use]
    pub fn explained(mut self, explanation: Explanation) -> Self {
        self.explanation = Some(explanation);
        self
    }

    /// The refusal is about what this way can carry.
    #[must_use]
    pub fn beyond_the_way(self) -> Self {
        Self { is_beyond_the_way: true, ..self }
    }

    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }

    /// For a message that goes another way: what was refused here is still to be sent.
    pub(crate) fn sent_elsewhere(mut self) -> Self {
        for outcome in &mut self.outcomes {
            if matches!(outcome, RecipientOutcome::Refused(_)) {
                *outcome = RecipientOutcome::Deferred;
            }
        }
        self
    }
}
