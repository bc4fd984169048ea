//! Looking: one message, lanes, totals, work lists.

use jiff::Timestamp;
use mail::{Address, MessageId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use settings::RoutedTo;

use super::code::{from_json, id_of, length, signed, state_code, time_code, time_of, unreadable, unsigned};
use super::deliver::{Queued, queued_by_account};
use super::row::{SOURCE, Stored, address, json_or_null, load, outline, routed_to, text};
use super::span::Span;
use super::unit::{ATTEMPTS_PER_MESSAGE, attempt_id};
use crate::spool::SpoolName;
use crate::{
    Attempt, AttemptId, Counts, Event, Lane, LaneId, MessageDetail, MessageRecord, MessageState, RecipientStatus,
    StoreError,
};

pub(super) fn detail(connection: &Connection, id: MessageId) -> Result<MessageDetail, StoreError> {
    let Stored { seq, record: message, progress } = load(connection, id)?;
    let addresses = message.envelope.recipients.iter().map(|recipient| recipient.address.clone());
    let recipients =
        addresses.zip(progress).map(|(address, (state, status))| RecipientStatus { address, state, status });
    let recipients = recipients.collect();
    let attempts = attempts(connection, seq, &message)?;
    Ok(MessageDetail { recipients, attempts, events: events(connection, seq)?, message })
}

fn attempts(connection: &Connection, seq: i64, message: &MessageRecord) -> Result<Vec<Attempt>, StoreError> {
    let first = attempt_id(seq, 0);
    let sql = "SELECT a.id, a.recipients, a.started_at, a.ended_at, a.outcomes, a.explanation, a.request_id, \
               l.connection, l.mailbox FROM attempt a JOIN lane l ON l.id = a.lane \
               WHERE a.id BETWEEN ?1 AND ?2 ORDER BY a.id";
    all(connection, sql, params![first, first + ATTEMPTS_PER_MESSAGE - 1], |row| {
        let indices: Vec<usize> = from_json(text(row, 1)?)?;
        let named = indices.iter().filter_map(|index| message.envelope.recipients.get(*index));
        let lane = routed_to(row, 7)?.ok_or_else(|| unreadable("an attempt without a lane".into()))?;
        Ok(Attempt {
            id: AttemptId(row.get(0)?),
            connection: lane.connection,
            mailbox: lane.mailbox,
            recipients: named.map(|recipient| recipient.address.clone()).collect(),
            started_at: time_of(row.get(2)?)?,
            ended_at: row.get::<_, Option<i64>>(3)?.map(time_of).transpose()?,
            outcomes: json_or_null(row, 4)?.unwrap_or_default(),
            explanation: json_or_null(row, 5)?,
            request_id: row.get(6)?,
        })
    })
}

fn events(connection: &Connection, seq: i64) -> Result<Vec<Event>, StoreError> {
    let sql = "SELECT at, kind, actor, detail FROM event WHERE message = ?1 ORDER BY id";
    all(connection, sql, [seq], |row| {
        Ok(Event { at: time_of(row.get(0)?)?, kind: row.get(1)?, actor: row.get(2)?, detail: row.get(3)? })
    })
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let tallies = all(connection, "SELECT name, value FROM tally", [], |row| {
        Ok((row.get::<_, String>(0)?, unsigned(row.get(1)?)))
    })?;
    for (name, value) in tallies {
        match MessageState::from_name(&name) {
            Some(MessageState::Queued) => counts.queued = value,
            Some(MessageState::Sending) => counts.sending = value,
            Some(MessageState::Sent) => counts.sent = value,
            Some(MessageState::Failed) => counts.failed = value,
            Some(MessageState::Uncertain) => counts.uncertain = value,
            Some(MessageState::Held) => counts.held = value,
            Some(MessageState::Cancelled) => counts.cancelled = value,
            Some(MessageState::Quarantined) => counts.quarantined = value,
            None => {}
        }
    }
    let sql = "SELECT received_at FROM message WHERE state IN (0, 1) ORDER BY seq LIMIT 1";
    let oldest = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    counts.oldest_waiting = oldest.map(time_of).transpose()?;
    Ok(counts)
}

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
    let sum = connection.prepare_cached(sql)?.query_row([lane.0, super::deliver::hour(since)], |row| row.get(0))?;
    Ok(unsigned(sum))
}

pub(super) fn unrouted(connection: &Connection, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM message WHERE state = 0 AND lane IS NULL ORDER BY seq LIMIT ?1";
    all(connection, sql, [limit], |row| Ok(MessageId::from_bytes(row.get(0)?)))
}

/// Walks one index over all that waits: some hundred milliseconds for a million messages, on a reader.
pub(super) fn expired(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM message WHERE state = 0 AND seq IN \
               (SELECT seq FROM message WHERE state IN (0, 1) AND expires_at <= ?1) ORDER BY seq LIMIT ?2";
    all(connection, sql, params![time_code(now), limit], |row| Ok(MessageId::from_bytes(row.get(0)?)))
}

type Waiting = (MessageId, Option<Address>, Option<RoutedTo>);

pub(super) fn waiting_messages(
    connection: &Connection,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<Waiting>, StoreError> {
    // Where the cursor's message is gone the list begins again, for none may be passed over.
    let after = after.map(|id| seq_of(connection, id)).transpose()?.flatten().unwrap_or_default();
    let mut found: Vec<(i64, Waiting)> = Vec::new();
    // One index each: together they are what waits.
    for states in ["m.state = 0 AND m.state IN (0, 1)", "m.state = 4 AND m.state <> 0", "m.state = 5 AND m.state <> 0"]
    {
        let sql = format!(
            "SELECT m.seq, m.id, m.header_from, l.connection, l.mailbox FROM {SOURCE} WHERE {states} AND m.seq > ?1 \
             ORDER BY m.seq LIMIT ?2"
        );
        found.extend(all(connection, &sql, params![after, limit], |row| {
            let waiting = (MessageId::from_bytes(row.get(1)?), address(row, 2)?, routed_to(row, 3)?);
            Ok((row.get(0)?, waiting))
        })?);
    }
    found.sort_by_key(|(seq, _)| *seq);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, waiting)| waiting).collect())
}

pub(super) fn queued_in_lane(
    connection: &Connection,
    lane: LaneId,
    after: Option<MessageId>,
    limit: u32,
) -> Result<Vec<(MessageId, Option<Address>)>, StoreError> {
    let sql = "SELECT due_at, seq FROM message WHERE id = ?1";
    let place = |id: MessageId| {
        let bytes = id.to_bytes();
        connection.prepare_cached(sql)?.query_row([bytes.as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    };
    let passed: (i64, i64) = after.map(place).transpose()?.flatten().unwrap_or((i64::MIN, i64::MIN));
    let mut found: Vec<(i64, i64)> = Vec::new();
    // The index has an order for each account; each gives as many as may be wanted of it.
    let sql = "SELECT due_at, seq FROM message WHERE state = 0 AND lane = ?1 AND priority = ?2 AND account = ?3 \
               AND (due_at, seq) > (?4, ?5) ORDER BY due_at, seq LIMIT ?6";
    for Queued { priority, account, .. } in queued_by_account(connection, lane)? {
        let wanted = params![lane.0, priority, account, passed.0, passed.1, limit];
        found.extend(all(connection, sql, wanted, |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    found.sort_unstable();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut statement = connection.prepare_cached("SELECT id, header_from FROM message WHERE seq = ?1")?;
    let mut queued = Vec::new();
    for (_, seq) in found {
        let mut rows = statement.query([seq])?;
        while let Some(row) = rows.next()? {
            queued.push((MessageId::from_bytes(row.get(0)?), address(row, 1)?));
        }
    }
    Ok(queued)
}

pub(super) fn seq_of(connection: &Connection, id: MessageId) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT seq FROM message WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([id.to_bytes().as_slice()], |row| row.get(0)).optional()?)
}

/// Messages of that state that arrived before `before`, oldest first.
pub(super) fn older(
    connection: &Connection,
    state: MessageState,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let code = state_code(state);
    let sql = format!(
        "SELECT id FROM message WHERE state = {code} AND state <> 0 AND received_at < ?1 AND seq BETWEEN ?2 AND ?3 \
         ORDER BY seq LIMIT ?4"
    );
    let mut found = Vec::new();
    for (first, last) in Span::of(connection, None, Some(before))?.ranges() {
        let left = i64::from(limit).saturating_sub(signed(length(&found)));
        found.extend(all(connection, &sql, params![time_code(before), first, last, left], |row| {
            id_of(row.get_ref(0)?.as_blob().map_err(|error| unreadable(error.to_string()))?)
        })?);
    }
    Ok(found)
}

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
