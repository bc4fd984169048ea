//! Things handed out under a name nobody can guess.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::state::lock;
use crate::{digest, guid};

/// Of each kind; a client that signs in without end must not grow us.
const MAX_KEPT: usize = 20_000;

type Digest = [u8; 32];

#[derive(Debug)]
struct Kept<T> {
    by_digest: HashMap<Digest, T>,
    /// Oldest first; what was taken is still named here until its turn comes.
    order: VecDeque<Digest>,
}

/// Values by the digest of the handle their holder has.
#[derive(Debug)]
pub(crate) struct Issued<T> {
    kept: Mutex<Kept<T>>,
}

impl<T> Default for Issued<T> {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { by_digest: HashMap::new(), order: VecDeque::new() }) }
    }
}

impl<T: Clone> Issued<T> {
    /// Keeps `value` and returns its handle, which begins with `prefix`.
    pub(in crate::entra) fn hand_out(&self, prefix: &str, value: T) -> String {
        let (first, second) = (guid::random_u128().to_be_bytes(), guid::random_u128().to_be_bytes());
        let handle = format!("{prefix}{}", URL_SAFE_NO_PAD.encode([first, second].concat()));
        let digest = digest::sha256(handle.as_bytes());
        let mut kept = lock(&self.kept);
        kept.by_digest.insert(digest, value);
        kept.order.push_back(digest);
        while kept.order.len() > MAX_KEPT {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.by_digest.remove(&oldest);
        }
        handle
    }

    pub(in crate::entra) fn find(&self, handle: &str) -> Option<T> {
        lock(&self.kept).by_digest.get(&digest::sha256(handle.as_bytes())).cloned()
    }

    /// Finds a value and forgets it.
    pub(in crate::entra) fn take(&self, handle: &str) -> Option<T> {
        lock(&self.kept).by_digest.remove(&digest::sha256(handle.as_bytes()))
    }

    /// Looks at a value and may change it, in one step that no other request can come between.
    pub(in crate::entra) fn with<R>(&self, handle: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        lock(&self.kept).by_digest.get_mut(&digest::sha256(handle.as_bytes())).map(change)
    }

    /// The same for the one value that `is_wanted` picks.
    pub(in crate::entra) fn with_first<R>(
        &self,
        is_wanted: impl Fn(&T) -> bool,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        lock(&self.kept).by_digest.values_mut().find(|value| is_wanted(value)).map(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let issued = Issued::default();
        let first = issued.hand_out("", 0);
        let second = issued.hand_out("", 1);
        for number in 2..MAX_KEPT {
            issued.hand_out("", number);
        }
        assert_eq!(issued.find(&first), Some(0));
        let newest = issued.hand_out("", MAX_KEPT);
        assert_eq!((issued.find(&first), issued.find(&second)), (None, Some(1)));
        assert_eq!(issued.take(&newest), Some(MAX_KEPT));
        assert_eq!(issued.find(&newest), None, "what was taken is gone");
        assert_eq!(lock(&issued.kept).order.len(), MAX_KEPT);
    }
}
