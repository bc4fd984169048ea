//! Sign-ins under way, in memory: whoever restarts the gateway begins them again.
//!
//! Invariant: at most [`MAX_FLOWS`] are kept, each for ten minutes and for the console session that began it; one in a
//! browser is taken out by the first callback that names its state, whatever comes of it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use entra::{DeviceCode, MailScope};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use settings::ConnectionId;
use subtle::ConstantTimeEq as _;
use url::Url;

/// More than ever sign in at once; beyond it the oldest is forgotten.
const MAX_FLOWS: usize = 64;
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// See the module. One for the whole console.
#[derive(Debug, Default)]
pub struct Flows {
    pending: Mutex<VecDeque<Flow>>,
}

#[derive(Debug, Clone)]
pub(super) struct Flow {
    /// The `state` of a browser's sign-in, or our name for a device's.
    pub key: SecretString,
    pub connection: ConnectionId,
    pub session_digest: String,
    pub began_at: Timestamp,
    pub scope: MailScope,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Browser { redirect_uri: Url, verifier: SecretString },
    Device { code: Box<DeviceCode>, interval: SignedDuration, ask_at: Timestamp },
}

impl Flows {
    pub(super) fn add(&self, flow: Flow, now: Timestamp) {
        let mut pending = self.live(now);
        if pending.len() >= MAX_FLOWS {
            pending.pop_front();
        }
        pending.push_back(flow);
    }

    /// Takes the sign-in out: its key is good once.
    pub(super) fn take(&self, key: &str, session_digest: &str, now: Timestamp) -> Option<Flow> {
        let mut pending = self.live(now);
        let index = pending.iter().position(|flow| same(flow.key.expose_secret(), key))?;
        pending.remove(index).filter(|flow| same(&flow.session_digest, session_digest))
    }

    /// Looks at the sign-in, and changes it, where it stands.
    pub(super) fn with<T>(
        &self,
        key: &str,
        session_digest: &str,
        now: Timestamp,
        look: impl FnOnce(&mut Flow) -> T,
    ) -> Option<T> {
        let mut pending = self.live(now);
        let mine = |flow: &&mut Flow| same(flow.key.expose_secret(), key) && same(&flow.session_digest, session_digest);
        pending.iter_mut().find(mine).map(look)
    }

    fn live(&self, now: Timestamp) -> MutexGuard<'_, VecDeque<Flow>> {
        // Every change is one call of the queue: a panic elsewhere cannot leave it half made.
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|flow| flow.began_at.duration_until(now) < LIFETIME);
        pending
    }
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn flow(key: &str, session: &str, began: i64) -> Flow {
        Flow {
            key: key.into(),
            connection: ConnectionId("c".into()),
            session_digest: session.into(),
            began_at: at(began),
            scope: MailScope::default(),
            kind: Kind::Browser { redirect_uri: "https://gate.test/cb".parse().unwrap(), verifier: "verifier".into() },
        }
    }

    #[test]
    fn a_state_works_once_in_its_own_session_and_for_ten_minutes() {
        let flows = Flows::default();
        flows.add(flow("one", "anna", 0), at(0));
        assert!(flows.take("one", "anna", at(599)).is_some());
        assert!(flows.take("one", "anna", at(599)).is_none(), "once");
        flows.add(flow("two", "anna", 0), at(0));
        assert!(flows.take("two", "otto", at(1)).is_none(), "somebody else's session");
        assert!(flows.take("two", "anna", at(1)).is_none(), "the attempt has used it up");
        flows.add(flow("three", "anna", 0), at(0));
        assert!(flows.take("three", "anna", at(600)).is_none(), "too late");
    }

    #[test]
    fn the_number_of_sign_ins_under_way_is_bounded_and_the_oldest_goes() {
        let flows = Flows::default();
        for index in 0..=MAX_FLOWS {
            flows.add(flow(&index.to_string(), "anna", 0), at(0));
        }
        assert_eq!(flows.live(at(0)).len(), MAX_FLOWS);
        assert!(flows.take("0", "anna", at(0)).is_none());
        assert!(flows.take("1", "anna", at(0)).is_some());
    }

    #[test]
    fn no_secret_of_a_sign_in_is_shown() {
        let flows = Flows::default();
        flows.add(flow("the-state", "anna", 0), at(0));
        let shown = format!("{flows:?}");
        assert!(!shown.contains("the-state") && !shown.contains("\"verifier\""), "{shown}");
    }
}
