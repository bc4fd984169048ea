//! One transaction of the writer, shared by the commands of a batch.
//!
//! Invariant: a command that returns an error which is not the database's has written nothing. Totals and
//! outcomes are gathered here and written once, by [`Unit::flush`], just before the commit.

use std::collections::BTreeMap;

use mail::MessageId;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use settings::{AccountId, RoutedTo};

use super::code::{outcome_code, state_code, time_code, time_of, unsigned};
use super::search::tally;
use crate::history::step_of;
use crate::{Change, LaneId, MessageState, OutcomeKind, StoreError};

/// What went through in one step of the history.
#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    accepted: i64,
    sent: i64,
    failed: i64,
}

pub(super) struct Unit<'c> {
    pub(super) connection: &'c Connection,
    /// News for when the commit is done.
    pub(super) changes: Vec<Change>,
    states: BTreeMap<&'static str, i64>,
    lanes: BTreeMap<LaneId, i64>,
    history: BTreeMap<i64, Passed>,
    account_use: BTreeMap<AccountId, i64>,
    outcomes: Vec<(MessageId, OutcomeKind, i64)>,
    next_seq: Option<i64>,
    /// The lane asked for last: most batches have one.
    last_lane: Option<(RoutedTo, LaneId)>,
}

impl<'c> Unit<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            changes: Vec::new(),
            states: BTreeMap::new(),
            lanes: BTreeMap::new(),
            history: BTreeMap::new(),
            account_use: BTreeMap::new(),
            outcomes: Vec::new(),
            next_seq: None,
            last_lane: None,
        }
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// `false`: a row with that unique value is there already, and nothing was written.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<bool, StoreError> {
        match self.connection.prepare_cached(sql)?.execute(params) {
            Ok(_) => Ok(true),
            Err(error) => match error.sqlite_error() {
                Some(failure) if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// The first row, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    /// The number of the next message.
    pub(super) fn take_seq(&mut self) -> Result<i64, StoreError> {
        let seq = match self.next_seq {
            Some(seq) => seq,
            None => self.tally("next_seq")?,
        };
        self.next_seq = Some(seq.saturating_add(1));
        Ok(seq)
    }

    pub(super) fn tally(&self, name: &str) -> Result<i64, StoreError> {
        tally(self.connection, name)
    }

    /// A message came (`from` is `None`), went (`to` is `None`) or changed its state or lane.
    pub(super) fn moved(
        &mut self,
        from: Option<(MessageState, Option<LaneId>)>,
        to: Option<(MessageState, Option<LaneId>)>,
    ) {
        for (place, step) in [(from, -1), (to, 1)] {
            let Some((state, lane)) = place else { continue };
            *self.states.entry(state.name()).or_default() += step;
            let waits = matches!(state, MessageState::Queued | MessageState::Sending);
            if let Some(lane) = lane.filter(|_| waits) {
                *self.lanes.entry(lane).or_default() += step;
            }
        }
    }

    /// A message came in.
    pub(super) fn came_in(&mut self, at: i64, account: Option<&AccountId>) -> Result<(), StoreError> {
        self.history.entry(step_of(time_of(at)?)).or_default().accepted += 1;
        if let Some(account) = account {
            let last = self.account_use.entry(account.clone()).or_insert(at);
            *last = at.max(*last);
        }
        Ok(())
    }

    /// A message came to an end, if that is one the history counts.
    pub(super) fn ended(&mut self, at: jiff::Timestamp, state: MessageState) {
        let passed = match state {
            MessageState::Sent => Passed { sent: 1, ..Passed::default() },
            MessageState::Failed => Passed { failed: 1, ..Passed::default() },
            _ => return,
        };
        let total = self.history.entry(step_of(at)).or_default();
        total.sent += passed.sent;
        total.failed += passed.failed;
    }

    /// Somebody may want to be told.
    pub(super) fn tell(&mut self, id: MessageId, kind: OutcomeKind, at: jiff::Timestamp) {
        self.outcomes.push((id, kind, time_code(at)));
    }

    pub(super) fn announce(&mut self, id: MessageId, lane: Option<LaneId>) {
        if let Some(lane) = lane {
            self.announce_lane(lane);
        }
        self.changes.push(Change::Message(id));
    }

    /// Once a batch is enough, for a receiver looks at the lane as it then is.
    pub(super) fn announce_lane(&mut self, lane: LaneId) {
        let news = Change::Lane(lane);
        if !self.changes.contains(&news) {
            // In front, so that looking for it is short however many messages the batch has.
            self.changes.insert(0, news);
        }
    }

    /// The lane's number; a lane that is new gets one.
    pub(super) fn lane_for(&mut self, key: &RoutedTo) -> Result<LaneId, StoreError> {
        if let Some((_, lane)) = self.last_lane.as_ref().filter(|(last, _)| last == key) {
            return Ok(*lane);
        }
        let lane = self.find_or_make_lane(key)?;
        self.last_lane = Some((key.clone(), lane));
        Ok(lane)
    }

    fn find_or_make_lane(&self, key: &RoutedTo) -> Result<LaneId, StoreError> {
        let mailbox_key = key.mailbox.as_str().to_lowercase();
        let known = self.row(
            "SELECT id FROM lane WHERE connection = ?1 AND mailbox_key = ?2",
            [&key.connection.0, &mailbox_key],
            |row| row.get(0),
        )?;
        if let Some(id) = known {
            return Ok(LaneId(id));
        }
        self.execute(
            "INSERT INTO lane (connection, mailbox, mailbox_key) VALUES (?1, ?2, ?3)",
            [&key.connection.0, key.mailbox.as_str(), &mailbox_key],
        )?;
        Ok(LaneId(self.connection.last_insert_rowid()))
    }

    pub(super) fn event(
        &self,
        seq: i64,
        at: jiff::Timestamp,
        kind: &str,
        actor: &str,
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO event (message, at, kind, actor, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![seq, time_code(at), kind, actor, detail],
        )?;
        Ok(())
    }

    pub(super) fn set_state(&self, seq: i64, state: MessageState) -> Result<(), StoreError> {
        self.execute("UPDATE message SET state = ?2 WHERE seq = ?1", [seq, state_code(state)])?;
        Ok(())
    }

    /// Writes the totals. The last thing before the commit.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        for (name, delta) in std::mem::take(&mut self.states) {
            if delta != 0 {
                self.execute("UPDATE tally SET value = value + ?2 WHERE name = ?1", params![name, delta])?;
            }
        }
        for (lane, delta) in std::mem::take(&mut self.lanes) {
            if delta != 0 {
                self.execute("UPDATE lane SET waiting = waiting + ?2 WHERE id = ?1", [lane.0, delta])?;
            }
        }
        for (step, passed) in std::mem::take(&mut self.history) {
            self.execute(
                "INSERT INTO history (step, accepted, sent, failed, waiting) \
                 SELECT ?1, ?2, ?3, ?4, SUM(value) FROM tally WHERE name IN ('queued', 'sending') \
                 ON CONFLICT DO UPDATE SET accepted = accepted + ?2, sent = sent + ?3, failed = failed + ?4, \
                 waiting = excluded.waiting",
                [step, passed.accepted, passed.sent, passed.failed],
            )?;
        }
        for (account, at) in std::mem::take(&mut self.account_use) {
            self.execute(
                "INSERT INTO account_use (account, at) VALUES (?1, ?2) \
                 ON CONFLICT DO UPDATE SET at = MAX(at, excluded.at)",
                params![account.0, at],
            )?;
        }
        self.flush_outcomes()?;
        if let Some(seq) = self.next_seq.take() {
            self.execute("UPDATE tally SET value = ?1 WHERE name = 'next_seq'", [seq])?;
        }
        Ok(())
    }

    fn flush_outcomes(&mut self) -> Result<(), StoreError> {
        if self.outcomes.is_empty() {
            return Ok(());
        }
        let mut number = self.tally("newest_outcome")?;
        for (id, kind, at) in std::mem::take(&mut self.outcomes) {
            number = number.saturating_add(1);
            self.execute(
                "INSERT INTO outcome (number, message, kind, at) VALUES (?1, ?2, ?3, ?4)",
                params![number, id.to_bytes().as_slice(), outcome_code(kind), at],
            )?;
        }
        self.execute("UPDATE tally SET value = ?1 WHERE name = 'newest_outcome'", [number])?;
        self.changes.push(Change::Outcomes);
        Ok(())
    }

    /// How much was written so far, to tell a command that wrote from one that did not.
    pub(super) fn written(&self) -> u64 {
        self.connection.total_changes()
    }
}

/// An attempt's id holds the message's seq and the attempt's number, so a message's attempts lie together, in order,
/// without an index of their own.
pub(super) const ATTEMPTS_PER_MESSAGE: i64 = 1 << 20;

pub(super) fn attempt_id(seq: i64, number: u32) -> i64 {
    seq * ATTEMPTS_PER_MESSAGE + i64::from(number).min(ATTEMPTS_PER_MESSAGE - 1)
}

pub(super) fn count_of(number: i64) -> u32 {
    u32::try_from(unsigned(number)).unwrap_or(u32::MAX)
}
