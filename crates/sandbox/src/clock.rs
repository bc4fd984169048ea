//! The tenant's clock: the machine's, moved forward when asked to.
//!
//! Promise: whatever the tenant judges by time (tokens, codes, secrets, windows of limits) asks this clock, so that
//! ninety days can pass in a test without waiting. It never goes back.
//!
//! Left to others: how long a request takes to answer, which is always real time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// The furthest the clock may be moved: a hundred years.
const MAX_ADVANCED_SECONDS: u64 = 100 * 366 * 24 * 3600;

/// A clock that can be moved forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    advanced_seconds: AtomicU64,
}

impl Clock {
    /// The moment it is in the tenant.
    pub(crate) fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.advanced()).unwrap_or(now)
    }

    /// How far ahead of the machine's clock this one is.
    pub(crate) fn advanced(&self) -> Duration {
        Duration::from_secs(self.advanced_seconds.load(Ordering::Relaxed))
    }

    /// Moves the clock forward. Beyond a hundred years it stays where it is.
    pub(crate) fn advance(&self, seconds: u64) {
        let moved = |old: u64| Some(old.saturating_add(seconds).min(MAX_ADVANCED_SECONDS));
        // The closure always answers, so this cannot fail.
        let _ = self.advanced_seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }
}
