//! Secrets at rest: sealed with a data key, which is itself wrapped by the master key.
//!
//! Promise: a sealed value opens only for the field it was sealed for (its place is bound in as associated data), and a
//! copy of the database alone opens nothing. Data keys are never forgotten: what an older key sealed still opens.
//!
//! Left to others: where wrapped keys are kept, and who may ask.

mod master_key;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use settings::Sealed;
use sha2::Sha256;
use zeroize::Zeroizing;

pub(crate) use master_key::MasterKey;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The key that digests tokens. It is never rotated: a digest cannot be made again without the token.
pub(crate) const TOKEN_KEY_ID: u32 = 0;

pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The place a secret belongs to. Sealed for one place, it does not open for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretField {
    pub table: &'static str,
    pub id: String,
    pub field: &'static str,
}

impl SecretField {
    pub fn new(table: &'static str, id: impl Into<String>, field: &'static str) -> Self {
        Self { table, id: id.into(), field }
    }

    /// Length-prefixed, so that no two places have the same text.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for part in [self.table, &self.id, self.field] {
            data.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    #[error("the secret was sealed with key {key_id}, which is not in this store's key ring")]
    UnknownKey { key_id: u32 },
    #[error("the secret {table}.{field} of {id} was changed, or sealed for another place: enter it again")]
    Damaged { table: &'static str, id: String, field: &'static str },
    #[error("this master.key does not belong to this database: put the file back that lay beside it")]
    WrongMasterKey,
    #[error("no random numbers from the operating system: {detail}")]
    NoRandomness { detail: String },
}

/// The data keys of a store, unwrapped.
pub struct KeyRing {
    keys: RwLock<BTreeMap<u32, Key>>,
}

impl KeyRing {
    /// A ring that lives as long as the process.
    pub(crate) fn ephemeral() -> Result<Self, KeyRingError> {
        Ok(Self::from_keys([(TOKEN_KEY_ID, random_key()?), (TOKEN_KEY_ID + 1, random_key()?)]))
    }

    pub(crate) fn from_keys(keys: impl IntoIterator<Item = (u32, Key)>) -> Self {
        Self { keys: RwLock::new(keys.into_iter().collect()) }
    }

    pub(crate) fn replace(&self, keys: impl IntoIterator<Item = (u32, Key)>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }

    /// Seals with the newest key.
    pub fn seal(&self, field: &SecretField, secret: &SecretString) -> Result<Sealed, KeyRingError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let newest = keys.iter().next_back().filter(|(id, _)| **id != TOKEN_KEY_ID);
        let (key_id, key) = newest.ok_or(KeyRingError::UnknownKey { key_id: TOKEN_KEY_ID + 1 })?;
        let box_base64 = encrypt(key, &field.associated_data(), secret.expose_secret().as_bytes())?;
        Ok(Sealed { key_id: *key_id, box_base64 })
    }

    pub fn open(&self, field: &SecretField, sealed: &Sealed) -> Result<SecretString, KeyRingError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let known = keys.get(&sealed.key_id).filter(|_| sealed.key_id != TOKEN_KEY_ID);
        let key = known.ok_or(KeyRingError::UnknownKey { key_id: sealed.key_id })?;
        decrypt(key, &field.associated_data(), &sealed.box_base64)
            .and_then(|clear| std::str::from_utf8(&clear).ok().map(SecretString::from))
            .ok_or_else(|| KeyRingError::Damaged { table: field.table, id: field.id.clone(), field: field.field })
    }

    /// What is kept of a bearer token: the same token gives the same digest, and without the key ring nobody can try
    /// tokens against it. Hex.
    pub fn token_digest(&self, token: &SecretString) -> Result<String, KeyRingError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.get(&TOKEN_KEY_ID).ok_or(KeyRingError::UnknownKey { key_id: TOKEN_KEY_ID })?;
        let unusable = |_| KeyRingError::UnknownKey { key_id: TOKEN_KEY_ID };
        let mut digest = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_slice()).map_err(unusable)?;
        digest.update(token.expose_secret().as_bytes());
        let mut hex = String::new();
        for byte in digest.finalize().into_bytes() {
            hex.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)));
        }
        Ok(hex)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(…)")
    }
}

pub(crate) fn random_key() -> Result<Key, KeyRingError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    fill_random(key.as_mut_slice())?;
    Ok(key)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), KeyRingError> {
    getrandom::fill(bytes).map_err(|error| KeyRingError::NoRandomness { detail: error.to_string() })
}

/// Base64 of a random nonce and the ciphertext.
fn encrypt(key: &Key, associated: &[u8], clear: &[u8]) -> Result<String, KeyRingError> {
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce)?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: associated });
    // The cipher refuses nothing shorter than 256 GiB.
    let sealed = sealed.map_err(|_| KeyRingError::NoRandomness { detail: "the secret is too long".into() })?;
    Ok(BASE64.encode([nonce.as_slice(), &sealed].concat()))
}

fn decrypt(key: &Key, associated: &[u8], box_base64: &str) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = BASE64.decode(box_base64).ok()?;
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let clear = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: associated });
    clear.ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> SecretField {
        SecretField::new("tenant", "t1", "client_secret")
    }

    #[test]
    fn a_secret_opens_only_in_its_own_place() {
        let ring = KeyRing::ephemeral().unwrap();
        let sealed = ring.seal(&field(), &"s3cret".into()).unwrap();
        assert_eq!(ring.open(&field(), &sealed).unwrap().expose_secret(), "s3cret");
        for other in [
            SecretField::new("tenant", "t2", "client_secret"), // copied to another row
            SecretField::new("tenant", "t1", "private_key"),   // to another field
            SecretField::new("connection", "t1", "client_secret"), // to another table
            SecretField::new("tenan", "tt1", "client_secret"), // same letters, other borders
        ] {
            assert!(matches!(ring.open(&other, &sealed), Err(KeyRingError::Damaged { .. })), "{other:?}");
        }
    }

    #[test]
    fn a_tampered_secret_does_not_open() {
        let ring = KeyRing::ephemeral().unwrap();
        let sealed = ring.seal(&field(), &"s3cret".into()).unwrap();
        let mut bytes = BASE64.decode(&sealed.box_base64).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            let tampered = Sealed { box_base64: BASE64.encode(&bytes), ..sealed.clone() };
            assert!(ring.open(&field(), &tampered).is_err(), "octet {index}");
            bytes[index] ^= 1;
        }
        for box_base64 in ["", "AAAA", "not base64!"] {
            let tampered = Sealed { box_base64: box_base64.into(), ..sealed.clone() };
            assert!(ring.open(&field(), &tampered).is_err(), "{box_base64:?}");
        }
    }

    #[test]
    fn two_seals_of_one_secret_differ_and_digests_do_not() {
        let ring = KeyRing::ephemeral().unwrap();
        let seal = || ring.seal(&field(), &"s3cret".into()).unwrap();
        assert_ne!(seal(), seal());
        let digest = |token: &str| ring.token_digest(&token.into()).unwrap();
        assert_eq!(digest("token"), digest("token"));
        assert_ne!(digest("token"), digest("token2"));
        assert_ne!(digest("token"), KeyRing::ephemeral().unwrap().token_digest(&"token".into()).unwrap());
    }

    #[test]
    fn the_token_key_opens_nothing_and_unknown_keys_are_named() {
        let ring = KeyRing::ephemeral().unwrap();
        let sealed = ring.seal(&field(), &"s3cret".into()).unwrap();
        for key_id in [TOKEN_KEY_ID, 7] {
            let other = Sealed { key_id, ..sealed.clone() };
            assert_eq!(ring.open(&field(), &other).unwrap_err(), KeyRingError::UnknownKey { key_id });
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", KeyRing::ephemeral().unwrap()), "KeyRing(…)");
    }
}
