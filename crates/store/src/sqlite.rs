//! Durable state in one SQLite file and a spool folder.
//!
//! ```text
//! DATA/postern.db     messages, settings, sealed secrets (WAL, synchronous=FULL)
//! DATA/spool/xx/…     bodies too large for a row
//! DATA/master.key     opens the secrets
//! DATA/server.lock    held by the one server
//! DATA/notify.sock    other processes tell the server that they wrote
//! ```
//!
//! Writes go through one thread ([`writer`]), reads through a few connections off the async threads ([`readers`]).
//! Several processes may work on one folder; one of them may be a server.

mod checkpoint;
mod code;
mod deliver;
mod enqueue;
mod keys;
mod lock;
mod neighbours;
mod operate;
mod people;
mod readers;
mod row;
mod schema;
mod search;
mod setting;
mod unit;
mod volatile;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, MessageId};
use settings::{AccountId, ConnectionId, RoutedTo, Settings, UserId};
use tokio::sync::{broadcast, watch};

use crate::body::off_thread;
use crate::durable::create_folder;
use crate::spool::Spool;
use crate::{
    AttemptReport, AuditEntry, AuditRecord, BodyReader, BodyWriter, Change, Claim, Counts, Enqueued, Explanation,
    Filter, Grant, HistoryPoint, KeyRing, Lane, LaneId, LanePause, Lease, MessageDetail, MessageState, NewMessage,
    NodeId, Operation, Page, PageRequest, Session, SettingsChange, Store, StoreError,
};

pub use lock::ServerLock;

use checkpoint::Checkpointer;
use neighbours::Doorbell;
use readers::Readers;
use search::StoredBody;
use writer::{Ending, Writer};

/// News that a receiver may fall behind before it must look at everything.
const CHANGES_KEPT: usize = 4096;

/// A spool file without a row is somebody's who is still writing, until it is this old.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

/// The store of one data folder. Dropping it waits until everything handed in is done.
pub struct SqliteStore {
    /// `None` only while it is dropped.
    writer: Option<Writer>,
    threads: Vec<std::thread::JoinHandle<()>>,
    readers: Readers,
    spool: Arc<Spool>,
    settings: Arc<watch::Sender<Arc<Settings>>>,
    changes: broadcast::Sender<Change>,
    key_ring: Arc<KeyRing>,
    paths: Paths,
    is_server: Arc<AtomicBool>,
    listener: std::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

#[derive(Clone)]
struct Paths {
    master_key: PathBuf,
    socket: PathBuf,
}

impl SqliteStore {
    /// Opens the folder, and makes what is missing. Blocks for some milliseconds; needs no runtime.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        create_folder(data_dir)?;
        if let Some(kind) = volatile::volatile_file_system(data_dir) {
            tracing::warn!(
                event = "data_folder_volatile", folder = %data_dir.display(), file_system = kind,
                "the data folder does not outlive this machine or container: put it on a volume"
            );
        }
        let database = data_dir.join("postern.db");
        let paths = Paths { master_key: data_dir.join("master.key"), socket: data_dir.join("notify.sock") };
        let mut connection = schema::open_writer(&database)?;
        let keys = keys::open(&mut connection, &paths.master_key)?;
        let settings = setting::load(&connection)?;
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        let is_server = Arc::new(AtomicBool::new(false));
        let doorbell = Doorbell::new(&paths.socket, Arc::clone(&is_server));
        let outlet = changes.clone();
        let publish = move |news: Vec<Change>| {
            doorbell.ring();
            // An error means that nobody listens.
            news.into_iter().for_each(|change| drop(outlet.send(change)));
        };
        let (checkpointer, checkpoint_thread) = Checkpointer::start(&database)?;
        let started = Writer::start(connection, checkpointer, publish);
        let (writer, writer_thread) = started.map_err(|error| StoreError::Unavailable { detail: error.to_string() })?;
        Ok(Self {
            writer: Some(writer),
            threads: [writer_thread, checkpoint_thread].into(),
            readers: Readers::new(database),
            spool: Spool::open(data_dir.join("spool"))?,
            settings: Arc::new(watch::Sender::new(Arc::new(settings))),
            changes,
            key_ring: Arc::new(KeyRing::from_keys(keys)),
            paths,
            is_server,
            listener: std::sync::Mutex::default(),
        })
    }

    /// From now on, what other processes write on this folder is news here; and bodies that nobody came back for are
    /// swept once. For the holder of the [`ServerLock`], on a tokio runtime.
    pub async fn listen_for_other_processes(&self) -> Result<(), StoreError> {
        let socket = neighbours::bind(&self.paths.socket)?;
        self.is_server.store(true, Ordering::Relaxed);
        let refresh = self.refresher();
        // What was written between opening the store and binding the socket rang nobody.
        refresh.run().await?;
        let (readers, spool) = (self.readers.clone(), Arc::clone(&self.spool));
        let task = tokio::spawn(async move {
            let day_ago = SystemTime::now().checked_sub(ORPHAN_AGE).unwrap_or(SystemTime::UNIX_EPOCH);
            if let Err(error) = remove_orphans(&readers, spool, day_ago).await {
                tracing::warn!(event = "spool_not_swept", %error);
            }
            while neighbours::next_ring(&socket).await.is_ok() {
                if let Err(error) = refresh.run().await {
                    tracing::error!(event = "settings_not_read", %error);
                }
            }
        });
        let mut listener = self.listener.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(earlier) = listener.replace(task) {
            earlier.abort();
        }
        Ok(())
    }

    fn refresher(&self) -> Refresher {
        Refresher {
            readers: self.readers.clone(),
            settings: Arc::clone(&self.settings),
            changes: self.changes.clone(),
            key_ring: Arc::clone(&self.key_ring),
            master_key: self.paths.master_key.clone(),
        }
    }

    /// Removes spool files that nothing names and that were not touched since then; returns how many. Files that are
    /// still coming in, also those of another process, are younger.
    pub async fn remove_orphans(&self, untouched_since: SystemTime) -> Result<u64, StoreError> {
        remove_orphans(&self.readers, Arc::clone(&self.spool), untouched_since).await
    }

    /// Adds a data key; secrets are sealed with it from now on, and older ones still open.
    pub async fn rotate_key(&self) -> Result<(), StoreError> {
        let path = self.paths.master_key.clone();
        let keys = self.writer()?.write(move |unit| keys::rotate(unit.connection, &path)).await?;
        self.key_ring.replace(keys);
        Ok(())
    }

    /// Replaces the master key. The steps are those of [`keys`].
    pub async fn change_master_key(&self) -> Result<(), StoreError> {
        let path = self.paths.master_key.clone();
        self.writer()?.write(move |unit| keys::rewrap(unit.connection, &path)).await?;
        let path = self.paths.master_key.clone();
        off_thread(move || crate::keyring::MasterKey::promote_next(&path)).await
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Unavailable { detail: "the store is closed".into() })
    }

    async fn remove_files(&self, names: Vec<String>) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let spool = Arc::clone(&self.spool);
        off_thread(move || {
            names.iter().for_each(|name| spool.remove(name));
            Ok(())
        })
        .await
    }
}

async fn remove_orphans(readers: &Readers, spool: Arc<Spool>, untouched_since: SystemTime) -> Result<u64, StoreError> {
    let sweep = move |connection: &rusqlite::Connection| {
        spool.remove_orphans(untouched_since, |name| search::names_file(connection, name))
    };
    readers.read(sweep).await
}

/// Reads again what another process may have changed.
struct Refresher {
    readers: Readers,
    settings: Arc<watch::Sender<Arc<Settings>>>,
    changes: broadcast::Sender<Change>,
    key_ring: Arc<KeyRing>,
    master_key: PathBuf,
}

impl Refresher {
    async fn run(&self) -> Result<(), StoreError> {
        let master_key = self.master_key.clone();
        let load = move |connection: &rusqlite::Connection| {
            Ok((setting::load(connection)?, keys::load(connection, &master_key)?))
        };
        let (settings, keys) = self.readers.read(load).await?;
        self.key_ring.replace(keys);
        publish_settings(&self.settings, &self.changes, settings);
        let _ = self.changes.send(Change::Everything);
        Ok(())
    }
}

/// Two changes may be published in either order: the later version stays.
fn publish_settings(current: &watch::Sender<Arc<Settings>>, changes: &broadcast::Sender<Change>, settings: Settings) {
    let version = settings.version;
    let newer = current.send_if_modified(|current| {
        let newer = version > current.version;
        if newer {
            *current = Arc::new(settings);
        }
        newer
    });
    if newer {
        let _ = changes.send(Change::Settings { version });
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("master_key", &self.paths.master_key).finish_non_exhaustive()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get_mut().ok().and_then(Option::take) {
            listener.abort();
        }
        self.writer = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(event = "store_thread_panicked");
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn stage_body(&self) -> Result<BodyWriter, StoreError> {
        Ok(BodyWriter::spooling(Arc::clone(&self.spool)))
    }

    async fn read_body(&self, id: MessageId) -> Result<BodyReader, StoreError> {
        match self.readers.read(move |connection| search::body(connection, id)).await? {
            StoredBody::Inline(bytes) => Ok(BodyReader::inline(bytes.into())),
            StoredBody::Spooled(name) => {
                let (spool, length) = (Arc::clone(&self.spool), name.length);
                let file = off_thread(move || spool.open_checked(&name)).await?;
                Ok(BodyReader::spooled(file, length))
            }
        }
    }

    async fn enqueue(&self, message: NewMessage) -> Result<Enqueued, StoreError> {
        enqueue::enqueue(self.writer()?, message).await
    }

    async fn lanes_with_work(&self) -> Result<Vec<Lane>, StoreError> {
        self.readers.read(search::lanes_with_work).await
    }

    async fn lanes(&self, limit: u32) -> Result<Vec<Lane>, StoreError> {
        self.readers.read(move |connection| search::lanes(connection, limit)).await
    }

    async fn lane(&self, lane: LaneId) -> Result<Lane, StoreError> {
        self.readers.read(move |connection| search::lane(connection, lane)).await
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

    async fn claim(
        &self,
        lease: &Lease,
        max_messages: u32,
        max_recipients: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let lease = lease.clone();
        self.writer()?.write(move |unit| deliver::claim(unit, &lease, max_messages, max_recipients, now)).await
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

    async fn pause_lane(&self, lane: LaneId, pause: Option<LanePause>) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::pause_lane(unit, lane, pause.as_ref())).await
    }

    async fn recipients_attempted(&self, lane: LaneId, since: Timestamp) -> Result<u64, StoreError> {
        self.readers.read(move |connection| search::recipients_attempted(connection, lane, since)).await
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

    async fn messages(&self, filter: &Filter, page: PageRequest) -> Result<Page, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |connection| search::page(connection, &filter, page)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(search::counts).await
    }

    async fn history(&self, since: Timestamp, until: Timestamp) -> Result<Vec<HistoryPoint>, StoreError> {
        self.readers.read(move |connection| search::history(connection, since, until)).await
    }

    async fn last_submissions(&self) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
        self.readers.read(search::last_submissions).await
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

    async fn fail(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::fail(unit, id, &reason, now)).await
    }

    async fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
        self.readers.read(move |connection| search::expired(connection, now, limit)).await
    }

    async fn quarantine(&self, id: MessageId, reason: Explanation, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.write(move |unit| operate::quarantine(unit, id, &reason, now)).await
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
