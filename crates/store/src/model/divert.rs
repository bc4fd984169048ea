//! The model's moving of mail away from a lane.

use jiff::Timestamp;
use mail::MessageId;
use settings::RoutedTo;

use super::State;
use crate::{Event, MessageState};

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
            if !is_due || held.record.lane == Some(lane) || held.record.may_be_duplicated {
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
