//! The model's moving of mail away from a lane.

use jiff::Timestamp;
use mail::MessageId;
use settings::RoutedTo;

use super::{Held, State};
use crate::{Event, MessageState, RecipientOutcome};

impl State {
    pub(super) fn divert(
        &mut self,
        ids: Vec<MessageId>,
        way: &RoutedTo,
        due_by: Timestamp,
        event: &Event,
    ) -> Vec<MessageId> {
        let lane = self.lane_for(way);
        let key = self.key_of(lane);
        let mut moved = Vec::new();
        for id in ids {
            let Some(held) = self.messages.get_mut(&id) else { continue };
            let is_due = held.record.state == MessageState::Queued && held.due_at <= due_by;
            if !is_due || held.record.lane == Some(lane) || is_in_doubt(held) {
                continue;
            }
            (held.record.lane, held.record.routed_to) = (Some(lane), key.clone());
            held.due_at = held.due_at.min(event.at);
            held.events.push(event.clone());
            moved.push(id);
            self.announce(id);
        }
        moved
    }
}

fn is_in_doubt(held: &Held) -> bool {
    let Some(last) = held.attempts.last().filter(|_| held.record.may_be_duplicated) else { return false };
    last.ended_at.is_none() || last.outcomes.contains(&RecipientOutcome::Uncertain)
}
