//! The store as plain maps in memory: slow, forgetful, and obviously right.
//!
//! It is what the durable store is compared with, and what tests of other floors use. It shares with the durable store
//! only the states' drawing ([`crate::MessageState`]) and [`crate::Filter::matches`].

mod as_store;
mod budgets;
mod delivery;
mod divert;
mod held;
mod looking;
mod news;
mod operations;
mod past;
mod people;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mail::MessageId;
use settings::{AccountId, ConnectionId, RoutedTo, Settings};
use tokio::sync::{broadcast, watch};

use crate::{
    AuditEntry, Change, Enqueued, Event, Grant, IdempotencyKey, KeyRing, LaneId, MessageState, NewMessage, Outcome,
    Priority, Session, StoreError,
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

    fn remember(&mut self, at: Timestamp, happened: Happened) {
        let waiting = self.messages.values().filter(|held| held.waits()).count();
        self.history.add(at, happened, waiting.try_into().unwrap_or(u64::MAX));
    }
}

fn count<T>(list: &[T]) -> u64 {
    list.len().try_into().unwrap_or(u64::MAX)
}

fn by_the_system(at: Timestamp, kind: &str, detail: Option<String>) -> Event {
    Event { at, kind: kind.into(), actor: "system".into(), detail }
}
