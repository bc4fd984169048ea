//! A sum over a sliding window of time, kept in sixty slices.

use std::collections::VecDeque;
use std::time::Duration;

const SLICES: u32 = 60;

/// What was counted in the last `span`. Instants are durations since any fixed point.
#[derive(Debug)]
pub(crate) struct Window {
    slice: Duration,
    sum: u64,
    /// Slice number and what was counted in it, oldest first.
    slices: VecDeque<(u128, u64)>,
}

impl Window {
    pub(crate) fn new(span: Duration) -> Self {
        Self { slice: (span / SLICES).max(Duration::from_millis(1)), sum: 0, slices: VecDeque::new() }
    }

    /// Counts `amount`, also when that is over a limit: Graph counts throttled requests too.
    pub(crate) fn add(&mut self, amount: u64, now: Duration) {
        let number = self.number(now);
        self.forget(number);
        self.sum += amount;
        match self.slices.back_mut() {
            Some((newest, counted)) if *newest == number => *counted += amount,
            _ => self.slices.push_back((number, amount)),
        }
    }

    pub(crate) fn sum(&mut self, now: Duration) -> u64 {
        let number = self.number(now);
        self.forget(number);
        self.sum
    }

    /// How long until the oldest slice leaves the window.
    pub(crate) fn until_room(&self, now: Duration) -> Duration {
        let Some((oldest, _)) = self.slices.front() else { return Duration::ZERO };
        let leaves = u32::try_from(*oldest + u128::from(SLICES)).map_or(now, |number| self.slice * number);
        leaves.saturating_sub(now).max(self.slice)
    }

    fn number(&self, now: Duration) -> u128 {
        now.as_nanos() / self.slice.as_nanos().max(1)
    }

    fn forget(&mut self, number: u128) {
        while let Some((oldest, counted)) = self.slices.front().copied() {
            if oldest + u128::from(SLICES) > number {
                break;
            }
            self.sum -= counted;
            self.slices.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_leaves_after_the_span() {
        let mut window = Window::new(Duration::from_mins(1));
        window.add(3, Duration::from_secs(5));
        window.add(4, Duration::from_secs(30));
        assert_eq!(window.sum(Duration::from_secs(64)), 7, "the first slice is still inside");
        assert_eq!(window.sum(Duration::from_secs(65)), 4);
        assert_eq!(window.sum(Duration::from_secs(90)), 0);
    }

    #[test]
    fn room_comes_when_the_oldest_slice_leaves() {
        let mut window = Window::new(Duration::from_mins(1));
        window.add(1, Duration::from_secs(10));
        let wait = window.until_room(Duration::from_secs(50));
        assert_eq!(wait, Duration::from_secs(20));
        assert_eq!(window.sum(Duration::from_secs(50) + wait), 0);
    }
}
