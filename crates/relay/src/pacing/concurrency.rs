//! How many attempts at once: what the connection says, less what refusals taught.
//!
//! ```text
//!   throttled ─► half as many, at once         (once for all attempts that were under way together)
//!   accepted, GROW_AFTER times in a row ─► one more
//! ```
//!
//! Invariant: one is always allowed, and one of several stays free of large messages.

use jiff::Timestamp;

/// Accepted attempts in a row after which one more is tried.
const GROW_AFTER: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Concurrency {
    /// `None`: as many as the connection says.
    learned: Option<u32>,
    good: u32,
    halved_at: Option<Timestamp>,
    under_way: u32,
    large_under_way: u32,
}

impl Concurrency {
    fn allowed(&self, in_flight: u32) -> u32 {
        self.learned.map_or(in_flight, |learned| learned.min(in_flight)).max(1)
    }

    /// Attempts that may be started.
    pub(super) fn room(&self, in_flight: u32) -> u32 {
        self.allowed(in_flight).saturating_sub(self.under_way)
    }

    /// Of those, how many with a large message: its upload may take minutes, in which small mail wants to pass.
    pub(super) fn room_for_large(&self, in_flight: u32) -> u32 {
        let large = self.allowed(in_flight).saturating_sub(1).max(1);
        large.saturating_sub(self.large_under_way).min(self.room(in_flight))
    }

    pub(super) fn begin(&mut self, is_large: bool) {
        self.under_way = self.under_way.saturating_add(1);
        self.large_under_way = self.large_under_way.saturating_add(u32::from(is_large));
    }

    pub(super) fn end(&mut self, is_large: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.large_under_way = self.large_under_way.saturating_sub(u32::from(is_large));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// An attempt that was started before the last halving tells nothing about what was learned then.
    pub(super) fn throttled(&mut self, in_flight: u32, started_at: Timestamp, now: Timestamp) {
        self.good = 0;
        if self.halved_at.is_some_and(|halved| started_at <= halved) {
            return;
        }
        self.learned = Some((self.allowed(in_flight) / 2).max(1));
        self.halved_at = Some(now);
    }

    pub(super) fn accepted(&mut self, in_flight: u32) {
        let Some(learned) = self.learned else { return };
        self.good = self.good.saturating_add(1);
        if self.good >= GROW_AFTER {
            self.good = 0;
            let more = learned.saturating_add(1);
            self.learned = (more < in_flight).then_some(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_764_000_000 + seconds).unwrap()
    }

    #[test]
    fn refused_together_halves_once_and_refused_again_halves_again() {
        let mut concurrency = Concurrency::default();
        for _ in 0..8 {
            concurrency.throttled(8, at(0), at(1));
        }
        assert_eq!(concurrency.room(8), 4);
        concurrency.throttled(8, at(2), at(3));
        assert_eq!(concurrency.room(8), 2);
        for second in 4..20 {
            concurrency.throttled(8, at(second), at(second));
        }
        assert_eq!(concurrency.room(8), 1, "one is always allowed");
    }

    #[test]
    fn every_twenty_good_ones_allow_one_more_up_to_what_the_connection_says() {
        let mut concurrency = Concurrency::default();
        concurrency.throttled(3, at(0), at(1));
        for (good, expected) in [(19, 1), (1, 2), (19, 2), (1, 3), (100, 3)] {
            for _ in 0..good {
                concurrency.accepted(3);
            }
            assert_eq!(concurrency.room(3), expected);
        }
    }

    #[test]
    fn one_of_several_stays_free_of_large_messages() {
        for (in_flight, large) in [(1, 1), (2, 1), (3, 2), (10, 9)] {
            assert_eq!(Concurrency::default().room_for_large(in_flight), large, "{in_flight}");
        }
        let mut concurrency = Concurrency::default();
        concurrency.begin(true);
        concurrency.begin(true);
        assert_eq!((concurrency.room(3), concurrency.room_for_large(3)), (1, 0));
        concurrency.end(true);
        assert_eq!(concurrency.room_for_large(3), 1);
    }
}
