//! Opening the database file, and bringing its tables up to date.
//!
//! Migrations are only ever appended: a released one is history.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::code::unreadable;
use crate::StoreError;
use crate::durable::touch_file;

const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_first.sql")];

/// "Post" in ASCII: tells our files from other SQLite databases.
const APPLICATION_ID: i64 = 0x506f_7374;
/// Measured with `examples/accept_rate`: smaller pages make more frames of a 10 KB body, larger ones make the WAL of a
/// lone message long, for each of its index entries writes a page.
const PAGE_BYTES: i64 = 8 * 1024;
/// Pages in the WAL before they are copied into the database file: 64 MiB, so that a page of an index that changes
/// with every message is copied once in thousands of messages.
const CHECKPOINT_PAGES: i64 = 8192;
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 2 * 1024;
/// How long to wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// More than the statements there are, so that each is parsed once.
const STATEMENTS_MAX: usize = 128;

pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    // Made first, so that the file and those that SQLite puts beside it are private from the start.
    drop(touch_file(path)?);
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    migrate(&mut connection)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    // Not read-only: a reader may have to create the WAL's index when it is the first to come.
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn flags(access: OpenFlags) -> OpenFlags {
    // One thread at a time uses a connection: SQLite's own locks would be paid for nothing.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let owner: i64 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > 0 && owner != APPLICATION_ID {
        return Err(unreadable("postern.db is a database of another program".into()));
    }
    let done = usize::try_from(version).unwrap_or_default();
    let latest = MIGRATIONS.len();
    if done > latest {
        let detail = format!(
            "postern.db was written by a newer version of Postern (format {done}; this version knows {latest}): \
             run that version, or restore a backup made before the upgrade"
        );
        return Err(unreadable(detail));
    }
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if done < latest {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(latest).unwrap_or(i64::MAX))?;
    }
    transaction.commit()?;
    Ok(())
}
