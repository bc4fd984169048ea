//! The trait of documented promises.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo, Sealed, Settings, UserId};
use tokio::sync::{broadcast, watch};

use crate::{
    Appetite, AttemptReport, AuditEntry, AuditRecord, BodyReader, BodyWriter, Claim, Counts, Enqueued, Event,
    Explanation, Filter, Grant, HistoryPoint, KeyRing, Lane, LaneId, LanePause, Lease, MessageDetail, MessageState,
    NewMessage, NodeId, Operation, Outcome, Page, PageRequest, Session, SettingsChange, StoreError,
};

/// Hours before the present one in which charges are remembered: a day, and the hour that it begins in.
pub(crate) const HOURS_CHARGED: i64 = 25;

/// Durable state. Every method that changes something returns only after the change is on disk, and changes
/// everything it says or nothing.
///
/// Callers pass the time in; a store has no clock.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    // ---- bodies

    /// Opens a place for a body that is still coming in. Dropping the writer, or the [`crate::StagedBody`] it ends in,
    /// forgets the body.
    async fn stage_body(&self) -> Result<BodyWriter, StoreError>;

    /// The body as stored, from its first byte. Fails with `Unreadable` when it is damaged.
    async fn read_body(&self, id: MessageId) -> Result<BodyReader, StoreError>;

    // ---- in

    /// Makes the message durable: state `queued` (or `held`, see [`NewMessage::hold`], with an event `held` that carries
    /// the reason), every recipient pending, due at `send_at` or at once. After `Ok` it
    /// survives any crash; after `Err` it does not exist. Concurrent calls share one sync (group commit).
    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, StoreError>;

    // ---- out

    /// Every lane that has messages queued or sending, in no order.
    async fn lanes_with_work(&self) -> Result<Vec<Lane>, StoreError>;

    /// Up to `limit` lanes for people to look at: the most waiting messages first, then by connection and mailbox.
    async fn lanes(&self, limit: u32) -> Result<Vec<Lane>, StoreError>;

    /// One lane as it stands.
    async fn lane(&self, lane: LaneId) -> Result<Lane, StoreError>;

    /// Takes or renews the lease until `until`. `Ok(None)`: another node holds it beyond `now`.
    ///
    /// Taking a lane (as opposed to renewing one's own lease of the same process: `held` is given) starts a new epoch,
    /// and every message that an earlier epoch left `sending` becomes `uncertain`, with an event and
    /// `may_be_duplicated`, in the same transaction. A node may always take a lane from its own earlier life.
    async fn lease_lane(
        &self,
        lane: LaneId,
        node: &NodeId,
        held: Option<&Lease>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError>;

    /// Claims up to `max_messages` due messages: state `sending`, an attempt started for at most `max_recipients` of the
    /// pending recipients of each. Durable before it returns.
    ///
    /// Best priority first. Within one, the accounts (and the messages without one, before all accounts) that have
    /// something due take turns in the order of their ids, one message each, each account's oldest due first; the next
    /// claim goes on where this one ended, also after a restart. Takes milliseconds whatever is queued.
    async fn claim(
        &self,
        lease: &Lease,
        max_messages: u32,
        max_recipients: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        self.claim_some(lease, Appetite::for_any(max_messages, max_recipients), now).await
    }

    /// As [`Store::claim`], what is to the lane's appetite. What is passed over stays due and loses no turn.
    async fn claim_some(&self, lease: &Lease, appetite: Appetite, now: Timestamp) -> Result<Vec<Claim>, StoreError>;

    /// Records how an attempt ended and moves the message on ([`MessageState::after_attempt`]); returns its new state.
    /// A message with recipients left goes back to `queued`, due at the report's `due_at`.
    async fn finish_attempt(
        &self,
        claim: &Claim,
        report: AttemptReport,
        now: Timestamp,
    ) -> Result<MessageState, StoreError>;

    /// The lane's id; a lane that is new is made.
    async fn lane_of(&self, key: &RoutedTo) -> Result<LaneId, StoreError>;

    /// What [`Store::divert`] could move away from the lane (so neither what is being sent nor what is in doubt), with the
    /// sender that routing needs, of what is due by `due_by`, oldest due first, in pages of `limit` after `after`: the work
    /// list when a lane must be emptied. If `after` is gone the list begins again.
    async fn queued_in_lane(
        &self,
        lane: LaneId,
        due_by: Timestamp,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>)>, StoreError>;

    /// Moves messages to another way, each with that event, and returns those that moved; they are due when they were, at
    /// the latest at the event's time. The others are passed over: only what is `queued` and due by `due_by` moves, and
    /// not what is in doubt (`may_be_duplicated`), however its later attempts ended: only its own lane can find out what
    /// became of the doubtful one.
    async fn divert(
        &self,
        ids: Vec<MessageId>,
        way: RoutedTo,
        due_by: Timestamp,
        event: Event,
    ) -> Result<Vec<MessageId>, StoreError>;

    /// Stops the lane (or lets it go, with `None`).
    async fn pause_lane(&self, lane: LaneId, pause: Option<LanePause>) -> Result<(), StoreError>;

    /// Recipients this lane's attempts were started for since `since`, to the hour: the day's budget over restarts.
    async fn recipients_attempted(&self, lane: LaneId, since: Timestamp) -> Result<u64, StoreError>;

    /// Adds to what a budget was charged, in the hour of `now`. Hours more than 25 before that one are forgotten, of
    /// every budget.
    async fn charge(&self, budget: &str, amount: u64, now: Timestamp) -> Result<(), StoreError>;

    /// What the budget was charged since `since`, to the hour.
    async fn charged(&self, budget: &str, since: Timestamp) -> Result<u64, StoreError>;

    /// Messages that no route took, oldest first, to be routed again after the settings changed.
    async fn unrouted(&self, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// Every id that is `queued`, `held` or `uncertain`, with the sender that routing needs, oldest first, in pages of
    /// `limit` after `after`: the work list when routes change. If `after` is gone the list begins again.
    async fn waiting_messages(
        &self,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<(MessageId, Option<Address>, Option<RoutedTo>)>, StoreError>;

    /// Puts messages that are not being sent onto other lanes (`None`: unrouted), due when they were. Ids in another
    /// state are passed over.
    async fn reroute(&self, routes: Vec<(MessageId, Option<RoutedTo>)>) -> Result<(), StoreError>;

    // ---- what became of it

    async fn message(&self, id: MessageId) -> Result<MessageDetail, StoreError>;

    /// One page of what the filter finds, newest first. Takes milliseconds whatever the number of messages; a filter for
    /// several words that are each in most messages, and seldom together, takes the longest.
    async fn messages(&self, filter: &Filter, page: PageRequest) -> Result<Page, StoreError>;

    /// The newest messages, at most `limit`, whose Message-ID field is exactly this, newest first.
    async fn with_internet_message_id(&self, message_id: &str, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// In constant time, whatever the number of messages.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// What went through from `since` until before `until`, oldest first; see [`crate::HISTORY_STEP_SECONDS`].
    async fn history(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HistoryPoint>, StoreError>;

    /// Forgets the steps that begin before `before`; returns how many.
    async fn purge_history(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// When each account's newest message arrived; accounts without a message are left out.
    async fn last_submissions(&self) -> Result<Vec<(AccountId, Timestamp)>, StoreError>;

    /// Moves a message as [`MessageState::after`] allows, with an event that names the actor; returns the new state.
    async fn operate(
        &self,
        id: MessageId,
        operation: Operation,
        actor: &str,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<MessageState, StoreError>;

    /// Holds the oldest queued messages, at most `limit`, as [`Operation::Hold`] does; returns how many.
    async fn hold_queued(&self, actor: &str, reason: &str, limit: u32, now: Timestamp) -> Result<u64, StoreError>;

    /// Makes a waiting message `failed` (its lifetime is over, its route is gone for good), with the reason. `Conflict`
    /// while it is being sent or when it is settled.
    async fn fail(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError>;

    /// Messages that are `queued` although their lifetime (`expires_at`) is over at `now`, oldest first.
    async fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError>;

    /// Sets a message aside that cannot be read (its body is damaged). It is never deleted by itself.
    async fn quarantine(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError>;

    /// Notes that a non-delivery report came back for a recipient that the upstream had accepted: `Sent` becomes
    /// `Bounced` with that status, with an event `bounced` and the explanation as the message's last error. The message's
    /// state stays.
    ///
    /// `Ok(true)` also for a recipient that had bounced before: then nothing is written, and nobody is told again.
    /// `Ok(false)`: nothing was changed, for the message has no such recipient, or it was not sent to it.
    async fn mark_bounced(
        &self,
        id: MessageId,
        recipient: &Address,
        status: Option<EnhancedStatus>,
        explanation: Explanation,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes a message that is not being sent, and its body.
    async fn delete(&self, id: MessageId) -> Result<(), StoreError>;

    /// Deletes up to `limit` settled messages of that state that arrived before `before`; returns how many.
    async fn purge(&self, state: MessageState, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    // ---- what somebody may want to be told

    /// Outcomes with a number above `after`, oldest first, at most `limit`.
    async fn outcomes(&self, after: u64, limit: u32) -> Result<Vec<Outcome>, StoreError>;

    /// The number given last, also when that outcome was forgotten since; 0: none yet.
    async fn newest_outcome(&self) -> Result<u64, StoreError>;

    /// Forgets the outcomes up to that number; returns how many there were.
    async fn purge_outcomes(&self, up_to: u64) -> Result<u64, StoreError>;

    /// Notes messages, oldest first and at most `limit`, that are `queued`, were first due (at their arrival or `send_at`)
    /// before `due_before` and were never noted: an outcome `Delayed` each. Returns how many.
    async fn note_delayed(&self, due_before: Timestamp, limit: u32, now: Timestamp) -> Result<u64, StoreError>;

    // ---- small facts of others: how far a reader has read, which alarms are raised

    async fn kept(&self, key: &str) -> Result<Option<serde_json::Value>, StoreError>;

    /// Replaces what is kept under that key, or forgets it (`None`).
    async fn keep(&self, key: &str, value: Option<serde_json::Value>) -> Result<(), StoreError>;

    /// All whose key begins with `prefix`, in order of the keys.
    async fn kept_under(&self, prefix: &str) -> Result<Vec<(String, serde_json::Value)>, StoreError>;

    // ---- settings

    /// The settings as of now and every later version. Changes by other processes on the same store arrive too.
    fn settings(&self) -> watch::Receiver<Arc<Settings>>;

    /// Applies all changes and writes the audit entry, if the settings are still at `base_version`; returns the new
    /// version.
    async fn change_settings(
        &self,
        base_version: u64,
        changes: Vec<SettingsChange>,
        audit: AuditEntry,
    ) -> Result<u64, StoreError>;

    /// What administrators changed, newest first: older than the entry numbered `before`, if that is given.
    async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError>;

    /// Adds an entry about something that is no setting: a sign-in, an ended session, a message that was looked into.
    async fn record_audit(&self, audit: AuditEntry) -> Result<(), StoreError>;

    // ---- people and grants

    /// Adds the session, or replaces the one with the same digest.
    async fn put_session(&self, session: Session) -> Result<(), StoreError>;

    async fn session(&self, digest: &str) -> Result<Option<Session>, StoreError>;

    /// Notes that the session was seen; one that ended meanwhile stays ended.
    async fn touch_session(&self, digest: &str, now: Timestamp) -> Result<(), StoreError>;

    /// All sessions, or one user's; last seen first.
    async fn sessions(&self, user: Option<&UserId>) -> Result<Vec<Session>, StoreError>;

    /// Ends the sessions with these digests; one that is gone already is as it should be.
    async fn remove_sessions(&self, digests: Vec<String>) -> Result<(), StoreError>;

    /// Ends the sessions last seen before `idle_since` or created before `created_before`; returns how many.
    async fn purge_sessions(&self, idle_since: Timestamp, created_before: Timestamp) -> Result<u64, StoreError>;

    /// What a user granted this delegated connection.
    async fn grant(&self, connection: &ConnectionId) -> Result<Option<Grant>, StoreError>;

    /// Replaces the grant, or forgets it (`None`). Announced as [`Change::Grant`].
    async fn put_grant(&self, connection: &ConnectionId, grant: Option<Grant>) -> Result<(), StoreError>;

    /// Replaces the grant if the refresh token that is kept still is `expected`, sealed as it was read; returns whether
    /// so. A rotation is nobody's news: announced only if the grant died, or came back to life.
    async fn put_grant_if(
        &self,
        connection: &ConnectionId,
        expected: &Sealed,
        grant: Grant,
    ) -> Result<bool, StoreError>;

    /// Seals and opens the secrets in the settings.
    fn key_ring(&self) -> Arc<KeyRing>;

    // ---- news

    /// What changes from now on. A receiver that lags must look at everything once.
    fn subscribe(&self) -> broadcast::Receiver<Change>;

    /// Writes a byte and syncs it: is the store writable?
    async fn probe(&self) -> Result<(), StoreError>;
}

/// News, at the earliest after the change is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A lane has (more) messages that are due, or its pause was changed.
    Lane(LaneId),
    /// Something about this message is new.
    Message(MessageId),
    Settings {
        version: u64,
    },
    /// There are new outcomes ([`Store::outcomes`]).
    Outcomes,
    /// A user granted this delegated connection something, or the grant ended. Not: its refresh token was rotated.
    Grant(ConnectionId),
    /// Anything may have changed (another process wrote): look at everything once.
    Everything,
}
