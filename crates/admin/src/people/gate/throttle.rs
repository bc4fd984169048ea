//! One kind of counter: recent failures by key, and how long the key has to wait for them.
//!
//! Promise: only failures count, and they fade: one every [`FADE`]. The wait grows with each and has a limit, so nobody
//! is locked out for good. Memory is bounded: the key with the fewest failures is forgotten first.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::{SignedDuration, Timestamp};

/// After this long one failure is forgotten.
const FADE: SignedDuration = SignedDuration::from_mins(5);
/// Keys remembered for each kind of counter.
const MAX_KEYS: usize = 4096;

/// How many failures are nobody's business, and how long the wait gets at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub free: u32,
    pub longest: SignedDuration,
}

#[derive(Debug)]
pub(super) struct Throttle<K> {
    patience: Patience,
    failures: HashMap<K, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    fn at(self, now: Timestamp) -> u32 {
        let faded = now.duration_since(self.last).as_secs().max(0) / FADE.as_secs();
        self.count.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }
}

impl<K: Hash + Eq + Copy> Throttle<K> {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, failures: HashMap::new() }
    }

    /// How long the key still has to wait.
    pub(super) fn wait(&self, key: K, now: Timestamp) -> Option<SignedDuration> {
        let failures = self.failures.get(&key)?;
        let beyond = failures.at(now).checked_sub(self.patience.free)?;
        // One second, then twice as long each time.
        let seconds = 1_i64.checked_shl(beyond.min(30)).unwrap_or(i64::MAX);
        let wait = SignedDuration::from_secs(seconds).min(self.patience.longest);
        let left = wait - now.duration_since(failures.last);
        left.is_positive().then_some(left)
    }

    pub(super) fn has_failed(&self, key: K, now: Timestamp) -> bool {
        self.failures.get(&key).is_some_and(|failures| failures.at(now) > 0)
    }

    pub(super) fn failed(&mut self, key: K, now: Timestamp) {
        let count = self.failures.get(&key).map_or(0, |failures| failures.at(now));
        self.make_room(now);
        self.failures.insert(key, Failures { count: count.saturating_add(1), last: now });
    }

    /// Takes one failure back.
    pub(super) fn forgive(&mut self, key: K) {
        if let Some(failures) = self.failures.get_mut(&key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.failures.len() < MAX_KEYS {
            return;
        }
        self.failures.retain(|_, failures| failures.at(now) > 0);
        let fewest = self.failures.iter().min_by_key(|(_, failures)| (failures.at(now), failures.last));
        if self.failures.len() >= MAX_KEYS
            && let Some(key) = fewest.map(|(key, _)| *key)
        {
            self.failures.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn throttle() -> Throttle<u64> {
        Throttle::new(Patience { free: 3, longest: SignedDuration::from_secs(60) })
    }

    #[test]
    fn the_wait_grows_with_each_failure_up_to_its_limit_and_fades() {
        let mut throttle = throttle();
        let mut waits = Vec::new();
        for _ in 0..11 {
            throttle.failed(1, at(0));
            waits.push(throttle.wait(1, at(0)).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(throttle.wait(1, at(59)).unwrap().as_secs(), 1);
        assert_eq!(throttle.wait(1, at(60)), None, "it ends");
        assert_eq!(throttle.wait(2, at(0)), None, "others do not wait");
        assert!(throttle.has_failed(1, at(10 * 300)) && !throttle.has_failed(1, at(11 * 300)));
    }

    #[test]
    fn what_is_forgiven_does_not_count() {
        let mut throttle = throttle();
        for _ in 0..20 {
            throttle.failed(1, at(0));
            throttle.forgive(1);
        }
        assert_eq!(throttle.wait(1, at(0)), None);
    }

    #[test]
    fn a_flood_of_keys_pushes_out_no_key_that_failed_more() {
        let mut throttle = throttle();
        for _ in 0..5 {
            throttle.failed(0, at(0));
        }
        for key in 1..3 * 4096 {
            throttle.failed(key, at(1));
        }
        assert_eq!(throttle.failures.len(), MAX_KEYS);
        assert!(throttle.wait(0, at(1)).is_some());
    }
}
