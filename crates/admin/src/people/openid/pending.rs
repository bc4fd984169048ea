//! What a browser carries to the provider and back: sealed, so that it can neither be read nor made.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use settings::{Sealed, UserId};
use store::{KeyRing, SecretField, StoreError};
use subtle::ConstantTimeEq as _;

use super::super::change::unusable;

/// Long enough to find the telephone with the second factor.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    /// Comes back in the address; says that the answer belongs to this request.
    pub state: String,
    /// Comes back in the id token; says that the token does.
    pub nonce: String,
    /// Proves to the provider that who exchanges the code is who asked for it (RFC 7636).
    pub pkce_verifier: String,
    pub begun_at: Timestamp,
    pub until: Timestamp,
    /// Somebody is signed in and proves it again.
    pub again: Option<Reauthentication>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reauthentication {
    pub user: UserId,
    /// Digest of the session that ends when the fresh one begins.
    pub session: String,
}

impl Pending {
    pub(super) fn seal(&self, keys: &KeyRing) -> Result<SecretString, StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::Unreadable { detail: error.to_string() })?;
        let sealed = keys.seal(&place(), &text.into()).map_err(|error| unusable(&error))?;
        Ok(format!("{}.{}", sealed.key_id, sealed.box_base64).into())
    }

    /// `None`: not made here, or too old.
    pub(super) fn open(keys: &KeyRing, cookie: &SecretString, now: Timestamp) -> Option<Self> {
        let (key_id, box_base64) = cookie.expose_secret().split_once('.')?;
        let sealed = Sealed { key_id: key_id.parse().ok()?, box_base64: box_base64.to_owned() };
        let text = keys.open(&place(), &sealed).ok()?;
        let pending: Self = serde_json::from_str(text.expose_secret()).ok()?;
        (now < pending.until).then_some(pending)
    }

    pub(super) fn is_state(&self, given: &str) -> bool {
        self.state.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

fn place() -> SecretField {
    SecretField::new("browser", "openid", "pending")
}
