//! Looking at lanes, and at what is queued on one.

use jiff::Timestamp;
use mail::{Address, MessageId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::code::{time_code, time_of, unreadable, unsigned};
use super::deliver::{Queued, hour, queued_by_account};
use super::row::{address, id, json_or_null, routed_to};
use super::search::all;
use crate::{Lane, LaneId, StoreError};

const LANE_COLUMNS: &str = "id, connection, mailbox, waiting, pause";

pub(super) fn lanes_with_work(connection: &Connection) -> Result<Vec<Lane>, StoreError> {
    let sql = format!("SELECT {LANE_COLUMNS} FROM lane WHERE waiting > 0");
    all(connection, &sql, [], |row| read_lane(connection, row))
}

pub(super) fn lanes(connection: &Connection, limit: u32) -> Result<Vec<Lane>, StoreError> {
    let sql = format!("SELECT {LANE_COLUMNS} FROM lane ORDER BY waiting DESC, connection, mailbox_key LIMIT ?1");
    all(connection, &sql, [limit], |row| read_lane(connection, row))
}

pub(super) fn lane(connection: &Connection, lane: LaneId) -> Result<Lane, StoreError> {
    let sql = format!("SELECT {LANE_COLUMNS} FROM lane WHERE id = ?1");
    let found = all(connection, &sql, [lane.0], |row| read_lane(connection, row))?;
    found.into_iter().next().ok_or_else(|| StoreError::NotFound { what: format!("lane {}", lane.0) })
}

fn read_lane(connection: &Connection, row: &Row<'_>) -> Result<Lane, StoreError> {
    let id = LaneId(row.get(0)?);
    let key = routed_to(row, 1)?.ok_or_else(|| unreadable(format!("lane {} has no mailbox", id.0)))?;
    let waiting = unsigned(row.get(3)?);
    let queued = if waiting == 0 { Vec::new() } else { queued_by_account(connection, id)? };
    let next_due = queued.iter().map(|queued| queued.next_due).min().map(time_of).transpose()?;
    Ok(Lane { id, key, waiting, next_due, pause: json_or_null(row, 4)? })
}

pub(super) fn recipients_attempted(connection: &Connection, lane: LaneId, since: Timestamp) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(SUM(recipients), 0) FROM lane_hour WHERE lane = ?1 AND hour >= ?2";
    let sum = connection.prepare_cached(sql)?.query_row([lane.0, hour(since)], |row| row.get(0))?;
    Ok(unsigned(sum))
}

pub(super) fn queued_in_lane(
    connection: &Connection,
    lane: LaneId,
    due_by: Timestamp,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<(MessageId, Option<Address>)>, StoreError> {
    let sql = "SELECT due_at, seq FROM message WHERE id = ?1";
    let place = |message: MessageId| {
        let bytes = message.to_bytes();
        connection.prepare_cached(sql)?.query_row([bytes.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    };
    let passed: (i64, i64) = after.map(place).transpose()?.flatten().unwrap_or((i64::MIN, i64::MIN));
    let mut found: Vec<(i64, i64)> = Vec::new();
    // The index has an order for each account; each gives as many as may be wanted of it.
    let sql = "SELECT due_at, seq FROM message WHERE state = 0 AND lane = ?1 AND priority = ?2 AND account = ?3 \
               AND (due_at, seq) > (?4, ?5) AND due_at <= ?7 AND may_be_duplicated = 0 ORDER BY due_at, seq LIMIT ?6";
    for Queued { priority, account, .. } in queued_by_account(connection, lane)? {
        let wanted = params![lane.0, priority, account, passed.0, passed.1, limit, time_code(due_by)];
        found.extend(all(connection, sql, wanted, |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    found.sort_unstable();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut statement = connection.prepare_cached("SELECT id, header_from FROM message WHERE seq = ?1")?;
    let mut queued = Vec::new();
    for (_, seq) in found {
        let mut rows = statement.query([seq])?;
        while let Some(row) = rows.next()? {
            queued.push((id(row, 0)?, address(row, 1)?));
        }
    }
    Ok(queued)
}
