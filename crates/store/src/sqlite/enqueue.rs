//! The way in: one message, its body and its lane in one transaction.

use bytes::Bytes;
use mail::MessageId;
use rusqlite::params;
use settings::{AccountId, RoutedTo};

use super::code::{account_code, priority_code, signed, state_code, time_code, time_of, to_json, unreadable, via_code};
use super::unit::Unit;
use super::writer::{Ending, Writer};
use crate::body::Content;
use crate::spool::SpoolName;
use crate::{Enqueued, IdempotencyKey, LaneId, MessageState, NewMessage, StagedBody, StoreError};

/// Expired keys removed with each new one: enough that they never pile up, few enough to cost nothing.
const EXPIRED_KEYS_PER_NEW: i64 = 4;
/// Keys are removed only when they have long expired, for submitters' clocks of one moment may differ a little.
const EXPIRED_KEYS_GRACE_MICROSECONDS: i64 = 3_600_000_000;

/// A message as its columns, made on the caller's thread to keep the writer's work short.
struct Row {
    id: MessageId,
    routed_to: Option<RoutedTo>,
    idempotency: Option<IdempotencyKey>,
    account: Option<AccountId>,
    hold: Option<String>,
    priority: i64,
    due_at: i64,
    received_at: i64,
    expires_at: i64,
    size: i64,
    via: i64,
    peer: Option<String>,
    header_from: Option<String>,
    subject: Option<String>,
    internet_message_id: Option<String>,
    envelope: String,
    added_header: String,
    metadata: Option<String>,
    body: BodyRow,
}

enum BodyRow {
    Inline { bytes: Bytes, crc32: u32 },
    Spooled(SpoolName),
}

impl Row {
    fn new(message: NewMessage) -> Result<(Self, StagedBody), StoreError> {
        let body = match &message.body.content {
            Content::Inline(bytes) => BodyRow::Inline { crc32: crc32fast::hash(bytes), bytes: bytes.clone() },
            Content::Spooled(name, _) => BodyRow::Spooled(name.clone()),
        };
        let row = Self {
            id: message.id,
            routed_to: message.routed_to,
            idempotency: message.idempotency,
            account: message.account,
            hold: message.hold,
            priority: priority_code(message.priority),
            due_at: time_code(message.send_at.unwrap_or(message.received_at)),
            received_at: time_code(message.received_at),
            expires_at: time_code(message.expires_at),
            size: signed(message.body.len()),
            via: via_code(message.via),
            peer: message.peer.map(|peer| peer.to_string()),
            header_from: message.header_from.map(String::from),
            subject: message.subject,
            internet_message_id: message.internet_message_id,
            envelope: to_json(&message.envelope)?,
            added_header: message.added_header,
            metadata: message.metadata.as_ref().map(to_json).transpose()?,
            body,
        };
        Ok((row, message.body))
    }

    fn state(&self) -> MessageState {
        if self.hold.is_some() { MessageState::Held } else { MessageState::Queued }
    }
}

pub(super) async fn enqueue(writer: &Writer, message: NewMessage) -> Result<Enqueued, StoreError> {
    let (row, body) = Row::new(message)?;
    let work = move |_: &mut StagedBody, unit: &mut Unit<'_>| insert(unit, &row);
    writer.write_then(body, work, settle_body).await
}

/// A spool file belongs to its row once that is committed. Where the commit is in doubt the file stays, for a row may
/// name it after all; if none does, the sweep for orphans finds it.
fn settle_body(mut body: StagedBody, ending: Ending<'_, Enqueued>) {
    match ending {
        Ending::Committed(Enqueued::New(_)) | Ending::Doubtful => body.keep(),
        Ending::Committed(Enqueued::Repeated(_)) | Ending::Undone => {}
    }
}

fn insert(unit: &mut Unit<'_>, row: &Row) -> Result<Enqueued, StoreError> {
    if let Some(earlier) = repeated(unit, row)? {
        return Ok(Enqueued::Repeated(earlier));
    }
    let lane = row.routed_to.as_ref().map(|key| unit.lane_for(key)).transpose()?;
    let seq = unit.take_seq()?;
    insert_message(unit, seq, lane, row)?;
    insert_body(unit, seq, &row.body)?;
    remember_key(unit, row)?;
    if let Some(reason) = &row.hold {
        unit.event(seq, time_of(row.received_at)?, "held", "system", Some(reason))?;
    }
    unit.moved(None, Some((row.state(), lane)));
    unit.came_in(row.received_at, row.account.as_ref())?;
    unit.announce(row.id, lane);
    Ok(Enqueued::New(row.id))
}

fn insert_message(unit: &Unit<'_>, seq: i64, lane: Option<LaneId>, row: &Row) -> Result<(), StoreError> {
    let inserted = unit.insert(
        "INSERT INTO message (seq, id, state, lane, priority, due_at, starts_at, attempts, may_be_duplicated, received_at, \
         expires_at, size, via, account, peer, header_from, subject, internet_message_id, envelope, added_header, \
         metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            seq,
            row.id.to_bytes().as_slice(),
            state_code(row.state()),
            lane.map(|lane| lane.0),
            row.priority,
            row.due_at,
            row.received_at,
            row.expires_at,
            row.size,
            row.via,
            account_code(row.account.as_ref()),
            row.peer,
            row.header_from,
            row.subject,
            row.internet_message_id,
            row.envelope,
            row.added_header,
            row.metadata,
        ],
    )?;
    if inserted { Ok(()) } else { Err(StoreError::Conflict { reason: format!("a message {} exists already", row.id) }) }
}

fn insert_body(unit: &Unit<'_>, seq: i64, body: &BodyRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO body (seq, crc32, spool, bytes) VALUES (?1, ?2, ?3, ?4)";
    match body {
        BodyRow::Inline { bytes, crc32 } => unit.execute(sql, params![seq, crc32, None::<&str>, bytes.as_ref()])?,
        BodyRow::Spooled(name) => unit.execute(sql, params![seq, name.crc32, name.name, None::<&[u8]>])?,
    };
    Ok(())
}

/// The earlier message that this request stands for, if it was made before.
fn repeated(unit: &Unit<'_>, row: &Row) -> Result<Option<MessageId>, StoreError> {
    let Some(idempotency) = &row.idempotency else { return Ok(None) };
    let known = unit.row(
        "SELECT digest, message FROM idempotency WHERE account = ?1 AND key = ?2 AND expires_at > ?3",
        params![account_code(row.account.as_ref()), idempotency.key, row.received_at],
        |found| Ok((found.get::<_, Vec<u8>>(0)?, found.get::<_, [u8; 16]>(1)?)),
    )?;
    match known {
        None => Ok(None),
        Some((digest, _)) if digest.len() != idempotency.request_digest.len() => {
            Err(unreadable(format!("the digest of idempotency key {:?}", idempotency.key)))
        }
        Some((digest, message)) if digest == idempotency.request_digest => Ok(Some(MessageId::from_bytes(message))),
        Some(_) => Err(StoreError::IdempotencyMismatch),
    }
}

fn remember_key(unit: &Unit<'_>, row: &Row) -> Result<(), StoreError> {
    let Some(idempotency) = &row.idempotency else { return Ok(()) };
    unit.execute(
        "DELETE FROM idempotency WHERE (account, key) IN \
         (SELECT account, key FROM idempotency WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
        [row.received_at.saturating_sub(EXPIRED_KEYS_GRACE_MICROSECONDS), EXPIRED_KEYS_PER_NEW],
    )?;
    unit.execute(
        "INSERT OR REPLACE INTO idempotency (account, key, digest, message, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            account_code(row.account.as_ref()),
            idempotency.key,
            idempotency.request_digest.as_slice(),
            row.id.to_bytes().as_slice(),
            time_code(idempotency.expires_at),
        ],
    )?;
    Ok(())
}
