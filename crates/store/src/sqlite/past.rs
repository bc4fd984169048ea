//! What went through, and when each account last handed something in.

use jiff::Timestamp;
use rusqlite::Connection;
use settings::AccountId;

use super::code::{time_of, unreadable, unsigned};
use super::search::all;
use super::unit::Unit;
use crate::history::first_step_from;
use crate::{HistoryPoint, StoreError};

pub(super) fn history(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<HistoryPoint>, StoreError> {
    let sql = "SELECT step, accepted, sent, failed, waiting FROM history WHERE step >= ?1 AND step < ?2 ORDER BY step";
    all(connection, sql, [first_step_from(since), first_step_from(until)], |row| {
        let at = Timestamp::from_second(row.get(0)?).map_err(|error| unreadable(error.to_string()))?;
        let count = |index| Ok::<u64, StoreError>(unsigned(row.get(index)?));
        Ok(HistoryPoint { at, accepted: count(1)?, sent: count(2)?, failed: count(3)?, waiting: count(4)? })
    })
}

pub(super) fn purge_history(unit: &Unit<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let gone = unit.execute("DELETE FROM history WHERE step < ?1", [first_step_from(before)])?;
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

pub(super) fn last_submissions(connection: &Connection) -> Result<Vec<(AccountId, Timestamp)>, StoreError> {
    all(connection, "SELECT account, at FROM account_use ORDER BY account", [], |row| {
        Ok((AccountId(row.get(0)?), time_of(row.get(1)?)?))
    })
}
