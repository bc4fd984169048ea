//! The right of one attempt to spend what it was given.

use std::sync::Arc;

use jiff::Timestamp;
use settings::ConnectionId;

use super::day::Day;
use super::door::Door;
use super::{Kind, Need};
use crate::attempt::AttemptEnd;
use crate::{Clock, LaneVerdict};

/// Given back when it is dropped; an attempt that was cut off counts as if it had used all of it.
pub(crate) struct Ticket {
    pub(super) connection: ConnectionId,
    pub(super) door: Arc<Door>,
    pub(super) recipients: Arc<Day>,
    pub(super) external: Option<Arc<Day>>,
    /// For each recipient of the attempt.
    pub(super) is_external: Vec<bool>,
    pub(super) need: Need,
    /// What of `need` was used, of what is only known at the end.
    pub(super) mailed: u64,
    pub(super) mailed_outside: u64,
    pub(super) in_flight: u32,
    pub(super) started_at: Timestamp,
    pub(super) clock: Clock,
}

impl Ticket {
    /// The attempt has ended: only whom it mailed, or may have, counts for the day.
    pub(crate) fn settle(mut self, end: &AttemptEnd) {
        let count = |mailed: usize| u64::try_from(mailed).unwrap_or(u64::MAX);
        let outside =
            end.mailed.iter().zip(&self.is_external).filter(|(mailed, external)| **mailed && **external).count();
        self.mailed = count(end.mailed.iter().filter(|mailed| **mailed).count()).min(self.need.recipients);
        self.mailed_outside = count(outside).min(self.need.external);
        if matches!(end.lane, LaneVerdict::Throttled(_)) {
            metrics::counter!("postern_throttled_total", "connection" => self.connection.to_string()).increment(1);
        }
        self.door.learn(end.lane, self.in_flight, self.started_at, (self.clock)());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = (self.clock)();
        self.recipients.settle(self.need.of(Kind::Recipients), self.mailed, self.started_at, now);
        if let Some(external) = &self.external {
            external.settle(self.need.of(Kind::External), self.mailed_outside, self.started_at, now);
        }
        self.door.settle(&self.need, now);
    }
}
