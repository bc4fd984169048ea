//! The way out: leases, claims and what became of attempts.

mod claim;
mod finish;
mod lease;
mod turn;

use jiff::Timestamp;
use mail::MessageId;

use super::code::time_code;
use super::row::{Stored, id, read};
use super::unit::{Unit, attempt_id};
use crate::{LaneId, MessageState, OutcomeKind, StoreError};

pub(super) use claim::claim;
pub(super) use finish::finish_attempt;
pub(super) use lease::lease_lane;
pub(super) use turn::{Queued, queued_by_account};

const MICROSECONDS_PER_HOUR: i64 = 3_600_000_000;

/// Since 1970.
pub(super) fn hour(time: Timestamp) -> i64 {
    time_code(time).div_euclid(MICROSECONDS_PER_HOUR)
}

/// Whom the attempt is for, as indices into the envelope.
pub(super) fn attempted(unit: &Unit<'_>, seq: i64, number: u32) -> Result<Vec<usize>, StoreError> {
    let json = unit.row("SELECT recipients FROM attempt WHERE id = ?1", [attempt_id(seq, number)], |row| {
        row.get::<_, String>(0)
    })?;
    json.as_deref().map_or_else(|| Ok(Vec::new()), super::code::from_json)
}

enum Found {
    Readable(Box<Stored>),
    Unreadable(i64, MessageId, StoreError),
}

fn select(unit: &Unit<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Found>, StoreError> {
    let mut statement = unit.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(match read(row) {
            Ok(stored) => Found::Readable(Box::new(stored)),
            Err(error) => Found::Unreadable(row.get(0)?, id(row, 1)?, error),
        });
    }
    Ok(found)
}

/// One message that cannot be read must not stop the lane, and must not be lost either.
fn set_aside(
    unit: &mut Unit<'_>,
    (state, lane): (MessageState, LaneId),
    (seq, id): (i64, MessageId),
    error: &StoreError,
    now: Timestamp,
) -> Result<(), StoreError> {
    tracing::error!(event = "message_quarantined", message_id = %id, %error);
    unit.set_state(seq, MessageState::Quarantined)?;
    unit.event(seq, now, "quarantined", "system", Some(&error.to_string()))?;
    unit.moved(Some((state, Some(lane))), Some((MessageState::Quarantined, Some(lane))));
    unit.tell(id, OutcomeKind::Quarantined, now);
    unit.announce(id, Some(lane));
    Ok(())
}
