//! What somebody may want to be told, and bounces.

use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};
use rusqlite::{Connection, params};

use super::code::{id_of, length, outcome_of, signed, time_code, time_of, to_json, unreadable, unsigned};
use super::row::{Stored, load, progress_column};
use super::search::all;
use super::span::Span;
use super::unit::Unit;
use crate::{Explanation, Outcome, OutcomeKind, RecipientState, StoreError};

pub(super) fn outcomes(connection: &Connection, after: u64, limit: u32) -> Result<Vec<Outcome>, StoreError> {
    let sql = "SELECT number, message, kind, at FROM outcome WHERE number > ?1 ORDER BY number LIMIT ?2";
    all(connection, sql, params![signed(after), limit], |row| {
        Ok(Outcome {
            number: unsigned(row.get(0)?),
            message: id_of(row.get_ref(1)?.as_blob().map_err(|error| unreadable(error.to_string()))?)?,
            kind: outcome_of(row.get(2)?)?,
            at: time_of(row.get(3)?)?,
        })
    })
}

pub(super) fn newest_outcome(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT value FROM tally WHERE name = 'newest_outcome'";
    Ok(unsigned(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

pub(super) fn purge_outcomes(unit: &Unit<'_>, up_to: u64) -> Result<u64, StoreError> {
    let gone = unit.execute("DELETE FROM outcome WHERE number <= ?1", [signed(up_to)])?;
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

/// The oldest that wait for so long. Walks the index of what waits, on a reader; the writer looks at each again.
pub(super) fn delayed(
    connection: &Connection,
    received_before: Timestamp,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    let sql = "SELECT id FROM message WHERE state IN (0, 1) AND state = 0 AND delay_noted = 0 AND received_at < ?1 \
               AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4";
    let mut found = Vec::new();
    for (first, last) in Span::of(connection, None, Some(received_before))?.ranges() {
        let left = i64::from(limit).saturating_sub(signed(length(&found)));
        found.extend(all(connection, sql, params![time_code(received_before), first, last, left], |row| {
            Ok(MessageId::from_bytes(row.get(0)?))
        })?);
    }
    Ok(found)
}

/// Notes those that (still) are queued and were not noted.
pub(super) fn note_delayed(unit: &mut Unit<'_>, ids: &[MessageId], now: Timestamp) -> Result<u64, StoreError> {
    let sql = "UPDATE message SET delay_noted = 1 WHERE id = ?1 AND state = 0 AND delay_noted = 0";
    let mut count = 0;
    for id in ids {
        if unit.execute(sql, [id.to_bytes().as_slice()])? > 0 {
            unit.tell(*id, OutcomeKind::Delayed, now);
            count += 1;
        }
    }
    Ok(count)
}

pub(super) fn mark_bounced(
    unit: &mut Unit<'_>,
    id: MessageId,
    recipient: &Address,
    status: Option<EnhancedStatus>,
    explanation: &Explanation,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Stored { seq, record, mut progress } = load(unit.connection, id)?;
    let mut known = record.envelope.recipients.iter().zip(&mut progress).filter(|(of, _)| of.address == *recipient);
    let was_sent = |state| matches!(state, RecipientState::Sent | RecipientState::Bounced);
    let Some((_, known)) = known.find(|(_, (state, _))| was_sent(*state)) else { return Ok(false) };
    if known.0 == RecipientState::Bounced {
        return Ok(true);
    }
    *known = (RecipientState::Bounced, status);
    unit.execute(
        "UPDATE message SET bounced = 1, progress = ?2, last_error = ?3 WHERE seq = ?1",
        params![seq, progress_column(&progress)?, to_json(explanation)?],
    )?;
    unit.event(seq, now, "bounced", "system", Some(&explanation.what))?;
    unit.tell(id, OutcomeKind::Bounced, now);
    unit.announce(id, record.lane);
    Ok(true)
}
