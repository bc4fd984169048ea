//! How long a call may take, each figure with its reason.

use std::time::Duration;

/// The time limits of one attempt. Connecting has its own limit, in [`Network`](crate::Network).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Graph stores a draft and submits it before it answers: commonly under a second, tens of seconds when a mailbox is
    /// busy. Giving up early would turn slow successes into uncertain ones, so this is generous.
    pub answer: Duration,
    /// The slowest line worth supporting, in bytes per second: 64 KiB/s. A large message gets that much more time.
    pub slowest_bytes_per_second: u64,
    /// Reading the body of a refusal, which only improves words.
    pub error_body: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(90),
            slowest_bytes_per_second: 64 * 1024,
            error_body: Duration::from_secs(10),
        }
    }
}

impl Deadlines {
    /// From the start of the attempt to its answer, for a request body of this length.
    pub(crate) fn total(&self, request_bytes: u64) -> Duration {
        let upload = request_bytes.div_ceil(self.slowest_bytes_per_second.max(1));
        self.answer.saturating_add(Duration::from_secs(upload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_message_gets_the_time_a_slow_line_needs() {
        let deadlines = Deadlines::default();
        assert_eq!(deadlines.total(0), Duration::from_secs(90));
        assert_eq!(deadlines.total(4 * 1024 * 1024), Duration::from_secs(90 + 64));
    }
}
