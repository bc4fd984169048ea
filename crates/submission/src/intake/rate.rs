//! Messages a minute for each account: a bucket that holds one minute's worth and fills evenly.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use settings::{Account, AccountId};

use super::{Refusal, refusal};

/// A full bucket says nothing that an absent one does not: when there are more than that, full ones are dropped.
const MAX_BUCKETS: usize = 4096;
const MINUTE_MILLIS: u64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    buckets: Mutex<HashMap<AccountId, Bucket>>,
}

/// The bucket counts what is used, so a changed limit takes effect at once.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In messages × 60,000: a limit of `n` a minute drains `n` of it every millisecond.
    used: u64,
    at: Timestamp,
}

impl Bucket {
    fn drained(self, per_minute: u64, now: Timestamp) -> u64 {
        let elapsed = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(0);
        self.used.saturating_sub(elapsed.saturating_mul(per_minute))
    }
}

impl RateLimiter {
    /// Takes one message of the account's rate, or says when the next may come.
    pub(super) fn take(&self, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        let Some(limit) = account.messages_per_minute else { return Ok(()) };
        let per_minute = u64::from(limit.max(1));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|_, bucket| now.duration_since(bucket.at).as_millis() < i128::from(MINUTE_MILLIS));
        }
        let used = buckets.get(&account.id).map_or(0, |bucket| bucket.drained(per_minute, now));
        let after = used + MINUTE_MILLIS;
        let capacity = per_minute * MINUTE_MILLIS;
        if after > capacity {
            let wait = Duration::from_millis((after - capacity).div_ceil(per_minute));
            return Err(refusal::rate_limited(&account.name, limit, wait));
        }
        buckets.insert(account.id.clone(), Bucket { used: after, at: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::RefusalKind;

    fn account(messages_per_minute: Option<u32>) -> Account {
        Account {
            id: AccountId("a1".into()),
            name: "erp".into(),
            password_hash: None,
            token_digest: None,
            allowed_senders: Vec::new(),
            networks: Vec::new(),
            messages_per_minute,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_minutes_worth_goes_at_once_and_then_one_at_a_time() {
        let rates = RateLimiter::default();
        let account = account(Some(3));
        for _ in 0..3 {
            assert!(rates.take(&account, at(0)).is_ok());
        }
        let refused = rates.take(&account, at(0)).unwrap_err();
        assert_eq!(refused.kind, RefusalKind::RateLimited { retry_after: Duration::from_secs(20) });
        assert!(rates.take(&account, at(19_999)).is_err());
        assert!(rates.take(&account, at(20_000)).is_ok(), "the announced wait is enough");
        assert!(rates.take(&account, at(20_000)).is_err());
    }

    #[test]
    fn a_clock_that_runs_back_gives_nothing_and_takes_nothing() {
        let rates = RateLimiter::default();
        let account = account(Some(1));
        assert!(rates.take(&account, at(60_000)).is_ok());
        assert!(rates.take(&account, at(0)).is_err());
        assert!(rates.take(&account, at(120_000)).is_ok());
    }

    #[test]
    fn no_limit_is_no_limit() {
        let rates = RateLimiter::default();
        assert!((0..10_000).all(|_| rates.take(&account(None), at(0)).is_ok()));
    }
}
