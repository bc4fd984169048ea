//! When to try again: exponential back-off with jitter, as arithmetic without clock or random source.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Doubles from `first` to `cap`, then spreads each wait by up to a quarter to either side, so that what failed
/// together does not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub cap: Duration,
}

impl Backoff {
    /// The wait after the `failures`-th failure in a row (the first is 1). `random` is uniform in 0..1.
    pub fn wait(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let plain = self.first.saturating_mul(1 << doublings).min(self.cap);
        plain.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0))
    }
}

/// Saturating, as both ends of time are far.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

pub(crate) fn before(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5), cap: Duration::from_mins(15) };

    #[test]
    fn waits_double_up_to_the_cap() {
        for (failures, seconds) in [
            (0, 5), // asked before any failure: the shortest wait
            (1, 5),
            (2, 10),
            (5, 80),
            (9, 900),        // 1280 s would be past the cap
            (u32::MAX, 900), // years of failures do not overflow
        ] {
            assert_eq!(BACKOFF.wait(failures, 0.5), Duration::from_secs(seconds), "{failures}");
        }
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        assert_eq!(BACKOFF.wait(2, 0.0), Duration::from_millis(7_500));
        assert_eq!(BACKOFF.wait(2, 1.0), Duration::from_millis(12_500));
    }
}
