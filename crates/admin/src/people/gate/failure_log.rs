//! How many failed sign-ins are written to the audit log: enough to see an attack, too few to fill a disk.

use jiff::{SignedDuration, Timestamp};

/// Entries at once; afterwards one for each [`EVERY`].
const BURST: u32 = 20;
const EVERY: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug)]
pub(super) struct FailureLog {
    left: u32,
    filled_at: Option<Timestamp>,
    /// Left out since the last entry.
    omitted: u64,
}

impl Default for FailureLog {
    fn default() -> Self {
        Self { left: BURST, filled_at: None, omitted: 0 }
    }
}

impl FailureLog {
    /// `Some`: write it, and say that so many were left out before. `None`: leave it out.
    pub(super) fn admit(&mut self, now: Timestamp) -> Option<u64> {
        let since = self.filled_at.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
        let more = u32::try_from(since.as_secs() / EVERY.as_secs()).unwrap_or(0);
        if self.filled_at.is_none() || more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled_at = Some(now);
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.omitted = self.omitted.saturating_add(1);
            return None;
        };
        self.left = left;
        Some(std::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_written_as_a_few_entries_that_say_how_many_there_were() {
        let mut log = FailureLog::default();
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        assert_eq!((0..1000).filter(|_| log.admit(at(0)).is_some()).count(), 20);
        assert_eq!(log.admit(at(61)), Some(980));
        assert_eq!(log.admit(at(62)), None);
        assert_eq!(log.admit(at(121)), Some(1));
    }
}
