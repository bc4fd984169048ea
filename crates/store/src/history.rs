//! What went through, over time.

use jiff::Timestamp;
use serde::Serialize;

/// One step of time in which something happened. Steps in which nothing did are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HistoryPoint {
    /// Where the step begins; a step is [`HISTORY_STEP_SECONDS`] long and begins at a multiple of that.
    pub at: Timestamp,
    /// Messages that came in.
    pub accepted: u64,
    /// Messages that became sent.
    pub sent: u64,
    /// Messages that became failed.
    pub failed: u64,
    /// Messages queued or being sent when one last came in, was sent or failed in this step.
    pub waiting: u64,
}

/// Fine enough for the last hour's picture, coarse enough that a year is a hundred thousand rows.
pub const HISTORY_STEP_SECONDS: i64 = 300;

/// Where the step that `at` lies in begins, in seconds since 1970.
pub(crate) fn step_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HISTORY_STEP_SECONDS) * HISTORY_STEP_SECONDS
}

/// Steps begin at whole seconds: one begins at or after `time` if it does so at or after this second.
pub(crate) fn first_step_from(time: Timestamp) -> i64 {
    time.as_second().saturating_add(i64::from(time.subsec_nanosecond() > 0))
}
