//! What can be done to one message, by the name its button has.

use admin::{Actor, AdminError};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use mail::MessageId;
use settings::Role;
use store::{MessageState, Operation};

use super::parse_id;
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pages) enum Act {
    Resend,
    Retry,
    Hold,
    Release,
    Cancel,
    Delete,
}

impl Act {
    pub(in crate::pages) const ALL: [Self; 6] =
        [Self::Resend, Self::Retry, Self::Hold, Self::Release, Self::Cancel, Self::Delete];

    pub(in crate::pages) fn name(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }

    pub(in crate::pages) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    /// On the button.
    pub(in crate::pages) fn text(self) -> &'static str {
        match self {
            Self::Resend => "Resend",
            Self::Retry => "Retry now",
            Self::Hold => "Hold",
            Self::Release => "Release",
            Self::Cancel => "Cancel",
            Self::Delete => "Delete",
        }
    }

    /// "3 messages were …"
    pub(in crate::pages) fn done(self) -> &'static str {
        match self {
            Self::Resend => "queued again as a copy",
            Self::Retry => "made due now",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Cancel => "cancelled",
            Self::Delete => "deleted",
        }
    }

    /// Asked before it is done; empty: it is not asked.
    pub(in crate::pages) fn question(self) -> &'static str {
        match self {
            Self::Resend => "Send a copy to every recipient, also to those who have it already?",
            Self::Cancel => "Cancel? What is not sent yet will not be sent.",
            Self::Delete => "Delete for good, with the content and the history?",
            Self::Retry | Self::Hold | Self::Release => "",
        }
    }

    /// What it is to the queue; `None`: something of its own.
    pub(in crate::pages) fn operation(self) -> Option<Operation> {
        match self {
            Self::Retry => Some(Operation::Retry),
            Self::Hold => Some(Operation::Hold),
            Self::Release => Some(Operation::Release),
            Self::Cancel => Some(Operation::Cancel),
            Self::Resend | Self::Delete => None,
        }
    }

    pub(in crate::pages) fn role(self) -> Role {
        match self {
            Self::Delete => Role::Administrator,
            _ => Role::Operator,
        }
    }

    /// Whether a message in that state allows it; for showing the button, the operation asks again.
    pub(in crate::pages) fn is_for(self, state: MessageState) -> bool {
        match self.operation() {
            Some(operation) => state.after(operation).is_ok(),
            None if self == Self::Delete => state.check_may_be_deleted().is_ok(),
            None => !matches!(state, MessageState::Sending | MessageState::Quarantined),
        }
    }
}

/// Returns where what came of it can be looked at.
async fn act(console: &Console, actor: &Actor, id: MessageId, act: Act) -> Result<String, AdminError> {
    let (store, now) = (console.store(), console.now());
    if let Some(operation) = act.operation() {
        admin::operate_message(store, actor, id, operation, now).await?;
    }
    Ok(match act {
        Act::Resend => format!("/messages/{}?done=resent", admin::resend_message(store, actor, id, now).await?),
        Act::Delete => {
            admin::delete_message(store, actor, id).await?;
            "/messages?done=deleted".to_owned()
        }
        Act::Retry => format!("/messages/{id}?done=retried"),
        Act::Hold => format!("/messages/{id}?done=held"),
        Act::Release => format!("/messages/{id}?done=released"),
        Act::Cancel => format!("/messages/{id}?done=cancelled"),
    })
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let chosen = Act::from_name(&name).ok_or_else(|| PageError::bad_request("There is no such action"))?;
    let target = act(&console, visitor.actor(), id, chosen).await?;
    Ok(Redirect::to(&target).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_offers_what_its_state_allows() {
        let offered = |state| {
            let acts = Act::ALL.into_iter().filter(|act| act.is_for(state));
            acts.map(Act::name).collect::<Vec<_>>().join(" ")
        };
        for (state, acts) in [
            (MessageState::Queued, "resend retry hold cancel delete"),
            (MessageState::Sending, ""),
            (MessageState::Sent, "resend delete"),
            (MessageState::Held, "resend retry release cancel delete"),
            (MessageState::Quarantined, "delete"),
        ] {
            assert_eq!(offered(state), acts, "{state:?}");
        }
    }

    #[test]
    fn every_action_is_found_by_the_name_in_its_address() {
        assert!(Act::ALL.into_iter().all(|act| Act::from_name(act.name()) == Some(act)));
        assert_eq!(Act::from_name("quarantine"), None);
    }
}
