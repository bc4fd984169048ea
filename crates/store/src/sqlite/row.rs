//! A row of `message` with its lane, as a [`MessageRecord`].

use mail::{Address, EnhancedStatus, Envelope, MessageId};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;
use settings::{ConnectionId, RoutedTo};

use super::code::{account_of, from_json, priority_of, state_of, time_of, to_json, unreadable, unsigned, via_of};
use super::unit::count_of;
use crate::{LaneId, MessageRecord, MessageState, RecipientState, StoreError};

/// The columns that [`read`] expects, from `message m LEFT JOIN lane l`.
pub(super) const COLUMNS: &str = "m.seq, m.id, m.state, m.lane, m.priority, m.due_at, m.attempts, \
     m.may_be_duplicated, m.progress, m.last_error, m.received_at, m.expires_at, m.size, m.via, m.account, m.peer, \
     m.header_from, m.subject, m.internet_message_id, m.envelope, m.added_header, m.metadata, l.connection, l.mailbox, \
     m.bounced";

/// Where [`COLUMNS`] come from.
pub(super) const SOURCE: &str = "message m LEFT JOIN lane l ON l.id = m.lane";

/// What is known of each recipient, in the envelope's order.
pub(super) type Progress = Vec<(RecipientState, Option<EnhancedStatus>)>;

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) record: MessageRecord,
    pub(super) progress: Progress,
}

pub(super) fn read(row: &Row<'_>) -> Result<Stored, StoreError> {
    let id = id(row, 1)?;
    read_columns(row, id).map_err(|error| match error {
        StoreError::Unreadable { detail } => unreadable(format!("message {id}: {detail}")),
        other => other,
    })
}

fn read_columns(row: &Row<'_>, id: MessageId) -> Result<Stored, StoreError> {
    let envelope: Envelope = from_json(text(row, 19)?)?;
    let state = state_of(row.get(2)?)?;
    let progress = match text_or_null(row, 8)? {
        Some(json) => from_json(json)?,
        None => vec![(RecipientState::Pending, None); envelope.recipients.len()],
    };
    if progress.len() != envelope.recipients.len() {
        return Err(unreadable("its recipients and their states disagree".into()));
    }
    let due_at = time_of(row.get(5)?)?;
    let record = MessageRecord {
        id,
        state,
        size_bytes: unsigned(row.get(12)?),
        added_header: row.get(20)?,
        header_from: address(row, 16)?,
        subject: row.get(17)?,
        internet_message_id: row.get(18)?,
        lane: row.get::<_, Option<i64>>(3)?.map(LaneId),
        routed_to: routed_to(row, 22)?,
        priority: priority_of(row.get(4)?)?,
        received_at: time_of(row.get(10)?)?,
        expires_at: time_of(row.get(11)?)?,
        due_at: (state == MessageState::Queued).then_some(due_at),
        attempts: count_of(row.get(6)?),
        may_be_duplicated: row.get(7)?,
        bounced: row.get(24)?,
        last_error: json_or_null(row, 9)?,
        account: account_of(text(row, 14)?)?,
        via: via_of(row.get(13)?)?,
        peer: parsed(row, 15)?,
        metadata: json_or_null(row, 21)?,
        envelope,
    };
    Ok(Stored { seq: row.get(0)?, record, progress })
}

pub(super) fn id(row: &Row<'_>, at: usize) -> Result<MessageId, StoreError> {
    Ok(MessageId::from_bytes(row.get(at)?))
}

/// The lane's key in two columns from `at` on.
pub(super) fn routed_to(row: &Row<'_>, at: usize) -> Result<Option<RoutedTo>, StoreError> {
    let connection: Option<String> = row.get(at)?;
    let mailbox = address(row, at + 1)?;
    Ok(connection.zip(mailbox).map(|(connection, mailbox)| RoutedTo { connection: ConnectionId(connection), mailbox }))
}

pub(super) fn address(row: &Row<'_>, at: usize) -> Result<Option<Address>, StoreError> {
    parsed(row, at)
}

pub(super) fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<&'r str, StoreError> {
    text_or_null(row, at)?.ok_or_else(|| unreadable("a text is missing".into()))
}

pub(super) fn text_or_null<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>, StoreError> {
    row.get_ref(at)?.as_str_or_null().map_err(|error| unreadable(error.to_string()))
}

pub(super) fn json_or_null<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Result<Option<T>, StoreError> {
    text_or_null(row, at)?.map(from_json).transpose()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>, at: usize) -> Result<Option<T>, StoreError> {
    let parse = |text: &str| text.parse().map_err(|error| unreadable(format!("{text:?}: {error}")));
    text_or_null(row, at)?.map(parse).transpose()
}

/// `None` while every recipient is pending: most messages never have more to say than that until they are sent.
pub(super) fn progress_column(progress: &Progress) -> Result<Option<String>, StoreError> {
    let untouched = progress.iter().all(|recipient| *recipient == (RecipientState::Pending, None));
    if untouched { Ok(None) } else { to_json(progress).map(Some) }
}

pub(super) fn not_found(id: MessageId) -> StoreError {
    StoreError::NotFound { what: format!("message {id}") }
}

pub(super) fn load(connection: &Connection, id: MessageId) -> Result<Stored, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {SOURCE} WHERE m.id = ?1"))?;
    let mut rows = statement.query([id.to_bytes().as_slice()])?;
    rows.next()?.map_or_else(|| Err(not_found(id)), read)
}

/// The row's number, its state, lane and body's file, without looking at what may be unreadable.
pub(super) struct Outline {
    pub(super) seq: i64,
    pub(super) state: MessageState,
    pub(super) lane: Option<LaneId>,
    pub(super) spool: Option<String>,
}

pub(super) fn outline(connection: &Connection, id: MessageId) -> Result<Outline, StoreError> {
    let sql = "SELECT m.seq, m.state, m.lane, b.spool FROM message m LEFT JOIN body b ON b.seq = m.seq WHERE m.id = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let found = connection.prepare_cached(sql)?.query_row([id.to_bytes().as_slice()], read).optional()?;
    let (seq, state, lane, spool): (i64, i64, Option<i64>, Option<String>) = found.ok_or_else(|| not_found(id))?;
    Ok(Outline { seq, state: state_of(state)?, lane: lane.map(LaneId), spool })
}
