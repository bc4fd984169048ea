//! Spans of time as spans of message numbers.
//!
//! Numbers follow the order in which messages were committed, times the order in which they began to come in; the two
//! disagree a little. So each run of numbers remembers its earliest and latest arrival.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Connection;

use super::code::time_code;
use super::search::tally;
use super::unit::Unit;
use crate::StoreError;

/// Numbers in a run: few enough to look through one in vain, and a thousand runs for a million messages.
const RUN: i64 = 1024;

/// Every message that arrived in a span of time is among these numbers; not all of them need have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Beyond this number nothing is known: every message may belong to it.
    pub(super) indexed_up_to: i64,
    /// Up to `indexed_up_to`, only from here ...
    pub(super) first: i64,
    /// ... to here.
    pub(super) last: i64,
}

impl Span {
    pub(super) fn of(
        connection: &Connection,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Self, StoreError> {
        let indexed_up_to = tally(connection, "indexed_up_to")?;
        if since.is_none() && until.is_none() {
            return Ok(Self { indexed_up_to, first: 0, last: indexed_up_to });
        }
        let sql = "SELECT MIN(run), MAX(run) FROM message_run WHERE latest >= ?1 AND earliest <= ?2";
        // Times lie in whole microseconds: one that was cut off must not narrow too much.
        let since = since.map_or(i64::MIN, time_code);
        let until = until.map_or(i64::MAX, time_code);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let (first, last) = connection.prepare_cached(sql)?.query_row([since, until], read)?;
        // No run at all: an empty span.
        let first = first.map_or(indexed_up_to.saturating_add(1), |run| run * RUN);
        let last = last.map_or(0, |run| (run * RUN + RUN - 1).min(indexed_up_to));
        Ok(Self { indexed_up_to, first, last })
    }

    /// Oldest first, both ends inclusive.
    pub(super) fn ranges(self) -> [(i64, i64); 2] {
        [(self.first, self.last), (self.indexed_up_to.saturating_add(1), i64::MAX)]
    }

    /// Whether all that is left at `seq` and below lies before the span.
    pub(super) fn is_over(self, seq: i64) -> bool {
        seq <= self.indexed_up_to && seq < self.first
    }

    /// The highest number at `seq` or below that may belong to the span.
    pub(super) fn at_or_below(self, seq: i64) -> i64 {
        if seq <= self.indexed_up_to { seq.min(self.last) } else { seq }
    }
}

/// Notes when messages arrived whose numbers are about to be indexed: number and time of each.
pub(super) fn widen(unit: &Unit<'_>, arrivals: impl Iterator<Item = (i64, i64)>) -> Result<(), StoreError> {
    let mut runs: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (seq, received_at) in arrivals {
        let (earliest, latest) = runs.entry(seq / RUN).or_insert((received_at, received_at));
        (*earliest, *latest) = (received_at.min(*earliest), received_at.max(*latest));
    }
    for (run, (earliest, latest)) in runs {
        unit.execute(
            "INSERT INTO message_run (run, earliest, latest) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET earliest = MIN(earliest, ?2), latest = MAX(latest, ?3)",
            [run, earliest, latest],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(microseconds: i64) -> Timestamp {
        Timestamp::from_microsecond(microseconds).unwrap()
    }

    /// Three runs whose times overlap as they do when messages take long to come in; the third is not full.
    fn indexed() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let connection = crate::sqlite::schema::open_writer(&folder.path().join("postern.db")).unwrap();
        let unit = Unit::new(&connection);
        // In two parts, as slices do not end where runs do.
        widen(&unit, [(5, 100), (700, 200)].into_iter()).unwrap();
        widen(&unit, [(701, 300), (1024, 250), (2047, 500), (2048, 600), (2100, 520)].into_iter()).unwrap();
        unit.execute("UPDATE tally SET value = 2100 WHERE name = 'indexed_up_to'", []).unwrap();
        (folder, connection)
    }

    #[test]
    fn a_span_of_time_is_the_runs_that_touch_it() {
        let (_folder, connection) = indexed();
        for (since, until, first, last, reason) in [
            (None, None, 0, 2100, "all"),
            (Some(301), None, 1024, 2100, "the first run ended before"),
            (Some(300), None, 0, 2100, "its last moment counts"),
            (None, Some(249), 0, 1023, "the second begins later"),
            (None, Some(250), 0, 2047, "its first moment counts, for what is finer than it was cut off"),
            (Some(260), Some(290), 0, 2047, "within two"),
            (Some(501), Some(519), 2101, 0, "between two: none"),
            (Some(601), None, 2101, 0, "after all"),
        ] {
            let span = Span::of(&connection, since.map(time), until.map(time)).unwrap();
            assert_eq!(span, Span { indexed_up_to: 2100, first, last }, "{reason}");
        }
    }

    #[test]
    fn what_is_not_indexed_may_belong_to_every_span() {
        let (_folder, connection) = indexed();
        let span = Span::of(&connection, None, Some(time(249))).unwrap();
        assert_eq!(span.ranges(), [(0, 1023), (2101, i64::MAX)]);
        for (seq, below) in [(3000, 3000), (2101, 2101), (2100, 1023), (900, 900)] {
            assert_eq!(span.at_or_below(seq), below);
        }
        let late = Span::of(&connection, Some(time(301)), None).unwrap();
        assert_eq!([2101, 1024, 1023].map(|seq| late.is_over(seq)), [false, false, true]);
    }
}
