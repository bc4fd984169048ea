//! The store as plain maps in memory: slow, forgetful, and obviously right.
//!
//! It is what the durable store is compared with, and what tests of other floors use. It shares with the durable store
//! only the states' drawing ([`crate::MessageState`]) and [`Filter::matches`].

mod as_store;
mod delivery;
mod divert;
mod held;
mod news;
mod past;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mail::MessageId;
use settings::{AccountId, ConnectionId, RoutedTo, Settings};
use tokio::sync::{broadcast, watch};

use crate::{
    AuditEntry, Change, Counts, Enqueued, Event, Explanation, Filter, Grant, IdempotencyKey, KeyRing, Lane, LaneId,
    MessageState, NewMessage, Operation, Outcome, OutcomeKind, Page, PageRequest, Priority, RecipientState, Session,
    StoreError,
};
use held::{Held, HeldLane};
use past::{Happened, Past};

/// Lives as long as the process.
#[derive(Debug)]
pub struct ModelStore {
    state: Mutex<State>,
    settings: watch::Sender<Arc<Settings>>,
    changes: broadcast::Sender<Change>,
    key_ring: Arc<KeyRing>,
}

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<MessageId, Held>,
    /// Messages so far: the next one's place in the order of arrival.
    arrived: u64,
    attempts: i64,
    lanes: BTreeMap<LaneId, HeldLane>,
    keys: BTreeMap<(Option<AccountId>, String), (IdempotencyKey, MessageId)>,
    /// Recipients of the attempts that a lane started in an hour since 1970.
    hours: BTreeMap<(LaneId, i64), u64>,
    /// What budgets were charged in an hour since 1970.
    charges: BTreeMap<(i64, String), u64>,
    /// Whose turn was the last one, among the messages of a lane and a priority.
    turns: BTreeMap<(LaneId, Priority), Option<AccountId>>,
    outcomes: Vec<Outcome>,
    /// Outcomes so far.
    newest_outcome: u64,
    /// Messages whose delay was noted.
    noted: BTreeSet<MessageId>,
    kept: BTreeMap<String, serde_json::Value>,
    audit: Vec<AuditEntry>,
    sessions: BTreeMap<String, Session>,
    grants: BTreeMap<ConnectionId, Grant>,
    history: Past,
    account_use: BTreeMap<AccountId, Timestamp>,
    news: Vec<Change>,
}

impl Default for ModelStore {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            settings: watch::Sender::new(Arc::default()),
            changes: broadcast::Sender::new(4096),
            // A ring without keys refuses everything, which is right when there are no random numbers.
            key_ring: Arc::new(KeyRing::ephemeral().unwrap_or_else(|_| KeyRing::from_keys([]))),
        }
    }
}

impl ModelStore {
    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one change; what it announced is news when it is done.
    fn write<T>(&self, work: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.read();
        let result = work(&mut state);
        for change in std::mem::take(&mut state.news) {
            let _ = self.changes.send(change);
        }
        result
    }
}

fn no_message(id: MessageId) -> StoreError {
    StoreError::NotFound { what: format!("message {id}") }
}

impl State {
    fn message(&self, id: MessageId) -> Result<&Held, StoreError> {
        self.messages.get(&id).ok_or_else(|| no_message(id))
    }

    fn message_mut(&mut self, id: MessageId) -> Result<&mut Held, StoreError> {
        self.messages.get_mut(&id).ok_or_else(|| no_message(id))
    }

    fn lane_mut(&mut self, lane: LaneId) -> Result<&mut HeldLane, StoreError> {
        self.lanes.get_mut(&lane).ok_or_else(|| StoreError::NotFound { what: format!("lane {}", lane.0) })
    }

    fn lane_for(&mut self, key: &RoutedTo) -> LaneId {
        if let Some((id, _)) = self.lanes.iter().find(|(_, lane)| lane.key == *key) {
            return *id;
        }
        let id = LaneId(self.lanes.len().try_into().unwrap_or(i64::MAX));
        self.lanes.insert(id, HeldLane::new(key.clone()));
        id
    }

    fn announce(&mut self, id: MessageId) {
        let lane = self.messages.get(&id).and_then(|held| held.record.lane);
        self.news.extend(lane.map(Change::Lane));
        self.news.push(Change::Message(id));
    }

    fn enqueue(&mut self, mut message: NewMessage, body: bytes::Bytes) -> Result<Enqueued, StoreError> {
        if let Some(wanted) = &message.idempotency
            && let Some((known, id)) = self.keys.get(&(message.account.clone(), wanted.key.clone()))
            && known.expires_at > message.received_at
        {
            let is_same = known.request_digest == wanted.request_digest;
            return if is_same { Ok(Enqueued::Repeated(*id)) } else { Err(StoreError::IdempotencyMismatch) };
        }
        let id = message.id;
        if self.messages.contains_key(&id) {
            return Err(StoreError::Conflict { reason: format!("a message {id} exists already") });
        }
        if let Some(key) = message.idempotency.clone() {
            self.keys.insert((message.account.clone(), key.key.clone()), (key, id));
        }
        let lane = message.routed_to.as_ref().map(|key| self.lane_for(key));
        self.arrived += 1;
        let received_at = message.received_at;
        let held_because = message.hold.take();
        if let Some(account) = message.account.clone() {
            let last = self.account_use.entry(account).or_insert(received_at);
            *last = received_at.max(*last);
        }
        let mut held = Held::new(message, body, self.arrived, lane.map(|lane| (lane, self.key_of(lane))));
        if let Some(reason) = held_because {
            held.record.state = MessageState::Held;
            held.events.push(by_the_system(received_at, "held", Some(reason)));
        }
        self.messages.insert(id, held);
        self.remember(received_at, Happened::Accepted);
        self.announce(id);
        Ok(Enqueued::New(id))
    }

    /// As it was spelled when the lane was new.
    fn key_of(&self, lane: LaneId) -> Option<RoutedTo> {
        self.lanes.get(&lane).map(|lane| lane.key.clone())
    }

    fn lane(&self, id: LaneId) -> Option<Lane> {
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

    fn remember(&mut self, at: Timestamp, happened: Happened) {
        let waiting = self.messages.values().filter(|held| held.waits()).count();
        self.history.add(at, happened, waiting.try_into().unwrap_or(u64::MAX));
    }

    /// In order of arrival.
    fn arrivals(&self) -> Vec<&Held> {
        let mut all: Vec<&Held> = self.messages.values().collect();
        all.sort_by_key(|held| held.arrival);
        all
    }

    fn ids(&self, wanted: impl Fn(&Held) -> bool, limit: u32) -> Vec<MessageId> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.arrivals().into_iter().filter(|held| wanted(held)).map(|held| held.record.id).take(limit).collect()
    }

    fn page(&self, filter: &Filter, page: PageRequest) -> Page {
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
    fn end_before(&self, cursor: MessageId) -> u64 {
        let place = |held: &Held| held.arrival;
        let next_below = || self.messages.range(..cursor).next_back().map_or(0, |(_, held)| place(held) + 1);
        self.messages.get(&cursor).map_or_else(next_below, place)
    }

    fn counts(&self) -> Counts {
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

    fn operate(&mut self, id: MessageId, operation: Operation, event: Event) -> Result<MessageState, StoreError> {
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

    fn hold_queued(&mut self, actor: &str, reason: &str, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let queued = self.ids(|held| held.record.state == MessageState::Queued, limit);
        for id in &queued {
            let (kind, detail) = (Operation::Hold.name().into(), Some(reason.to_owned()));
            self.operate(*id, Operation::Hold, Event { at: now, kind, actor: actor.into(), detail })?;
        }
        Ok(count(&queued))
    }

    fn fail(&mut self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
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

    fn quarantine(&mut self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
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

    fn delete(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.message(id)?.record.state.check_may_be_deleted()?;
        self.messages.remove(&id);
        self.noted.remove(&id);
        self.news.push(Change::Message(id));
        Ok(())
    }

    fn reroute(&mut self, routes: Vec<(MessageId, Option<RoutedTo>)>) {
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

fn count<T>(list: &[T]) -> u64 {
    list.len().try_into().unwrap_or(u64::MAX)
}

fn by_the_system(at: Timestamp, kind: &str, detail: Option<String>) -> Event {
    Event { at, kind: kind.into(), actor: "system".into(), detail }
}
