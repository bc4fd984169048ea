//! A sum over a sliding span of time.
//!
//! Promise: never less than what was added within the span. What was added in one slice (a 300th of the span) leaves
//! together, so up to a slice late: the price of a bounded size.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// Coarse enough for 300 numbers a window, fine enough to waste a third of a percent.
const SLICES: i64 = 300;

#[derive(Debug)]
pub(super) struct Window {
    /// Microseconds.
    slice: i64,
    sum: u64,
    /// Number of the slice and what was added in it, oldest first.
    slices: VecDeque<(i64, u64)>,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self { slice: (span / SLICES).max(1), sum: 0, slices: VecDeque::new() }
    }

    /// A clock that was set back adds to the newest slice: early forgetting is what must not happen.
    pub(super) fn add(&mut self, amount: u64, at: Timestamp) {
        if amount == 0 {
            return;
        }
        let number = self.number(at);
        self.sum = self.sum.saturating_add(amount);
        match self.slices.back_mut() {
            Some((newest, added)) if *newest >= number => *added = added.saturating_add(amount),
            _ => self.slices.push_back((number, amount)),
        }
    }

    pub(super) fn sum(&mut self, now: Timestamp) -> u64 {
        let gone = self.number(now).saturating_sub(SLICES);
        while let Some((number, added)) = self.slices.front().copied().filter(|(number, _)| *number < gone) {
            debug_assert!(number < gone);
            self.sum = self.sum.saturating_sub(added);
            self.slices.pop_front();
        }
        self.sum
    }

    /// When the sum is `at_most` if nothing is added; now, if it is already.
    pub(super) fn falls_to(&mut self, at_most: u64, now: Timestamp) -> Timestamp {
        let mut left = self.sum(now);
        let mut when = now;
        for (number, added) in &self.slices {
            if left <= at_most {
                break;
            }
            left = left.saturating_sub(*added);
            let leaves = number.saturating_add(1 + SLICES).saturating_mul(self.slice);
            when = Timestamp::from_microsecond(leaves).unwrap_or(Timestamp::MAX);
        }
        when.max(now)
    }

    pub(super) fn is_empty(&mut self, now: Timestamp) -> bool {
        self.sum(now) == 0
    }

    fn number(&self, at: Timestamp) -> i64 {
        at.as_microsecond().div_euclid(self.slice)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_mins(10);

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_764_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn what_was_added_leaves_after_the_span_and_at_most_a_slice_later() {
        let mut window = Window::new(SPAN);
        window.add(3, at(500)); // slices are two seconds long
        assert_eq!(window.sum(at(600_499)), 3);
        assert_eq!(window.sum(at(601_999)), 3);
        assert_eq!(window.sum(at(602_000)), 0);
    }

    #[test]
    fn it_tells_when_it_will_have_fallen() {
        let mut window = Window::new(SPAN);
        window.add(3, at(0));
        window.add(4, at(10_000));
        assert_eq!(window.falls_to(7, at(20_000)), at(20_000));
        assert_eq!(window.falls_to(6, at(20_000)), at(602_000));
        assert_eq!(window.falls_to(0, at(20_000)), at(612_000));
        assert_eq!(window.sum(at(612_000)), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_forgets_nothing_early() {
        let mut window = Window::new(SPAN);
        window.add(1, at(100_000));
        window.add(1, at(0));
        assert_eq!(window.sum(at(699_999)), 2);
    }

    proptest! {
        #[test]
        fn never_less_than_was_added_in_the_span_and_never_more_than_in_a_slice_more(
            steps in proptest::collection::vec((0_i64..30_000, 1_u64..50), 1..200),
        ) {
            let mut window = Window::new(SPAN);
            let mut all: Vec<(Timestamp, u64)> = Vec::new();
            let mut now = at(0);
            for (wait, amount) in steps {
                now += SignedDuration::from_millis(wait);
                window.add(amount, now);
                all.push((now, amount));
                let since = |span: i64| -> u64 {
                    all.iter().filter(|(then, _)| now.duration_since(*then).as_millis() < i128::from(span)).map(|it| it.1).sum()
                };
                let sum = window.sum(now);
                prop_assert!(sum >= since(600_000));
                prop_assert!(sum <= since(602_001));
            }
        }
    }
}
