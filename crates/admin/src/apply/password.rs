//! Passwords of submission accounts: kept as argon2id hashes with the library's recommended cost.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};

use crate::Refused;

/// The hash to keep for `password`: the one there is, if it is of this password, so that nothing changes by applying
/// the same file again.
pub(super) fn hash_unless_known(password: &SecretString, known: Option<&str>) -> Result<String, Refused> {
    let bytes = password.expose_secret().as_bytes();
    if let Some(known) = known
        && PasswordVerifier::<str>::verify_password(&Argon2::default(), bytes, known).is_ok()
    {
        return Ok(known.to_owned());
    }
    let hash: PasswordHash = Argon2::default()
        .hash_password(bytes)
        .map_err(|error| Refused::new(format!("the password cannot be hashed: {error}"), "Choose another password."))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_password_keeps_its_hash_and_another_gets_a_new_one() {
        let first = hash_unless_known(&"one".into(), None).unwrap();
        assert!(first.starts_with("$argon2id$"), "{first}");
        assert_eq!(hash_unless_known(&"one".into(), Some(&first)).unwrap(), first);
        assert_ne!(hash_unless_known(&"two".into(), Some(&first)).unwrap(), first);
        assert_ne!(hash_unless_known(&"one".into(), Some("damaged")).unwrap(), "damaged");
    }
}
