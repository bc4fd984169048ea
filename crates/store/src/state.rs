//! The states of a message and every move between them.
//!
//! ```text
//!              claim                  all accepted
//!   queued ───────────► sending ───────────────────► sent
//!    ▲ ▲ │                │ │ └─ any refused, none left ─► failed
//!    │ │ │ hold/release   │ └─── answer lost ───► uncertain ─┐
//!    │ │ └────► held      │ deferred, or recipients left     │ retry
//!    │ └──────────────────┘                                  │
//!    └───────────────────────────────────────────────────────┘
//!   queued, held, uncertain, failed ── cancel ──► cancelled        unreadable ──► quarantined
//! ```
//!
//! The functions here are the only place that knows the drawing; the stores call them inside their transactions.

use serde::{Deserialize, Serialize};

use crate::{RecipientState, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    Queued,
    Sending,
    Sent,
    Failed,
    /// May have been delivered to some recipients; waits for policy or an administrator.
    Uncertain,
    Held,
    Cancelled,
    /// What is stored cannot be read. Kept, never deleted by itself.
    Quarantined,
}

impl MessageState {
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Uncertain,
        Self::Held,
        Self::Cancelled,
        Self::Quarantined,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Quarantined => "quarantined",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Nothing more will happen by itself, and nothing is in doubt: the message may be purged after its retention.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Cancelled)
    }

    /// The state of a message after an attempt ended, from what is known of each recipient.
    pub fn after_attempt(recipients: impl IntoIterator<Item = RecipientState>) -> Self {
        let mut state = Self::Sent;
        for recipient in recipients {
            state = match (recipient, state) {
                (RecipientState::Pending, _) | (_, Self::Queued) => Self::Queued,
                (RecipientState::Uncertain, _) | (_, Self::Uncertain) => Self::Uncertain,
                (RecipientState::Failed, _) | (_, Self::Failed) => Self::Failed,
                (RecipientState::Sent | RecipientState::Bounced, state) => state,
            };
        }
        state
    }

    /// The state after an administrator's operation, or why it cannot be.
    ///
    /// `Retry` makes every recipient pending again that the upstream did not accept. On a queued message it means "now".
    pub fn after(self, operation: Operation) -> Result<Self, StoreError> {
        let next = match (operation, self) {
            (Operation::Retry, Self::Queued | Self::Failed | Self::Uncertain | Self::Held | Self::Cancelled)
            | (Operation::Release, Self::Held) => Self::Queued,
            (Operation::Hold, Self::Queued | Self::Uncertain) => Self::Held,
            (Operation::Cancel, Self::Queued | Self::Held | Self::Uncertain | Self::Failed) => Self::Cancelled,
            _ => return Err(StoreError::Conflict { reason: operation.refusal(self) }),
        };
        Ok(next)
    }

    /// Whether a message may be given up, or why not: only while it waits.
    pub fn check_may_fail(self) -> Result<(), StoreError> {
        self.check("fail", matches!(self, Self::Queued | Self::Held | Self::Uncertain), "queued, held or uncertain")
    }

    /// Whether a message may be set aside as unreadable, or why not.
    pub fn check_may_be_quarantined(self) -> Result<(), StoreError> {
        let may = matches!(self, Self::Queued | Self::Sending | Self::Held | Self::Uncertain);
        self.check("quarantine", may, "queued, sending, held or uncertain")
    }

    pub fn check_may_be_deleted(self) -> Result<(), StoreError> {
        self.check("delete", self != Self::Sending, "in any state but sending")
    }

    /// Where a message goes is a fact once it went, and must not change while it goes.
    pub fn may_be_rerouted(self) -> bool {
        !matches!(self, Self::Sending | Self::Sent | Self::Quarantined)
    }

    /// Only what is settled may be deleted for its age alone.
    pub fn check_may_be_purged(self) -> Result<(), StoreError> {
        self.check("purge", self.is_settled(), "sent, failed or cancelled")
    }

    fn check(self, what: &str, may: bool, allowed: &str) -> Result<(), StoreError> {
        let reason = || format!("cannot {what} a message that is {}: it must be {allowed}", self.name());
        if may { Ok(()) } else { Err(StoreError::Conflict { reason: reason() }) }
    }
}

/// What an administrator may do to one message. Deleting is a method of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Retry,
    Cancel,
    Hold,
    Release,
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Whether a recipient in this state is sent to again after the operation. A release brings back what was in doubt
    /// when the message was held, else it would be queued with nobody to send to.
    pub fn reopens(self, recipient: RecipientState) -> bool {
        match self {
            Self::Retry => !matches!(recipient, RecipientState::Sent | RecipientState::Bounced),
            Self::Release => recipient == RecipientState::Uncertain,
            Self::Cancel | Self::Hold => false,
        }
    }

    fn refusal(self, state: MessageState) -> String {
        let allowed = match self {
            Self::Retry => "queued, failed, uncertain, held or cancelled",
            Self::Cancel => "queued, held, uncertain or failed",
            Self::Hold => "queued or uncertain",
            Self::Release => "held",
        };
        format!("cannot {} a message that is {}: it must be {allowed}", self.name(), state.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState as M;
    use Operation as O;
    use RecipientState as R;

    #[test]
    fn an_attempt_leaves_the_state_its_recipients_say() {
        for (recipients, state) in [
            (vec![R::Sent, R::Sent], M::Sent),
            (vec![R::Sent, R::Failed], M::Failed), // partly failed is failed
            (vec![R::Failed, R::Uncertain], M::Uncertain), // doubt outweighs failure
            (vec![R::Uncertain, R::Pending, R::Failed], M::Queued), // work left goes first
            (vec![R::Pending], M::Queued),
            (vec![R::Bounced, R::Sent], M::Sent), // the upstream took it: that stays so
        ] {
            assert_eq!(M::after_attempt(recipients.clone()), state, "{recipients:?}");
        }
    }

    #[test]
    fn what_is_done_without_an_administrator_has_its_own_borders() {
        let states = |may: &dyn Fn(M) -> bool| M::ALL.into_iter().filter(|state| may(*state)).collect::<Vec<_>>();
        assert_eq!(states(&|state| state.check_may_fail().is_ok()), [M::Queued, M::Uncertain, M::Held]);
        let unreadable = states(&|state| state.check_may_be_quarantined().is_ok());
        assert_eq!(unreadable, [M::Queued, M::Sending, M::Uncertain, M::Held]);
        assert_eq!(states(&|state| state.check_may_be_deleted().is_err()), [M::Sending]);
        assert_eq!(states(&|state| !state.may_be_rerouted()), [M::Sending, M::Sent, M::Quarantined]);
        assert_eq!(states(&|state| state.check_may_be_purged().is_ok()), [M::Sent, M::Failed, M::Cancelled]);
    }

    #[test]
    fn every_operation_moves_or_says_why_not() {
        for state in M::ALL {
            for operation in [O::Retry, O::Cancel, O::Hold, O::Release] {
                let expected = match (operation, state) {
                    (O::Retry, M::Queued | M::Failed | M::Uncertain | M::Held | M::Cancelled)
                    | (O::Release, M::Held) => Some(M::Queued),
                    (O::Hold, M::Queued | M::Uncertain) => Some(M::Held),
                    (O::Cancel, M::Queued | M::Held | M::Uncertain | M::Failed) => Some(M::Cancelled),
                    _ => None, // notably: nothing touches a message while it is being sent, or one that was sent
                };
                assert_eq!(state.after(operation).ok(), expected, "{operation:?} {state:?}");
            }
        }
    }
}
