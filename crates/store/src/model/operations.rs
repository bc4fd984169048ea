//! What is done to messages from outside the way of delivery.

use jiff::Timestamp;
use mail::MessageId;
use settings::RoutedTo;

use super::past::Happened;
use super::{State, by_the_system, count};
use crate::{Change, Event, Explanation, MessageState, Operation, OutcomeKind, RecipientState, StoreError};

impl State {
    pub(super) fn operate(
        &mut self,
        id: MessageId,
        operation: Operation,
        event: Event,
    ) -> Result<MessageState, StoreError> {
        let held = self.message_mut(id)?;
        held.record.state = held.record.state.after(operation)?;
        for recipient in &mut held.recipients {
            if operation.reopens(recipient.state) {
                (recipient.state, recipient.status) = (RecipientState::Pending, None);
            }
        }
        if operation == Operation::Retry {
            held.due_at = event.at;
        }
        held.events.push(event);
        let state = held.record.state;
        self.announce(id);
        Ok(state)
    }

    pub(super) fn hold_queued(
        &mut self,
        actor: &str,
        reason: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let queued = self.ids(|held| held.record.state == MessageState::Queued, limit);
        for id in &queued {
            let (kind, detail) = (Operation::Hold.name().into(), Some(reason.to_owned()));
            self.operate(*id, Operation::Hold, Event { at: now, kind, actor: actor.into(), detail })?;
        }
        Ok(count(&queued))
    }

    pub(super) fn fail(&mut self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        let held = self.message_mut(id)?;
        held.record.state.check_may_fail()?;
        held.record.state = MessageState::Failed;
        let pending = held.recipients.iter_mut().filter(|recipient| recipient.state == RecipientState::Pending);
        pending.for_each(|recipient| recipient.state = RecipientState::Failed);
        held.events.push(by_the_system(now, "failed", Some(reason.what.clone())));
        held.record.last_error = Some(reason);
        self.remember(now, Happened::Failed);
        self.tell(id, OutcomeKind::Failed, now);
        self.announce(id);
        Ok(())
    }

    pub(super) fn quarantine(&mut self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        let held = self.message_mut(id)?;
        held.record.state.check_may_be_quarantined()?;
        if held.record.state == MessageState::Sending {
            held.end_unsent(&reason, now);
        }
        held.record.state = MessageState::Quarantined;
        held.events.push(by_the_system(now, "quarantined", Some(reason.what.clone())));
        held.record.last_error = Some(reason);
        self.tell(id, OutcomeKind::Quarantined, now);
        self.announce(id);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.message(id)?.record.state.check_may_be_deleted()?;
        self.messages.remove(&id);
        self.noted.remove(&id);
        self.news.push(Change::Message(id));
        Ok(())
    }

    pub(super) fn reroute(&mut self, routes: Vec<(MessageId, Option<RoutedTo>)>) {
        for (id, key) in routes {
            if !self.messages.get(&id).is_some_and(|held| held.record.state.may_be_rerouted()) {
                continue;
            }
            let lane = key.map(|key| self.lane_for(&key));
            let key = lane.and_then(|lane| self.key_of(lane));
            if let Some(held) = self.messages.get_mut(&id) {
                (held.record.lane, held.record.routed_to) = (lane, key);
            }
            self.announce(id);
        }
    }
}
