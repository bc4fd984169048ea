//! Accounts take turns.
//!
//! Promise: within a lane and a priority, whoever has something due is served once in each round, however much the
//! others have queued; finding out whose turn it is takes one look at the index for each account.
//!
//! A round goes through the accounts in the order of their codes. Who was served last is durable, for a claim may take
//! one message only: the next one goes on from there.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::sqlite::code::{PRIORITIES, priority_code, time_code};
use crate::sqlite::unit::Unit;
use crate::{Appetite, LaneId, Priority, StoreError};

pub(super) struct Round {
    lane: LaneId,
    priority: i64,
    /// Larger messages have no turn.
    max_bytes: i64,
    /// Whom the claim before served last; empty, which is before all: nobody.
    before: String,
    served: String,
}

impl Round {
    pub(super) fn resume(
        unit: &Unit<'_>,
        lane: LaneId,
        priority: Priority,
        max_bytes: u64,
    ) -> Result<Self, StoreError> {
        let priority = priority_code(priority);
        let sql = "SELECT account FROM lane_turn WHERE lane = ?1 AND priority = ?2";
        let before: String = unit.row(sql, [lane.0, priority], |row| row.get(0))?.unwrap_or_default();
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        Ok(Self { lane, priority, max_bytes, served: before.clone(), before })
    }

    /// The number of the message whose turn it is. It must have left the queue when this is asked again.
    pub(super) fn next(&mut self, unit: &Unit<'_>, now: Timestamp) -> Result<Option<i64>, StoreError> {
        // Those who come after the one served last, then the others.
        for (mut passed, last) in [(self.served.clone(), None), (String::new(), Some(self.served.clone()))] {
            while let Some(first) = self.first_after(unit, &passed)?
                && last.as_ref().is_none_or(|last| first.account <= *last)
            {
                let due = if first.size <= self.max_bytes {
                    (first.due_at <= time_code(now)).then_some(first.seq)
                } else {
                    self.first_small(unit, &first.account, now)?
                };
                if due.is_some() {
                    self.served = first.account;
                    return Ok(due);
                }
                passed = first.account;
            }
        }
        Ok(None)
    }

    /// Of the next account that has anything queued, the oldest due.
    fn first_after(&self, unit: &Unit<'_>, account: &str) -> Result<Option<First>, StoreError> {
        unit.row(FIRST, params![self.lane.0, self.priority, account], First::read)
    }

    /// The oldest due that is not too large, as far as one looks.
    fn first_small(&self, unit: &Unit<'_>, account: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let looked_at = Appetite::PASSED_OVER_MAX;
        let wanted = params![self.lane.0, self.priority, account, time_code(now), looked_at, self.max_bytes];
        unit.row(FIRST_SMALL, wanted, |row| row.get(0))
    }

    pub(super) fn remember(self, unit: &Unit<'_>) -> Result<(), StoreError> {
        if self.served != self.before {
            unit.execute(
                "INSERT OR REPLACE INTO lane_turn (lane, priority, account) VALUES (?1, ?2, ?3)",
                params![self.lane.0, self.priority, self.served],
            )?;
        }
        Ok(())
    }
}

const FIRST: &str = "SELECT account, due_at, seq, size FROM message WHERE state = 0 AND lane = ?1 AND priority = ?2 \
                     AND account > ?3 ORDER BY account, due_at, seq LIMIT 1";
const FIRST_SMALL: &str = "SELECT seq FROM (SELECT due_at, seq, size FROM message WHERE state = 0 AND lane = ?1 \
                           AND priority = ?2 AND account = ?3 AND due_at <= ?4 ORDER BY due_at, seq LIMIT ?5) \
                           WHERE size <= ?6 ORDER BY due_at, seq LIMIT 1";

struct First {
    account: String,
    due_at: i64,
    seq: i64,
    size: i64,
}

impl First {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { account: row.get(0)?, due_at: row.get(1)?, seq: row.get(2)?, size: row.get(3)? })
    }
}

/// What is queued on a lane for one account with one priority.
pub(in crate::sqlite) struct Queued {
    pub(in crate::sqlite) priority: i64,
    pub(in crate::sqlite) account: String,
    pub(in crate::sqlite) next_due: i64,
}

/// One look at the index for each.
pub(in crate::sqlite) fn queued_by_account(connection: &Connection, lane: LaneId) -> Result<Vec<Queued>, StoreError> {
    let mut statement = connection.prepare_cached(FIRST)?;
    let mut all = Vec::new();
    for priority in PRIORITIES.map(priority_code) {
        let mut passed = String::new();
        while let Some(first) = statement.query_row(params![lane.0, priority, passed], First::read).optional()? {
            passed.clone_from(&first.account);
            all.push(Queued { priority, account: first.account, next_due: first.due_at });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus::VmStep;
    use rusqlite::{Params, Statement};
    use settings::{AccountId, ConnectionId, RoutedTo};

    use super::*;
    use crate::sqlite::tests::message;
    use crate::sqlite::{SqliteStore, schema};
    use crate::{NewMessage, Store};

    const QUEUED: u64 = 400;

    fn steps(statement: &mut Statement<'_>, wanted: impl Params) -> i32 {
        statement.reset_status(VmStep);
        statement.query_row(wanted, |_| Ok(())).optional().unwrap();
        statement.get_status(VmStep)
    }

    /// A million messages may be queued: what decides on the next one must find it, not look for it.
    #[tokio::test]
    async fn whose_turn_it_is_is_found_without_looking_at_all_that_is_queued() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        let key = RoutedTo { connection: ConnectionId("c1".into()), mailbox: "noreply@x.test".parse().unwrap() };
        for number in 0..QUEUED {
            let account = Some(AccountId(["a", "b"][usize::from(number % 2 == 0)].into()));
            store.enqueue(NewMessage { routed_to: Some(key.clone()), account, ..message(number, 10) }).await.unwrap();
        }
        let lane = store.lane_of(&key).await.unwrap().0;
        drop(store);

        let connection = schema::open_writer(&folder.path().join("postern.db")).unwrap();
        let mut first = connection.prepare(FIRST).unwrap();
        for account in ["", "=a", "=b"] {
            let steps = steps(&mut first, params![lane, 1, account]);
            assert!(steps < 60, "{steps} after {account:?}");
        }
        let mut first_small = connection.prepare(FIRST_SMALL).unwrap();
        let steps = steps(&mut first_small, params![lane, 1, "=a", i64::MAX, 3, 9]);
        assert!(steps < 120, "{steps}");
    }
}
