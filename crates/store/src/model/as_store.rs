//! The promises of [`Store`], kept by plain maps.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo, Sealed, Settings, UserId};
use tokio::sync::{broadcast, watch};

use super::held::Held;
use super::setting::apply;
use super::{ModelStore, count, delivery};
use crate::{
    Appetite, AttemptReport, AuditEntry, AuditRecord, BodyReader, BodyWriter, Change, Claim, Counts, Enqueued, Event,
    Explanation, Filter, Grant, HistoryPoint, KeyRing, Lane, LaneId, LanePause, Lease, MessageDetail, MessageState,
    NewMessage, NodeId, Operation, Outcome, Page, PageRequest, Session, SettingsChange, Store, StoreError,
};

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

    async fn claim_some(&self, lease: &Lease, appetite: Appetite, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.write(|state| state.claim(lease, appetite, now))
    }

    async fn finish_attempt(
        &self,
        claim: &Claim,
        report: AttemptReport,
        now: Timestamp,
    ) -> Result<MessageState, StoreError> {
        self.write(|state| state.finish_attempt(claim, report, now))
    }

    async fn lane_of(&self, key: &RoutedTo) -> Result<LaneId, StoreError> {
        self.write(|state| Ok(state.lane_for(key)))
    }

    async fn queued_in_lane(
        &self,
        lane: LaneId,
        due_by: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>)>, StoreError> {
        Ok(self.read().queued_in_lane(lane, due_by, after, limit))
    }

    async fn divert(
        &self,
        ids: Vec<MessageId>,
        way: RoutedTo,
        due_by: Timestamp,
        event: Event,
    ) -> Result<Vec<MessageId>, StoreError> {
        self.write(|state| Ok(state.divert(ids, &way, due_by, &event)))
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

    async fn charge(&self, budget: &str, amount: u64, now: Timestamp) -> Result<(), StoreError> {
        self.write(|state| {
            state.charge(budget, amount, now);
            Ok(())
        })
    }

    async fn charged(&self, budget: &str, since: Timestamp) -> Result<u64, StoreError> {
        Ok(self.read().charged(budget, since))
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
        let state = self.read();
        let passed = after.and_then(|after| state.messages.get(&after)).map_or(0, |held| held.arrival);
        let wanted = |held: &Held| waits(held.record.state) && held.arrival > passed;
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

    async fn with_internet_message_id(&self, message_id: &str, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        let filter = Filter { internet_message_id: Some(message_id.to_owned()), ..Filter::default() };
        let page = self.read().page(&filter, PageRequest { before: None, limit });
        Ok(page.messages.into_iter().map(|record| record.id).collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.read().counts())
    }

    async fn history(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HistoryPoint>, StoreError> {
        Ok(self.read().history.between(since, until))
    }

    async fn purge_history(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| Ok(state.history.purge(before)))
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

    async fn hold_queued(&self, actor: &str, reason: &str, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| state.hold_queued(actor, reason, limit, now))
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

    async fn mark_bounced(
        &self,
        id: MessageId,
        recipient: &Address,
        status: Option<EnhancedStatus>,
        explanation: Explanation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|state| state.mark_bounced(id, recipient, status, explanation, now))
    }

    async fn delete(&self, id: MessageId) -> Result<(), StoreError> {
        self.write(|state| state.delete(id))
    }

    async fn purge(&self, state: MessageState, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        state.check_may_be_purged()?;
        self.write(|all| {
            let ids = all.ids(|held| held.record.state == state && held.record.received_at < before, limit);
            ids.iter().try_for_each(|id| all.delete(*id))?;
            Ok(count(&ids))
        })
    }

    async fn outcomes(&self, after: u64, limit: u32) -> Result<Vec<Outcome>, StoreError> {
        Ok(self.read().outcomes(after, limit))
    }

    async fn newest_outcome(&self) -> Result<u64, StoreError> {
        Ok(self.read().newest_outcome)
    }

    async fn purge_outcomes(&self, up_to: u64) -> Result<u64, StoreError> {
        self.write(|state| Ok(state.purge_outcomes(up_to)))
    }

    async fn note_delayed(&self, due_before: Timestamp, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| Ok(state.note_delayed(due_before, limit, now)))
    }

    async fn kept(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError> {
        Ok(self.read().kept.get(key).cloned())
    }

    async fn keep(&self, key: &str, value: Option<serde_json::Value>) -> Result<(), StoreError> {
        self.write(|state| {
            match value {
                Some(value) => state.kept.insert(key.to_owned(), value),
                None => state.kept.remove(key),
            };
            Ok(())
        })
    }

    async fn kept_under(&self, prefix: &str) -> Result<Vec<(String, serde_json::Value)>, StoreError> {
        let state = self.read();
        let under = state.kept.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(under.map(|(key, value)| (key.clone(), value.clone())).collect())
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

    async fn touch_session(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|state| {
            if let Some(session) = state.sessions.get_mut(digest) {
                session.last_seen_at = now;
            }
            Ok(())
        })
    }

    async fn sessions(&self, user: Option<&UserId>) -> Result<Vec<Session>, StoreError> {
        Ok(self.read().sessions(user))
    }

    async fn remove_sessions(&self, digests: Vec<String>) -> Result<(), StoreError> {
        self.write(|state| {
            state.sessions.retain(|digest, _| !digests.contains(digest));
            Ok(())
        })
    }

    async fn purge_sessions(&self, idle_since: Timestamp, created_before: Timestamp) -> Result<u64, StoreError> {
        self.write(|state| Ok(state.purge_sessions(idle_since, created_before)))
    }

    async fn grant(&self, connection: &ConnectionId) -> Result<Option<Grant>, StoreError> {
        Ok(self.read().grants.get(connection).cloned())
    }

    async fn put_grant(&self, connection: &ConnectionId, grant: Option<Grant>) -> Result<(), StoreError> {
        self.write(|state| {
            state.put_grant(connection, grant);
            Ok(())
        })
    }

    async fn put_grant_if(
        &self,
        connection: &ConnectionId,
        expected: &Sealed,
        grant: Grant,
    ) -> Result<bool, StoreError> {
        self.write(|state| Ok(state.put_grant_if(connection, expected, grant)))
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
