//! Where bodies lie.

use mail::MessageId;
use rusqlite::{Connection, OptionalExtension, Row};

use super::code::{length, signed, unreadable, unsigned};
use super::row::outline;
use crate::StoreError;
use crate::spool::SpoolName;

/// Where a body lies.
pub(super) enum StoredBody {
    Inline(Vec<u8>),
    Spooled(SpoolName),
}

pub(super) fn body(connection: &Connection, id: MessageId) -> Result<StoredBody, StoreError> {
    let seq = outline(connection, id)?.seq;
    let sql = "SELECT m.size, b.crc32, b.spool, b.bytes FROM message m JOIN body b ON b.seq = m.seq WHERE m.seq = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let found = connection.prepare_cached(sql)?.query_row([seq], read).optional()?;
    let damaged = |detail: &str| unreadable(format!("the body of message {id}: {detail}"));
    let (size, crc32, spool, bytes): (i64, u32, Option<String>, Option<Vec<u8>>) =
        found.ok_or_else(|| damaged("it is missing"))?;
    match (spool, bytes) {
        (Some(name), _) => Ok(StoredBody::Spooled(SpoolName { name, length: unsigned(size), crc32 })),
        (None, Some(bytes)) if signed(length(&bytes)) != size => Err(damaged("its length is wrong")),
        (None, Some(bytes)) if crc32fast::hash(&bytes) != crc32 => Err(damaged("its checksum is wrong")),
        (None, Some(bytes)) => Ok(StoredBody::Inline(bytes)),
        (None, None) => Err(damaged("it is empty")),
    }
}

/// Whether a row names that spool file.
pub(super) fn names_file(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM body WHERE spool = ?1 AND spool IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.query_row([name], |_| Ok(())).optional()?.is_some())
}
