//! Who is here, and who has been knocking: sessions in all, by address, by account, and failed logins by address.
//!
//! Invariant: a place taken is given back when its guard is dropped, however the session ends; the book of failures
//! never holds more addresses than its limit.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use settings::AccountId;
use tokio::time::Instant;

use super::SmtpLimits;

#[derive(Debug)]
pub(super) struct Admission {
    total: Arc<Places<()>>,
    addresses: Arc<Places<IpAddr>>,
    accounts: Arc<Places<AccountId>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
    failure_limit: u32,
    failure_window: Duration,
    failure_addresses: usize,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Server,
    Address,
}

/// A session's places.
#[derive(Debug)]
pub(super) struct Admitted {
    _total: Place<()>,
    _address: Place<IpAddr>,
}

impl Admission {
    pub(super) fn new(limits: &SmtpLimits) -> Self {
        Self {
            total: Places::new(limits.connections),
            addresses: Places::new(limits.connections_per_ip),
            accounts: Places::new(limits.connections_per_account),
            failures: Mutex::default(),
            failure_limit: limits.login_failures_per_ip,
            failure_window: limits.login_failure_window,
            failure_addresses: limits.login_failure_addresses,
        }
    }

    pub(super) fn admit(&self, peer: IpAddr) -> Result<Admitted, Full> {
        let address = self.addresses.take(network_of(peer)).ok_or(Full::Address)?;
        let total = self.total.take(()).ok_or(Full::Server)?;
        Ok(Admitted { _total: total, _address: address })
    }

    /// A place for one more session of `account`.
    pub(super) fn admit_account(&self, account: &AccountId) -> Option<Place<AccountId>> {
        self.accounts.take(account.clone())
    }

    /// True when `peer` failed too often lately.
    pub(super) fn is_shut_out(&self, peer: IpAddr) -> bool {
        let failures = lock(&self.failures);
        failures
            .get(&network_of(peer))
            .is_some_and(|it| it.count >= self.failure_limit && it.since.elapsed() < self.failure_window)
    }

    pub(super) fn login_failed(&self, peer: IpAddr) {
        let mut failures = lock(&self.failures);
        if failures.len() >= self.failure_addresses {
            failures.retain(|_, it| it.since.elapsed() < self.failure_window);
        }
        // Still full: an attack from many networks. Forgetting one of them is cheaper than growing.
        if failures.len() >= self.failure_addresses {
            let any = failures.keys().next().copied();
            any.and_then(|address| failures.remove(&address));
        }
        let now = Instant::now();
        let entry = failures.entry(network_of(peer)).or_insert(Failures { count: 0, since: now });
        if entry.since.elapsed() >= self.failure_window {
            *entry = Failures { count: 0, since: now };
        }
        entry.count += 1;
    }
}

/// Whoever has one IPv6 address has its /64.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[derive(Debug)]
struct Places<K: Hash + Eq> {
    limit: u32,
    taken: Mutex<HashMap<K, u32>>,
}

impl<K: Hash + Eq + Clone> Places<K> {
    fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut taken = lock(&self.taken);
        let count = taken.get(&key).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        taken.insert(key.clone(), count + 1);
        Some(Place { places: Arc::clone(self), key })
    }
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place<K: Hash + Eq> {
    places: Arc<Places<K>>,
    key: K,
}

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

/// Counters stay true when a task that held the lock panicked: each change is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admission() -> Admission {
        Admission::new(&SmtpLimits {
            connections: 3,
            connections_per_ip: 2,
            connections_per_account: 1,
            login_failures_per_ip: 2,
            login_failure_addresses: 2,
            ..SmtpLimits::default()
        })
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let admission = admission();
        let first = admission.admit(ip("192.0.2.1")).unwrap();
        let second = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1")).unwrap_err(), Full::Address);
        let _third = admission.admit(ip("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Full::Server);
        drop(first);
        let _fourth = admission.admit(ip("192.0.2.3")).unwrap();
        drop(second);
        assert!(admission.admit(ip("192.0.2.1")).is_ok(), "a refusal must not have cost a place");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let admission = admission();
        let _first = admission.admit(ip("2001:db8::1")).unwrap();
        let _second = admission.admit(ip("2001:db8::2")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8::3")).unwrap_err(), Full::Address);
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn an_accounts_sessions_are_limited() {
        let admission = admission();
        let account = AccountId("erp".to_owned());
        let place = admission.admit_account(&account).unwrap();
        assert!(admission.admit_account(&account).is_none());
        drop(place);
        assert!(admission.admit_account(&account).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_shut_out_for_a_while_and_only_their_address() {
        let admission = admission();
        admission.login_failed(ip("192.0.2.1"));
        assert!(!admission.is_shut_out(ip("192.0.2.1")));
        admission.login_failed(ip("192.0.2.1"));
        assert!(admission.is_shut_out(ip("192.0.2.1")));
        assert!(!admission.is_shut_out(ip("192.0.2.2")));
        tokio::time::advance(SmtpLimits::default().login_failure_window).await;
        assert!(!admission.is_shut_out(ip("192.0.2.1")));
        admission.login_failed(ip("192.0.2.1"));
        assert!(!admission.is_shut_out(ip("192.0.2.1")), "old failures are forgotten, not added to");
    }

    #[tokio::test(start_paused = true)]
    async fn the_book_of_failures_does_not_grow() {
        let admission = admission();
        for host in 0..100 {
            admission.login_failed(IpAddr::from([192, 0, 2, host]));
            assert!(lock(&admission.failures).len() <= 2);
        }
    }
}
