//! Connections that read, each on a snapshot of its own, off the async threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema::open_reader;
use crate::StoreError;
use crate::body::off_thread;

/// Reads at once. More would only share the same disk and processors.
const READERS_MAX: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default(), permits: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Runs `work` on one consistent snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = |_| StoreError::Unavailable { detail: "the store is closed".into() };
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let this = self.clone();
        let done = off_thread(move || {
            let result = this.read_here(work);
            drop(permit);
            result
        });
        done.await
    }

    /// The same on the calling thread.
    pub(super) fn read_here<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open_reader(&self.path), Ok)?;
        connection.prepare_cached("BEGIN")?.execute([])?;
        let result = work(&connection);
        // A connection whose snapshot cannot be let go is not used again.
        connection.prepare_cached("COMMIT")?.execute([])?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }
}
