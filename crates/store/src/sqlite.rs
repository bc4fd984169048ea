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

mod as_store;
mod bodies;
mod checkpoint;
mod code;
mod deliver;
mod divert;
mod enqueue;
mod indexer;
mod kept;
mod keys;
mod lanes;
mod lock;
mod neighbours;
mod news;
mod operate;
mod page;
mod past;
mod people;
mod readers;
mod row;
mod schema;
mod search;
mod setting;
mod span;
mod unit;
mod volatile;
mod words;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use settings::Settings;
use tokio::sync::{broadcast, watch};

use crate::body::off_thread;
use crate::durable::create_folder;
use crate::spool::Spool;
use crate::{Change, KeyRing, StoreError};

pub use lock::ServerLock;

use checkpoint::Checkpointer;
use indexer::Indexer;
use neighbours::Doorbell;
use readers::Readers;
use writer::Writer;

/// News that a receiver may fall behind before it must look at everything.
const CHANGES_KEPT: usize = 4096;

/// A spool file without a row is somebody's who is still writing, until it is this old.
const ORPHAN_AGE: Duration = Duration::from_hours(24);

/// The store of one data folder. Dropping it waits until everything handed in is done.
pub struct SqliteStore {
    /// `None` only while it is dropped, as is the writer.
    indexer: Option<Arc<Indexer>>,
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
        let no_thread = |error: std::io::Error| StoreError::Unavailable { detail: error.to_string() };
        let (writer, writer_thread) = Writer::start(connection, checkpointer, publish).map_err(no_thread)?;
        let readers = Readers::new(database);
        let (indexer, index_thread) = Indexer::start(readers.clone(), writer.clone()).map_err(no_thread)?;
        indexer.kick();
        Ok(Self {
            indexer: Some(Arc::new(indexer)),
            writer: Some(writer),
            threads: [index_thread, writer_thread, checkpoint_thread].into(),
            readers,
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
        // Not held: the store's threads end with its own handle.
        let indexer = self.indexer.as_ref().map(Arc::downgrade);
        let task = tokio::spawn(async move {
            let day_ago = SystemTime::now().checked_sub(ORPHAN_AGE).unwrap_or(SystemTime::UNIX_EPOCH);
            if let Err(error) = remove_orphans(&readers, spool, day_ago).await {
                tracing::warn!(event = "spool_not_swept", %error);
            }
            while neighbours::next_ring(&socket).await.is_ok() {
                if let Some(indexer) = indexer.as_ref().and_then(Weak::upgrade) {
                    indexer.kick();
                }
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

    /// Brings the index of words up to date at once. Searches are right without it, and it fills by itself; after
    /// hundreds of thousands of messages came in this makes them fast earlier.
    pub async fn index_words(&self) -> Result<(), StoreError> {
        let (readers, writer) = (self.readers.clone(), self.writer()?.clone());
        off_thread(move || indexer::index_all(&readers, &writer)).await
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
        spool.remove_orphans(untouched_since, |name| bodies::names_file(connection, name))
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
        self.indexer = None;
        self.writer = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(event = "store_thread_panicked");
            }
        }
    }
}
