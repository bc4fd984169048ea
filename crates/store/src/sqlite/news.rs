//! What somebody may want to be told, and bounces.

use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};
use rusqlite::{Connection, params};

use super::code::{outcome_of, signed, time_of, to_json, unsigned};
use super::row::{Stored, id, load, progress_column};
use super::search::{all, tally};
use super::unit::Unit;
use crate::{Explanation, Outcome, OutcomeKind, RecipientState, StoreError};

pub(super) fn outcomes(connection: &Connection, after: u64, limit: u32) -> Result<Vec<Outcome>, StoreError> {
    let sql = "SELECT number, message, kind, at FROM outcome WHERE number > ?1 ORDER BY number LIMIT ?2";
    all(connection, sql, params![signed(after), limit], |row| {
        Ok(Outcome {
            number: unsigned(row.get(0)?),
            message: id(row, 1)?,
            kind: outcome_of(row.get(2)?)?,
            at: time_of(row.get(3)?)?,
        })
    })
}

pub(super) fn newest_outcome(connection: &Connection) -> Result<u64, StoreError> {
    Ok(unsigned(tally(connection, "newest_outcome")?))
}

/// Outcomes forgotten in one transaction: some milliseconds, however many piled up while a reader was away.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// Forgets the oldest of them; 0: none is left.
pub(super) fn purge_some_outcomes(unit: &Unit<'_>, up_to: u64) -> Result<u64, StoreError> {
    let sql = "DELETE FROM outcome WHERE number <= ?1 AND number < (SELECT MIN(number) FROM outcome) + ?2";
    let gone = unit.execute(sql, [signed(up_to), FORGOTTEN_AT_ONCE])?;
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
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

#[cfg(test)]
mod tests {
    use crate::Store;
    use crate::sqlite::SqliteStore;
    use crate::sqlite::unit::Unit;

    #[tokio::test]
    async fn outcomes_that_piled_up_are_forgotten_a_few_thousand_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        let pile = |unit: &mut Unit<'_>| {
            unit.execute(
                "WITH RECURSIVE n (i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
                 INSERT INTO outcome (number, message, kind, at) SELECT i, zeroblob(16), 0, 0 FROM n",
                [],
            )
        };
        store.writer().unwrap().write(pile).await.unwrap();
        let some = |unit: &mut Unit<'_>| super::purge_some_outcomes(unit, 11_000);
        assert_eq!(store.writer().unwrap().write(some).await.unwrap(), 5_000);
        assert_eq!(store.purge_outcomes(11_000).await.unwrap(), 5_900, "the rest of what was asked for");
        let left = store.outcomes(0, 9_999).await.unwrap();
        assert_eq!((left[0].number, left.len()), (11_001, 1_000));
    }
}
