//! Who is here, and who has been knocking: sessions in all, by address, by account, and failed logins by address.
//!
//! Invariant: a place taken is given back when its guard is dropped, however the session ends; the books of failures
//! never hold more entries than their limit, of a fixed size each.
//!
//! Failures are counted for an address with a user name, and for the address alone with a far higher limit. One count
//! for the address would let a single misconfigured program shut out everybody behind the same NAT.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
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
    failures: Book<IpAddr>,
    failures_of_user: Book<(IpAddr, u64)>,
    /// User names are kept as hashes under a key of this process: they are the peer's, of any length.
    names: RandomState,
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
            failures: Book::new(limits.login_failures_per_ip, limits),
            failures_of_user: Book::new(limits.login_failures_per_user, limits),
            names: RandomState::new(),
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

    /// True when logins from `peer` failed too often lately, whoever they were for.
    pub(super) fn is_shut_out(&self, peer: IpAddr) -> bool {
        self.failures.is_full(&network_of(peer))
    }

    /// True when logins from `peer` as `user` failed too often lately.
    pub(super) fn is_user_shut_out(&self, peer: IpAddr, user: &str) -> bool {
        self.failures_of_user.is_full(&(network_of(peer), self.names.hash_one(user)))
    }

    pub(super) fn login_failed(&self, peer: IpAddr, user: &str) {
        self.failures.add(network_of(peer));
        self.failures_of_user.add((network_of(peer), self.names.hash_one(user)));
    }
}

/// How often something failed within a window of time.
#[derive(Debug)]
struct Book<K> {
    entries: Mutex<HashMap<K, Failures>>,
    limit: u32,
    window: Duration,
    most_entries: usize,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl<K: Hash + Eq + Clone> Book<K> {
    fn new(limit: u32, limits: &SmtpLimits) -> Self {
        let (window, most_entries) = (limits.login_failure_window, limits.login_failure_entries);
        Self { entries: Mutex::default(), limit, window, most_entries }
    }

    fn is_full(&self, key: &K) -> bool {
        lock(&self.entries).get(key).is_some_and(|it| it.count >= self.limit && it.since.elapsed() < self.window)
    }

    fn add(&self, key: K) {
        let mut entries = lock(&self.entries);
        if entries.len() >= self.most_entries {
            entries.retain(|_, it| it.since.elapsed() < self.window);
        }
        // Still full: an attack from many networks. Forgetting one entry is cheaper than growing.
        if entries.len() >= self.most_entries {
            let any = entries.keys().next().cloned();
            any.and_then(|key| entries.remove(&key));
        }
        let now = Instant::now();
        let entry = entries.entry(key).or_insert(Failures { count: 0, since: now });
        if entry.since.elapsed() >= self.window {
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
            login_failures_per_ip: 3,
            login_failures_per_user: 2,
            login_failure_entries: 2,
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
    async fn failures_shut_a_user_out_for_a_while_and_only_at_their_address() {
        let (admission, here, there) = (admission(), ip("192.0.2.1"), ip("192.0.2.2"));
        admission.login_failed(here, "erp");
        assert!(!admission.is_user_shut_out(here, "erp"));
        admission.login_failed(here, "erp");
        assert!(admission.is_user_shut_out(here, "erp"));
        assert!(!admission.is_user_shut_out(here, "crm"), "others behind the same address go on");
        assert!(!admission.is_user_shut_out(there, "erp"), "a stranger cannot shut an account out");
        tokio::time::advance(SmtpLimits::default().login_failure_window).await;
        assert!(!admission.is_user_shut_out(here, "erp"));
        admission.login_failed(here, "erp");
        assert!(!admission.is_user_shut_out(here, "erp"), "old failures are forgotten, not added to");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_tries_many_names_is_shut_out() {
        let (admission, here) = (admission(), ip("192.0.2.1"));
        for name in ["a", "b"] {
            admission.login_failed(here, name);
            assert!(!admission.is_shut_out(here));
        }
        admission.login_failed(here, "c");
        assert!(admission.is_shut_out(here));
        assert!(!admission.is_shut_out(ip("192.0.2.2")));
    }

    #[tokio::test(start_paused = true)]
    async fn the_books_of_failures_do_not_grow() {
        let admission = admission();
        for host in 0..100 {
            admission.login_failed(IpAddr::from([192, 0, 2, host]), "erp");
            assert!(lock(&admission.failures.entries).len() <= 2);
            assert!(lock(&admission.failures_of_user.entries).len() <= 2);
        }
    }
}
