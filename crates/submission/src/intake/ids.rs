//! Message ids: unique, not to be guessed, and in one process in the order they were given out.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use mail::MessageId;

/// The low 80 bits of an id are random.
const RANDOM_BITS: u128 = (1 << 80) - 1;

#[derive(Debug, Default)]
pub(super) struct IdSource {
    last: Mutex<(u64, u128)>,
}

impl IdSource {
    /// Within one millisecond (or when the clock runs back) the next id is the last one plus one.
    pub(super) fn next(&self, now: Timestamp) -> Result<MessageId, getrandom::Error> {
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (millis, random) = *last;
        *last = if now > millis || random == RANDOM_BITS {
            (now.max(millis + 1), random_start()?)
        } else {
            (millis, random + 1)
        };
        Ok(MessageId::new(last.0, last.1))
    }
}

/// The top bit is left clear, so that counting up has room.
fn random_start() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes) & (RANDOM_BITS >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_runs_back() {
        let ids = IdSource::default();
        let millis = [5, 5, 5, 4, 6, 6, 1].map(|ms| Timestamp::from_millisecond(ms).unwrap());
        let given: Vec<MessageId> = millis.iter().map(|now| ids.next(*now).unwrap()).collect();
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
        assert_ne!(given[0], IdSource::default().next(millis[0]).unwrap(), "two processes do not meet");
    }
}
