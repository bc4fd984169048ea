//! Looking: one message, totals, work lists.

use jiff::Timestamp;
use mail::{Address, MessageId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use settings::RoutedTo;

use super::code::{from_json, length, signed, state_code, time_code, time_of, unreadable, unsigned};
use super::row::{SOURCE, Stored, address, id, json_or_null, load, routed_to, text};
use super::span::Span;
use super::unit::{ATTEMPTS_PER_MESSAGE, attempt_id};
use crate::{
    Attempt, AttemptId, Counts, Event, MessageDetail, MessageRecord, MessageState, RecipientStatus, StoreError,
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

pub(super) fn unrouted(connection: &Connection, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM message WHERE state = 0 AND lane IS NULL ORDER BY seq LIMIT ?1";
    all(connection, sql, [limit], |row| id(row, 0))
}

/// Walks one index over all that waits: some hundred milliseconds for a million messages, on a reader.
pub(super) fn expired(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM message WHERE state = 0 AND seq IN \
               (SELECT seq FROM message WHERE state IN (0, 1) AND expires_at <= ?1) ORDER BY seq LIMIT ?2";
    all(connection, sql, params![time_code(now), limit], |row| id(row, 0))
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
            let waiting = (id(row, 1)?, address(row, 2)?, routed_to(row, 3)?);
            Ok((row.get(0)?, waiting))
        })?);
    }
    found.sort_by_key(|(seq, _)| *seq);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, waiting)| waiting).collect())
}

pub(super) fn seq_of(connection: &Connection, id: MessageId) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT seq FROM message WHERE id = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([id.to_bytes().as_slice()], |row| row.get(0)).optional()?)
}

/// A number that is kept.
pub(super) fn tally(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    let sql = "SELECT value FROM tally WHERE name = ?1";
    let value = connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    value.ok_or_else(|| unreadable(format!("the tally '{name}' is missing")))
}

/// Messages of that state that arrived before `before`, oldest first.
pub(super) fn older(
    connection: &Connection,
    state: MessageState,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let code = state_code(state);
    oldest(connection, &format!("state = {code} AND state <> 0 AND received_at < ?1"), before, limit)
}

/// Messages that were due before `before`, are still queued and were not noted for it, oldest first.
pub(super) fn delayed(connection: &Connection, before: Timestamp, limit: u32) -> Result<Vec<MessageId>, StoreError> {
    oldest(connection, "state IN (0, 1) AND state = 0 AND delay_noted = 0 AND starts_at < ?1", before, limit)
}

/// The condition is one that an index in order of arrival serves, and takes only what arrived before ?1.
fn oldest(
    connection: &Connection,
    condition: &str,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let sql = format!("SELECT id FROM message WHERE {condition} AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4");
    let mut found = Vec::new();
    for (first, last) in Span::of(connection, None, Some(before))?.ranges() {
        let left = i64::from(limit).saturating_sub(signed(length(&found)));
        found.extend(all(connection, &sql, params![time_code(before), first, last, left], |row| id(row, 0))?);
    }
    Ok(found)
}
