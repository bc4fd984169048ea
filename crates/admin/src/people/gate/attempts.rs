//! Who may try now: throttling without lock-out.
//!
//! Three counters stand between a guesser and a user:
//!
//! - *network*: failures of anybody from this network; stops one who tries many names.
//! - *name*: failures for this name from anywhere; stops one who guesses from many networks. It does not hold for a
//!   network without failures of its own: its first attempt is always checked.
//! - *known*: where a user signed in from before, only failures for this name from this very address count. So a
//!   stranger can fail as often as they like, and the right password still opens.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};

use super::throttle::{Patience, Throttle};

/// An office behind one address mistypes now and then.
const NETWORK: Patience = Patience { free: 20, longest: SignedDuration::from_mins(15) };
const NAME: Patience = Patience { free: 5, longest: SignedDuration::from_secs(30) };
const KNOWN: Patience = Patience { free: 5, longest: SignedDuration::from_secs(60) };
/// Three of a million codes are right at any time: 100 tries an hour find one in a year.
const CODE: Patience = Patience { free: 5, longest: SignedDuration::from_mins(5) };
/// How long an address stays known, and how many are.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
const MAX_KNOWN: usize = 4096;

/// Whose attempt, and from where.
#[derive(Debug, Clone, Copy)]
pub(in crate::people) struct Subject {
    name: u64,
    peer: IpAddr,
    is_known: bool,
}

#[derive(Debug)]
pub(super) struct Attempts {
    /// Names are kept as numbers nobody outside can foresee: any text of any length may be tried.
    hasher: RandomState,
    networks: Throttle<IpAddr>,
    names: Throttle<u64>,
    known: Throttle<(u64, IpAddr)>,
    codes: Throttle<u64>,
    /// When somebody last signed in under this name from this address.
    signed_in: HashMap<(u64, IpAddr), Timestamp>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            networks: Throttle::new(NETWORK),
            names: Throttle::new(NAME),
            known: Throttle::new(KNOWN),
            codes: Throttle::new(CODE),
            signed_in: HashMap::new(),
        }
    }
}

impl Attempts {
    pub(super) fn subject(&self, name: &str, peer: IpAddr, has_session_from_there: bool, now: Timestamp) -> Subject {
        let peer = peer.to_canonical();
        let name = self.hasher.hash_one(name.trim().to_lowercase());
        let signed_in = self.signed_in.get(&(name, peer));
        let is_known = has_session_from_there || signed_in.is_some_and(|at| now.duration_since(*at) < KNOWN_FOR);
        Subject { name, peer, is_known }
    }

    /// Counts the attempt as failed, or says how long to wait.
    pub(super) fn begin(&mut self, subject: &Subject, now: Timestamp) -> Result<(), SignedDuration> {
        let network = network(subject.peer);
        let wait = if subject.is_known {
            self.known.wait((subject.name, subject.peer), now)
        } else {
            let name = self.names.wait(subject.name, now).filter(|_| self.networks.has_failed(network, now));
            self.networks.wait(network, now).max(name)
        };
        if let Some(wait) = wait {
            return Err(wait);
        }
        if subject.is_known {
            self.known.failed((subject.name, subject.peer), now);
        } else {
            self.names.failed(subject.name, now);
            self.networks.failed(network, now);
        }
        Ok(())
    }

    pub(super) fn begin_code(&mut self, subject: &Subject, now: Timestamp) -> Result<(), SignedDuration> {
        // From a known address the password's own counter holds, as it does for strangers besides this one.
        if subject.is_known {
            return Ok(());
        }
        if let Some(wait) = self.codes.wait(subject.name, now) {
            return Err(wait);
        }
        self.codes.failed(subject.name, now);
        Ok(())
    }

    pub(super) fn forgive_code(&mut self, subject: &Subject) {
        if !subject.is_known {
            self.codes.forgive(subject.name);
        }
    }

    pub(super) fn forgive(&mut self, subject: &Subject) {
        if subject.is_known {
            self.known.forgive((subject.name, subject.peer));
        } else {
            self.names.forgive(subject.name);
            self.networks.forgive(network(subject.peer));
        }
    }

    pub(super) fn succeeded(&mut self, subject: &Subject, now: Timestamp) {
        self.forgive(subject);
        if self.signed_in.len() >= MAX_KNOWN
            && let Some(oldest) = self.signed_in.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.signed_in.remove(&oldest);
        }
        self.signed_in.insert((subject.name, subject.peer), now);
    }
}

/// What one customer of a provider has: a /24 of IPv4, a /48 of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8))),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn fails(attempts: &mut Attempts, name: &str, peer: &str, now: Timestamp) -> Result<(), SignedDuration> {
        let subject = attempts.subject(name, peer.parse().unwrap(), false, now);
        attempts.begin(&subject, now)
    }

    #[test]
    fn a_network_that_tries_many_names_waits() {
        let mut attempts = Attempts::default();
        let tried =
            (0..100).take_while(|n| fails(&mut attempts, &format!("n{n}"), &format!("192.0.2.{n}"), at(0)).is_ok());
        assert_eq!(tried.count(), 20);
        assert!(fails(&mut attempts, "anna", "192.0.2.200", at(0)).is_err(), "any address of the network");
        assert!(fails(&mut attempts, "anna", "198.51.100.1", at(0)).is_ok(), "and no other");
    }

    #[test]
    fn a_name_that_is_guessed_from_many_networks_is_slow_for_those_that_failed() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            assert!(fails(&mut attempts, "anna", &format!("198.51.{n}.1"), at(0)).is_ok(), "the first of each");
        }
        assert!(fails(&mut attempts, "anna", "198.51.0.1", at(1)).is_err());
        assert!(fails(&mut attempts, "ANNA ", "198.51.0.1", at(1)).is_err(), "however it is spelt");
        assert!(fails(&mut attempts, "anna", "203.0.113.1", at(1)).is_ok(), "a new network's first try is checked");
        assert!(fails(&mut attempts, "anna", "198.51.0.1", at(60)).is_ok(), "it ends");
    }

    #[test]
    fn where_one_signed_in_from_before_strangers_failures_do_not_count() {
        let mut attempts = Attempts::default();
        let home = "192.0.2.7".parse().unwrap();
        let subject = attempts.subject("anna", home, false, at(0));
        attempts.begin(&subject, at(0)).unwrap();
        attempts.succeeded(&subject, at(0));
        for n in 0..200 {
            let _ = fails(&mut attempts, "anna", "192.0.2.8", at(n)); // the same network even
        }
        assert!(fails(&mut attempts, "anna", "192.0.2.8", at(200)).is_err());
        let known = attempts.subject("anna", home, false, at(200));
        assert!(attempts.begin(&known, at(200)).is_ok());
        for _ in 0..5 {
            let _ = attempts.begin(&known, at(200));
        }
        assert!(attempts.begin(&known, at(200)).is_err(), "but one's own do");
        let later = attempts.subject("anna", home, false, at(31 * 24 * 3600));
        assert!(!later.is_known, "and after a month it is a stranger's address again");
    }

    #[test]
    fn neighbours_of_one_provider_are_one_network() {
        for (a, b, same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:1:2::1", "2001:db8:1:ffff::1", true),
            ("2001:db8:1::1", "2001:db8:2::1", false),
        ] {
            assert_eq!(network(a.parse().unwrap()) == network(b.parse().unwrap()), same, "{a} {b}");
        }
    }
}
