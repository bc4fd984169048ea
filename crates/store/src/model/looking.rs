//! Looking at messages and lanes.

use jiff::Timestamp;
use mail::{Address, MessageId};

use super::State;
use super::held::Held;
use crate::{Counts, Filter, Lane, LaneId, MessageState, Page, PageRequest};

impl State {
    pub(super) fn lane(&self, id: LaneId) -> Option<Lane> {
        let lane = self.lanes.get(&id)?;
        let on_lane = || self.messages.values().filter(|held| held.record.lane == Some(id));
        let waiting = on_lane().filter(|held| held.waits()).count();
        Some(Lane {
            id,
            key: lane.key.clone(),
            waiting: waiting.try_into().unwrap_or(u64::MAX),
            next_due: on_lane().filter_map(|held| held.shown().due_at).min(),
            pause: lane.pause.clone(),
        })
    }

    /// In order of arrival.
    pub(super) fn arrivals(&self) -> Vec<&Held> {
        let mut all: Vec<&Held> = self.messages.values().collect();
        all.sort_by_key(|held| held.arrival);
        all
    }

    pub(super) fn ids(&self, wanted: impl Fn(&Held) -> bool, limit: u32) -> Vec<MessageId> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.arrivals().into_iter().filter(|held| wanted(held)).map(|held| held.record.id).take(limit).collect()
    }

    pub(super) fn page(&self, filter: &Filter, page: PageRequest) -> Page {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let end = page.before.map_or(u64::MAX, |before| self.end_before(before));
        let older = self.arrivals().into_iter().rev().filter(|held| held.arrival < end);
        let matching = older.map(Held::shown);
        let mut messages: Vec<_> = matching.filter(|record| filter.matches(record)).take(limit + 1).collect();
        let is_last = messages.len() <= limit;
        messages.truncate(limit);
        let next = messages.last().filter(|_| !is_last).map(|record| record.id);
        Page { messages, next }
    }

    /// Messages that arrived before this place are before the cursor.
    pub(super) fn end_before(&self, cursor: MessageId) -> u64 {
        let place = |held: &Held| held.arrival;
        let next_below = || self.messages.range(..cursor).next_back().map_or(0, |(_, held)| place(held) + 1);
        self.messages.get(&cursor).map_or_else(next_below, place)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for held in self.messages.values() {
            *match held.record.state {
                MessageState::Queued => &mut counts.queued,
                MessageState::Sending => &mut counts.sending,
                MessageState::Sent => &mut counts.sent,
                MessageState::Failed => &mut counts.failed,
                MessageState::Uncertain => &mut counts.uncertain,
                MessageState::Held => &mut counts.held,
                MessageState::Cancelled => &mut counts.cancelled,
                MessageState::Quarantined => &mut counts.quarantined,
            } += 1;
        }
        let oldest = self.arrivals().into_iter().find(|held| held.waits());
        counts.oldest_waiting = oldest.map(|held| held.record.received_at);
        counts
    }

    pub(super) fn queued_in_lane(
        &self,
        lane: LaneId,
        due_by: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Vec<(MessageId, Option<Address>)> {
        let place = |held: &Held| (held.due_at, held.arrival);
        let passed = after.and_then(|after| self.messages.get(&after)).map(place);
        let is_queued = |held: &&Held| {
            held.record.lane == Some(lane)
                && held.record.state == MessageState::Queued
                && !held.record.may_be_duplicated
                && held.due_at <= due_by
        };
        let queued = self.messages.values().filter(is_queued);
        let mut left: Vec<&Held> = queued.filter(|held| Some(place(held)) > passed).collect();
        left.sort_by_key(|held| place(held));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        left.into_iter().take(limit).map(|held| (held.record.id, held.record.header_from.clone())).collect()
    }
}
