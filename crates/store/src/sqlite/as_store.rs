//! The promises of [`Store`], each handed to the module that keeps it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo, Sealed, Settings, UserId};
use tokio::sync::{broadcast, watch};

use super::bodies::StoredBody;
use super::writer::Ending;
use super::{
    SqliteStore, bodies, deliver, divert, enqueue, kept, lanes, news, operate, page, past, people, publish_settings,
    search, setting, unit,
};
use crate::body::off_thread;
use crate::{
    Appetite, AttemptReport, AuditEntry, AuditRecord, BodyReader, BodyWriter, Change, Claim, Counts, Enqueued, Event,
    Explanation, Filter, Grant, HistoryPoint, KeyRing, Lane, LaneId, LanePause, Lease, MessageDetail, MessageState,
    NewMessage, NodeId, Operation, Outcome, Page, PageRequest, Session, SettingsChange, Store, StoreError,
};

#[async_trait]
impl Store for SqliteStore {
    async fn stage_body(&self) -> Result<BodyWriter, StoreError> {
        Ok(BodyWriter::spooling(Arc::clone(&self.spool)))
    }

    async fn read_body(&self, id: MessageId) -> Result<BodyReader, StoreError> {
        match self.readers.read(move |connection| bodies::body(connection, id)).await? {
            StoredBody::Inline(bytes) => Ok(BodyReader::inline(bytes.into())),
            StoredBody::Spooled(name) => {
                let (spool, length) = (Arc::clone(&self.spool), name.length);
                let file = off_thread(move || spool.open_checked(&name)).await?;
                Ok(BodyReader::spooled(file, length))
            }
        }
    }

    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, StoreError> {
        let enqueued = enqueue::enqueue(self.writer()?, message).await;
        if let (Ok(Enqueued::New(_)), Some(indexer)) = (&enqueued, &self.indexer) {
            indexer.kick();
        }
        enqueued
    }

    async fn lanes_with_work(&self) -> Result<Vec<Lane>, StoreError> {
        self.readers.read(lanes::lanes_with_work).await
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<Lane>, StoreError> {
        self.readers.read(move |connection| lanes::lanes(connection, limit)).await
    }

    async fn lane(&self, lane: LaneId) -> Result<Lane, StoreError> {
        self.readers.read(move |connection| lanes::lane(connection, lane)).await
    }

    async fn lease_lane(
        &self,
        lane: LaneId,
        node: &NodeId,
        held: Option<&Lease>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let (node, held) = (node.clone(), held.cloned());
        let work = move |unit: &mut unit::Unit<'_>| deliver::lease_lane(unit, lane, &node, held.as_ref(), until, now);
        self.writer()?.write(work).await
    }

    async fn claim_some(&self, lease: &Lease, appetite: Appetite, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        let lease = lease.clone();
        self.writer()?.write(move |unit| deliver::claim(unit, &lease, appetite, now)).await
    }

    async fn finish_attempt(
        &self,
        claim: &Claim,
        report: AttemptReport,
        now: Timestamp,
    ) -> Result<MessageState, StoreError> {
        let claim = claim.clone();
        self.writer()?.write(move |unit| deliver::finish_attempt(unit, &claim, &report, now)).await
    }

    async fn lane_of(&self, key: &RoutedTo) -> Result<LaneId, StoreError> {
        let key = key.clone();
        self.writer()?.write(move |unit| unit.lane_for(&key)).await
    }

    async fn queued_in_lane(
        &self,
        lane: LaneId,
        due_by: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>)>, StoreError> {
        self.readers.read(move |connection| lanes::queued_in_lane(connection, lane, due_by, after, limit)).await
    }

    async fn divert(
        &self,
        ids: Vec<MessageId>,
        way: RoutedTo,
        due_by: Timestamp,
        event: Event,
    ) -> Result<Vec<MessageId>, StoreError> {
        self.writer()?.write(move |unit| divert::divert(unit, &ids, &way, due_by, &event)).await
    }

    async fn pause_lane(&self, lane: LaneId, pause: Option<LanePause>) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::pause_lane(unit, lane, pause.as_ref())).await
    }

    async fn recipients_attempted(&self, lane: LaneId, since: Timestamp) -> Result<u64, StoreError> {
        self.readers.read(move |connection| lanes::recipients_attempted(connection, lane, since)).await
    }

    async fn charge(&self, budget: &str, amount: u64, now: Timestamp) -> Result<(), StoreError> {
        let budget = budget.to_owned();
        self.writer()?.write(move |unit| kept::charge(unit, &budget, amount, now)).await
    }

    async fn charged(&self, budget: &str, since: Timestamp) -> Result<u64, StoreError> {
        let budget = budget.to_owned();
        self.readers.read(move |connection| kept::charged(connection, &budget, since)).await
    }

    async fn unrouted(&self, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.readers.read(move |connection| search::unrouted(connection, limit)).await
    }

    async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>, Option<RoutedTo>)>, StoreError> {
        self.readers.read(move |connection| search::waiting_messages(connection, after, limit)).await
    }

    async fn reroute(&self, routes: Vec<(MessageId, Option<RoutedTo>)>) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::reroute(unit, &routes)).await
    }

    async fn message(&self, id: MessageId) -> Result<MessageDetail, StoreError> {
        self.readers.read(move |connection| search::detail(connection, id)).await
    }

    async fn messages(&self, filter: &Filter, request: PageRequest) -> Result<Page, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |connection| page::page(connection, &filter, request, page::PATIENCE)).await
    }

    async fn with_internet_message_id(&self, message_id: &str, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        let filter = Filter { internet_message_id: Some(message_id.to_owned()), ..Filter::default() };
        let page = self.messages(&filter, PageRequest { before: None, limit }).await?;
        Ok(page.messages.into_iter().map(|record| record.id).collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(search::counts).await
    }

    async fn history(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HistoryPoint>, StoreError> {
        self.readers.read(move |connection| past::history(connection, since, until)).await
    }

    async fn purge_history(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer()?.write(move |unit| past::purge_history(unit, before)).await
    }

    async fn last_submissions(&self) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
        self.readers.read(past::last_submissions).await
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
        let work =
            move |unit: &mut unit::Unit<'_>| operate::operate(unit, id, operation, &actor, detail.as_deref(), now);
        self.writer()?.write(work).await
    }

    async fn hold_queued(&self, actor: &str, reason: &str, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let (actor, reason) = (actor.to_owned(), reason.to_owned());
        self.writer()?.write(move |unit| operate::hold_queued(unit, &actor, &reason, limit, now)).await
    }

    async fn fail(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::fail(unit, id, &reason, now)).await
    }

    async fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.readers.read(move |connection| search::expired(connection, now, limit)).await
    }

    async fn quarantine(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::quarantine(unit, id, &reason, now)).await
    }

    async fn mark_bounced(
        &self,
        id: MessageId,
        recipient: &Address,
        status: Option<EnhancedStatus>,
        explanation: Explanation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let recipient = recipient.clone();
        let work = move |unit: &mut unit::Unit<'_>| news::mark_bounced(unit, id, &recipient, status, &explanation, now);
        self.writer()?.write(work).await
    }

    async fn delete(&self, id: MessageId) -> Result<(), StoreError> {
        let file = self.writer()?.write(move |unit| operate::delete(unit, id)).await?;
        self.remove_files(file.into_iter().collect()).await
    }

    async fn purge(&self, state: MessageState, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        state.check_may_be_purged()?;
        // The search may be long, so it is not the writer's; the writer looks at each message again.
        let ids = self.readers.read(move |connection| search::older(connection, state, before, limit)).await?;
        let (count, files) = self.writer()?.write(move |unit| operate::purge(unit, state, &ids)).await?;
        self.remove_files(files).await?;
        Ok(count)
    }

    async fn outcomes(&self, after: u64, limit: u32) -> Result<Vec<Outcome>, StoreError> {
        self.readers.read(move |connection| news::outcomes(connection, after, limit)).await
    }

    async fn newest_outcome(&self) -> Result<u64, StoreError> {
        self.readers.read(news::newest_outcome).await
    }

    async fn purge_outcomes(&self, up_to: u64) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let gone = self.writer()?.write(move |unit| news::purge_some_outcomes(unit, up_to)).await?;
            if gone == 0 {
                return Ok(all);
            }
            all += gone;
        }
    }

    async fn note_delayed(&self, due_before: Timestamp, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let ids = self.readers.read(move |connection| search::delayed(connection, due_before, limit)).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        self.writer()?.write(move |unit| news::note_delayed(unit, &ids, now)).await
    }

    async fn kept(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError> {
        let key = key.to_owned();
        self.readers.read(move |connection| kept::kept(connection, &key)).await
    }

    async fn keep(&self, key: &str, value: Option<serde_json::Value>) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.writer()?.write(move |unit| kept::keep(unit, &key, value.as_ref())).await
    }

    async fn kept_under(&self, prefix: &str) -> Result<Vec<(String, serde_json::Value)>, StoreError> {
        let prefix = prefix.to_owned();
        self.readers.read(move |connection| kept::kept_under(connection, &prefix)).await
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
        let outlet = (Arc::clone(&self.settings), self.changes.clone());
        let publish = |(current, changes): (Arc<watch::Sender<_>>, _), ending: Ending<'_, Settings>| {
            if let Ending::Committed(settings) = ending {
                publish_settings(&current, &changes, settings.clone());
            }
        };
        let work = move |_: &mut _, unit: &mut unit::Unit<'_>| setting::change(unit, base_version, &changes, &audit);
        let changed = self.writer()?.write_then(outlet, work, publish).await;
        if let Err(StoreError::SettingsChanged { .. }) = &changed {
            // The caller reads again: what it then reads must be what made us refuse.
            self.refresher().run().await?;
        }
        Ok(changed?.version)
    }

    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        self.readers.read(move |connection| setting::audit(connection, before, limit)).await
    }

    async fn record_audit(&self, audit: AuditEntry) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| setting::record(unit, &audit)).await
    }

    async fn put_session(&self, session: Session) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| people::put_session(unit, &session)).await
    }

    async fn session(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        let digest = digest.to_owned();
        self.readers.read(move |connection| people::session(connection, &digest)).await
    }

    async fn touch_session(&self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        let digest = digest.to_owned();
        self.writer()?.write(move |unit| people::touch_session(unit, &digest, now)).await
    }

    async fn sessions(&self, user: Option<&UserId>) -> Result<Vec<Session>, StoreError> {
        let user = user.cloned();
        self.readers.read(move |connection| people::sessions(connection, user.as_ref())).await
    }

    async fn remove_sessions(&self, digests: Vec<String>) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| people::remove_sessions(unit, &digests)).await
    }

    async fn purge_sessions(&self, idle_since: Timestamp, created_before: Timestamp) -> Result<u64, StoreError> {
        self.writer()?.write(move |unit| people::purge_sessions(unit, idle_since, created_before)).await
    }

    async fn grant(&self, connection: &ConnectionId) -> Result<Option<Grant>, StoreError> {
        let id = connection.clone();
        self.readers.read(move |connection| people::grant(connection, &id)).await
    }

    async fn put_grant(&self, connection: &ConnectionId, grant: Option<Grant>) -> Result<(), StoreError> {
        let id = connection.clone();
        self.writer()?.write(move |unit| people::put_grant(unit, &id, grant.as_ref())).await
    }

    async fn put_grant_if(
        &self,
        connection: &ConnectionId,
        expected: &Sealed,
        grant: Grant,
    ) -> Result<bool, StoreError> {
        let (id, expected) = (connection.clone(), expected.clone());
        self.writer()?.write(move |unit| people::put_grant_if(unit, &id, &expected, &grant)).await
    }

    fn key_ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.key_ring)
    }

    fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let work = |unit: &mut unit::Unit<'_>| unit.execute("UPDATE probe SET count = count + 1", []).map(drop);
        self.writer()?.write(work).await
    }
}
