//! The store as plain maps in memory: slow, forgetful, and obviously right.
//!
//! It is what the durable store is compared with, and what tests of other floors use. It shares with the durable store
//! only the states' drawing ([`crate::MessageState`]) and [`Filter::matches`].

mod delivery;
mod held;
mod past;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo, Settings, UserId};
use tokio::sync::{broadcast, watch};

use crate::{
    AttemptReport, AuditEntry, AuditRecord, BodyReader, BodyWriter, Change, Claim, Counts, Enqueued, Event,
    Explanation, Filter, Grant, HistoryPoint, IdempotencyKey, KeyRing, Lane, LaneId, LanePause, Lease, MessageDetail,
    MessageState, NewMessage, NodeId, Operation, Page, PageRequest, RecipientState, Session, SettingsChange, Store,
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

    fn enqueue(&mut self, message: NewMessage, body: bytes::Bytes) -> Result<Enqueued, StoreError> {
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
        if let Some(account) = message.account.clone() {
            let last = self.account_use.entry(account).or_insert(received_at);
            *last = received_at.max(*last);
        }
        let held = Held::new(message, body, self.arrived, lane.map(|lane| (lane, self.key_of(lane))));
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

    fn ids(&self, wanted: impl Fn(&Held) -> bool, limit: u32) -> Vec<MessageId> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.messages.iter().filter(|(_, held)| wanted(held)).map(|(id, _)| *id).take(limit).collect()
    }

    fn page(&self, filter: &Filter, page: PageRequest) -> Page {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let older = |id: &MessageId| page.before.is_none_or(|before| *id < before);
        let matching = self.messages.iter().rev().filter(|(id, _)| older(id)).map(|(_, held)| held.shown());
        let mut messages: Vec<_> = matching.filter(|record| filter.matches(record)).take(limit + 1).collect();
        let is_last = messages.len() <= limit;
        messages.truncate(limit);
        let next = messages.last().filter(|_| !is_last).map(|record| record.id);
        Page { messages, next }
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
        let oldest = self.messages.values().find(|held| held.waits());
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

    fn fail(&mut self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        let held = self.message_mut(id)?;
        held.record.state.check_may_fail()?;
        held.record.state = MessageState::Failed;
        let pending = held.recipients.iter_mut().filter(|recipient| recipient.state == RecipientState::Pending);
        pending.for_each(|recipient| recipient.state = RecipientState::Failed);
        held.events.push(by_the_system(now, "failed", Some(reason.what.clone())));
        held.record.last_error = Some(reason);
        self.remember(now, Happened::Failed);
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
        self.announce(id);
        Ok(())
    }

    fn delete(&mut self, id: MessageId) -> Result<(), StoreError> {
        self.message(id)?.record.state.check_may_be_deleted()?;
        self.messages.remove(&id);
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

fn by_the_system(at: Timestamp, kind: &str, detail: Option<String>) -> Event {
    Event { at, kind: kind.into(), actor: "system".into(), detail }
}

fn apply(settings: &mut Settings, change: SettingsChange) {
    /// Replaces the one with the same id, or adds; in order of id.
    fn put<T, I: Ord>(list: &mut Vec<T>, item: T, id: impl Fn(&T) -> I) {
        list.retain(|known| id(known) != id(&item));
        list.push(item);
        list.sort_by_key(id);
    }
    match change {
        SettingsChange::PutTenant(tenant) => put(&mut settings.tenants, tenant, |tenant| tenant.id.clone()),
        SettingsChange::RemoveTenant(id) => settings.tenants.retain(|tenant| tenant.id != id),
        SettingsChange::PutConnection(it) => put(&mut settings.connections, it, |connection| connection.id.clone()),
        SettingsChange::RemoveConnection(id) => settings.connections.retain(|connection| connection.id != id),
        SettingsChange::PutEmails(emails) => settings.emails = emails,
        SettingsChange::SetRoutes(routes) => settings.routes = routes,
        SettingsChange::PutAccount(account) => put(&mut settings.accounts, account, |account| account.id.clone()),
        SettingsChange::RemoveAccount(id) => settings.accounts.retain(|account| account.id != id),
        SettingsChange::PutUser(user) => put(&mut settings.users, user, |user| user.id.clone()),
        SettingsChange::RemoveUser(id) => settings.users.retain(|user| user.id != id),
        SettingsChange::PutApiToken(token) => put(&mut settings.api_tokens, token, |token| token.id.clone()),
        SettingsChange::RemoveApiToken(id) => settings.api_tokens.retain(|token| token.id != id),
        SettingsChange::PutSignIn(sign_in) => settings.sign_in = sign_in,
    }
}

#[async_trait]
impl Store for ModelStore {
    async fn stage_body(&self) -> Result<BodyWriter, StoreError> {
        Ok(BodyWriter::in_memory())
    }

    async fn read_body(&self, id: MessageId) -> Result<BodyReader, StoreError> {
        Ok(BodyReader::inline(self.read().message(id)?.body.clone()))
    }

    async fn enqueue(&self, mut message: NewMessage) -> Result<Enqueued, StoreError> {
        let body = message.body.take_bytes()?;
        self.write(|state| state.enqueue(message, body))
    }

    async fn lanes_with_work(&self) -> Result<Vec<Lane>, StoreError> {
        let state = self.read();
        Ok(state.lanes.keys().filter_map(|id| state.lane(*id)).filter(|lane| lane.waiting > 0).collect())
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<Lane>, StoreError> {
        let state = self.read();
        let mut lanes: Vec<Lane> = state.lanes.keys().filter_map(|id| state.lane(*id)).collect();
        let place = |lane: &Lane| {
            let mailbox = lane.key.mailbox.as_str().to_lowercase();
            (std::cmp::Reverse(lane.waiting), lane.key.connection.clone(), mailbox)
        };
        lanes.sort_by_key(place);
        lanes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(lanes)
    }

    async fn lane(&self, lane: LaneId) -> Result<Lane, StoreError> {
        self.read().lane(lane).ok_or_else(|| StoreError::NotFound { what: format!("lane {}", lane.0) })
    }

    async fn lease_lane(
        &self,
        lane: LaneId,
        node: &NodeId,
        held: Option<&Lease>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        self.write(|state| state.lease_lane(lane, node, held, until, now))
    }

    async fn claim(
        &self,
        lease: &Lease,
        max_messages: u32,
        max_recipients: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.write(|state| state.claim(lease, max_messages, max_recipients, now))
    }

    async fn finish_attempt(
        &self,
        claim: &Claim,
        report: AttemptReport,
        now: Timestamp,
    ) -> Result<MessageState, StoreError> {
        self.write(|state| state.finish_attempt(claim, report, now))
    }

    async fn pause_lane(&self, lane: LaneId, pause: Option<LanePause>) -> Result<(), StoreError> {
        self.write(|state| {
            state.lane_mut(lane)?.pause = pause;
            state.news.push(Change::Lane(lane));
            Ok(())
        })
    }

    async fn recipients_attempted(&self, lane: LaneId, since: Timestamp) -> Result<u64, StoreError> {
        let hours = (lane, delivery::hour(since))..=(lane, i64::MAX);
        Ok(self.read().hours.range(hours).map(|(_, count)| *count).sum())
    }

    async fn unrouted(&self, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        let wanted = |held: &Held| held.record.state == MessageState::Queued && held.record.lane.is_none();
        Ok(self.read().ids(wanted, limit))
    }

    async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>, Option<RoutedTo>)>, StoreError> {
        let waits = |state| matches!(state, MessageState::Queued | MessageState::Held | MessageState::Uncertain);
        let wanted = |held: &Held| waits(held.record.state) && after.is_none_or(|after| held.record.id > after);
        let state = self.read();
        let found = state.ids(wanted, limit).into_iter().filter_map(|id| state.messages.get(&id));
        let record = found.map(|held| &held.record);
        Ok(record.map(|record| (record.id, record.header_from.clone(), record.routed_to.clone())).collect())
    }

    async fn reroute(&self, routes: Vec<(MessageId, Option<RoutedTo>)>) -> Result<(), StoreError> {
        self.write(|state| {
            state.reroute(routes);
            Ok(())
        })
    }

    async fn message(&self, id: MessageId) -> Result<MessageDetail, StoreError> {
        Ok(self.read().message(id)?.detail())
    }

    async fn messages(&self, filter: &Filter, page: PageRequest) -> Result<Page, StoreError> {
        Ok(self.read().page(filter, page))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.read().counts())
    }

    async fn history(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HistoryPoint>, StoreError> {
        Ok(self.read().history.between(since, until))
    }

    async fn last_submissions(&self) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
        Ok(self.read().account_use.iter().map(|(account, at)| (account.clone(), *at)).collect())
    }

    async fn operate(
        &self,
        id: MessageId,
        operation: Operation,
        actor: &str,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<MessageState, StoreError> {
        let (actor, detail) = (actor.to_owned(), detail.map(str::to_owned));
        let event = Event { at: now, kind: operation.name().into(), actor, detail };
        self.write(|state| state.operate(id, operation, event))
    }

    async fn fail(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.write(|state| state.fail(id, reason, now))
    }

    async fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        let wanted = |held: &Held| held.record.state == MessageState::Queued && held.record.expires_at <= now;
        Ok(self.read().ids(wanted, limit))
    }

    async fn quarantine(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.write(|state| state.quarantine(id, reason, now))
    }

    async fn delete(&self, id: MessageId) -> Result<(), StoreError> {
        self.write(|state| state.delete(id))
    }

    async fn purge(&self, state: MessageState, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        state.check_may_be_purged()?;
        self.write(|all| {
            let ids = all.ids(|held| held.record.state == state && held.record.received_at < before, limit);
            ids.iter().try_for_each(|id| all.delete(*id))?;
            Ok(ids.len().try_into().unwrap_or(u64::MAX))
        })
    }

    fn settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    async fn change_settings(
        &self,
        base_version: u64,
        changes: Vec<SettingsChange>,
        audit: AuditEntry,
    ) -> Result<u64, StoreError> {
        self.write(|state| {
            let mut settings = Settings::clone(&self.settings.borrow());
            if settings.version != base_version {
                return Err(StoreError::SettingsChanged { current: settings.version });
            }
            changes.into_iter().for_each(|change| apply(&mut settings, change));
            settings.version += 1;
            let version = settings.version;
            state.audit.push(audit);
            self.settings.send_replace(Arc::new(settings));
            state.news.push(Change::Settings { version });
            Ok(version)
        })
    }

    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = self.read();
        let numbered = (1..).zip(&state.audit).map(|(number, entry)| AuditRecord { number, entry: entry.clone() });
        let mut older: Vec<AuditRecord> =
            numbered.filter(|record| before.is_none_or(|before| record.number < before)).collect();
        older.reverse();
        older.truncate(limit);
        Ok(older)
    }

    async fn record_audit(&self, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(|state| {
            state.audit.push(audit);
            Ok(())
        })
    }

    async fn put_session(&self, session: Session) -> Result<(), StoreError> {
        self.write(|state| {
            state.sessions.insert(session.digest.clone(), session);
            Ok(())
        })
    }

    async fn session(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.read().sessions.get(digest).cloned())
    }

    async fn sessions(&self, user: Option<&UserId>) -> Result<Vec<Session>, StoreError> {
        let state = self.read();
        let wanted = state.sessions.values().filter(|session| user.is_none_or(|user| session.user == *user));
        let mut found: Vec<Session> = wanted.cloned().collect();
        found.sort_by(|a, b| b.last_seen_at.cmp(&a.last_seen_at).then_with(|| a.digest.cmp(&b.digest)));
        Ok(found)
    }

    async fn remove_sessions(&self, digests: Vec<String>) -> Result<(), StoreError> {
        self.write(|state| {
            state.sessions.retain(|digest, _| !digests.contains(digest));
            Ok(())
        })
    }

    async fn purge_sessions(&self, idle_since: Timestamp, created_before: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| {
            let before = state.sessions.len();
            let lives = |session: &Session| session.last_seen_at >= idle_since && session.created_at >= created_before;
            state.sessions.retain(|_, session| lives(session));
            Ok((before - state.sessions.len()).try_into().unwrap_or(u64::MAX))
        })
    }

    async fn grant(&self, connection: &ConnectionId) -> Result<Option<Grant>, StoreError> {
        Ok(self.read().grants.get(connection).cloned())
    }

    async fn put_grant(&self, connection: &ConnectionId, grant: Option<Grant>) -> Result<(), StoreError> {
        self.write(|state| {
            match grant {
                Some(grant) => drop(state.grants.insert(connection.clone(), grant)),
                None => drop(state.grants.remove(connection)),
            }
            state.news.push(Change::Grant(connection.clone()));
            Ok(())
        })
    }

    fn key_ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.key_ring)
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
