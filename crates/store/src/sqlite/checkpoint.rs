//! Copies the WAL into the database file beside the writer, so that no commit has to.
//!
//! SQLite would do it within the commit that fills the WAL, and the messages of that commit would wait for it. Here a
//! thread copies what is there every now and then, without holding anybody up; the commit that finds the WAL full then
//! has little left to copy before the WAL begins anew.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::schema::open_reader;
use crate::StoreError;

/// Rows changed between two copies: some megabytes with bodies, much less without.
const ROWS_BETWEEN: u64 = 2_000;

/// The writer's end.
pub(super) struct Checkpointer {
    kick: SyncSender<()>,
    rows_at_last: u64,
}

impl Checkpointer {
    /// Starts the thread; it ends when the `Checkpointer` is dropped.
    pub(super) fn start(database: &Path) -> Result<(Self, JoinHandle<()>), StoreError> {
        let connection = open_reader(database)?;
        connection.pragma_update(None, "query_only", false)?;
        let (kick, kicks) = sync_channel(1);
        let thread = std::thread::Builder::new().name("store-checkpoint".into());
        let handle = thread.spawn(move || run(&connection, &kicks));
        let handle = handle.map_err(|error| StoreError::Unavailable { detail: error.to_string() })?;
        Ok((Self { kick, rows_at_last: 0 }, handle))
    }

    /// Called after a commit with the rows changed so far.
    pub(super) fn committed(&mut self, rows: u64) {
        if rows.saturating_sub(self.rows_at_last) < ROWS_BETWEEN {
            return;
        }
        match self.kick.try_send(()) {
            // One that is under way and one that waits are enough.
            Ok(()) | Err(TrySendError::Full(())) => self.rows_at_last = rows,
            // The thread is gone: the commits do it themselves.
            Err(TrySendError::Disconnected(())) => {}
        }
    }
}

fn run(connection: &Connection, kicks: &Receiver<()>) {
    while kicks.recv().is_ok() {
        // PASSIVE waits for nobody and is waited for by nobody; what it could not copy stays in the WAL.
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(event = "checkpoint_failed", %error);
        }
    }
}
