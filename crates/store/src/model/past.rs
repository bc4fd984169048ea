//! What went through, step by step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::HistoryPoint;
use crate::history::step_of;

#[derive(Debug, Clone, Copy)]
pub(super) enum Happened {
    Accepted,
    Sent,
    Failed,
}

#[derive(Debug, Default)]
pub(super) struct Past(BTreeMap<i64, HistoryPoint>);

impl Past {
    pub(super) fn add(&mut self, at: Timestamp, happened: Happened, waiting: u64) {
        let step = step_of(at);
        let begins = Timestamp::from_second(step).unwrap_or(at);
        let new = HistoryPoint { at: begins, accepted: 0, sent: 0, failed: 0, waiting };
        let point = self.0.entry(step).or_insert(new);
        point.waiting = waiting;
        *match happened {
            Happened::Accepted => &mut point.accepted,
            Happened::Sent => &mut point.sent,
            Happened::Failed => &mut point.failed,
        } += 1;
    }

    pub(super) fn between(&self, since: Timestamp, until: Timestamp) -> Vec<HistoryPoint> {
        self.0.values().filter(|point| point.at >= since && point.at < until).copied().collect()
    }

    pub(super) fn purge(&mut self, before: Timestamp) -> u64 {
        let all = self.0.len();
        self.0.retain(|_, point| point.at >= before);
        (all - self.0.len()).try_into().unwrap_or(u64::MAX)
    }
}
