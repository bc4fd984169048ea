//! So much in any span of time: what is spent, what is under way, and when there is room again.
//!
//! Promise: whenever the other side counts what it was sent within the span, it counts no more than the limit. What an
//! attempt may use is held from before its first byte until its end, and only then ages: the other side counted it at
//! some moment between the two.

use std::time::Duration;

use jiff::Timestamp;
use store::Priority;

use super::window::Window;

/// One part in so many is kept for messages of high priority, so that a newsletter does not make a password reset wait
/// for the window to move on.
const RESERVED_PART: u64 = 100;

#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    window: Window,
    held: u64,
}

impl Budget {
    pub(super) fn new(limit: u64, span: Duration) -> Self {
        Self { limit, window: Window::new(span), held: 0 }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// What was spent stays spent.
    pub(super) fn change_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn used(&mut self, now: Timestamp) -> u64 {
        self.window.sum(now).saturating_add(self.held)
    }

    pub(super) fn room(&mut self, priority: Priority, now: Timestamp) -> u64 {
        self.usable(priority).saturating_sub(self.used(now))
    }

    /// What costs more than there ever is has room when nothing else was spent.
    pub(super) fn has_room(&mut self, amount: u64, priority: Priority, now: Timestamp) -> bool {
        amount.min(self.usable(priority)) <= self.room(priority, now)
    }

    /// When there is room for that much if nothing else is spent; `None`: not before something under way has ended.
    pub(super) fn room_at(&mut self, amount: u64, priority: Priority, now: Timestamp) -> Option<Timestamp> {
        let usable = self.usable(priority);
        let at_most = usable.checked_sub(amount.min(usable))?.checked_sub(self.held)?;
        Some(self.window.falls_to(at_most, now))
    }

    pub(super) fn hold(&mut self, amount: u64) {
        self.held = self.held.saturating_add(amount);
    }

    /// Of what was held, so much was used.
    pub(super) fn settle(&mut self, held: u64, used: u64, now: Timestamp) {
        self.held = self.held.saturating_sub(held);
        self.window.add(used, now);
    }

    /// Spent before this process was asked.
    pub(super) fn assume(&mut self, amount: u64, at: Timestamp) {
        self.window.add(amount, at);
    }

    pub(super) fn is_unused(&mut self, now: Timestamp) -> bool {
        self.held == 0 && self.window.is_empty(now)
    }

    fn usable(&self, priority: Priority) -> u64 {
        if priority == Priority::High { self.limit } else { self.limit - self.limit / RESERVED_PART }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_mins(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_764_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_is_under_way_does_not_age_before_it_ends() {
        let mut budget = Budget::new(10, SPAN);
        budget.hold(10);
        assert_eq!(budget.room(Priority::Normal, at(10_000)), 0, "however long it takes");
        assert_eq!(budget.room_at(1, Priority::Normal, at(10_000)), None);
        budget.settle(10, 10, at(10_000));
        assert_eq!(budget.room_at(1, Priority::Normal, at(10_001)), Some(at(10_602)));
    }

    #[test]
    fn what_was_held_and_not_used_is_free_again() {
        let mut budget = Budget::new(10, SPAN);
        budget.hold(10);
        budget.settle(10, 3, at(0));
        assert_eq!(budget.room(Priority::Normal, at(1)), 7);
    }

    #[test]
    fn the_hundredth_part_is_kept_for_what_is_urgent() {
        let mut budget = Budget::new(1_000, SPAN);
        budget.assume(990, at(0));
        assert_eq!(budget.room(Priority::Normal, at(1)), 0);
        assert_eq!(budget.room(Priority::Bulk, at(1)), 0);
        assert_eq!(budget.room(Priority::High, at(1)), 10);
    }

    #[test]
    fn what_costs_more_than_there_ever_is_goes_when_nothing_else_was_spent() {
        let mut budget = Budget::new(100, SPAN);
        assert!(budget.has_room(500, Priority::Normal, at(0)));
        budget.assume(1, at(0));
        assert!(!budget.has_room(500, Priority::Normal, at(1)));
        assert_eq!(budget.room_at(500, Priority::Normal, at(1)), Some(at(602)));
    }
}
