//! Passwords of people: what may be one, and how it is kept.
//!
//! Promise: kept as argon2id with the library's recommended cost (OWASP's: 19 MiB, two passes); what was hashed with less
//! is hashed anew at the next sign-in. Length is asked for, composition is not (ASVS 5.0, 6.2).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret as _, SecretString};

use super::common_passwords;
use crate::Refused;

pub(super) const MIN_CHARS: usize = 12;
pub(super) const MAX_CHARS: usize = 256;

/// Whether a user of that name may choose it.
pub(super) fn check(password: &SecretString, user: &str) -> Result<(), Refused> {
    let text = password.expose_secret();
    let length = text.chars().count();
    if !(MIN_CHARS..=MAX_CHARS).contains(&length) {
        return Err(Refused::new(
            format!("a password has {MIN_CHARS} to {MAX_CHARS} characters; this one has {length}"),
            "Take a few words that nobody else would put together, or let a password manager make one.",
        ));
    }
    if common_passwords::is_common(text, user) {
        return Err(Refused::new(
            "this password is among the first that are guessed: common words, runs of letters or digits, or the name",
            "Take a few words that nobody else would put together, or let a password manager make one.",
        ));
    }
    Ok(())
}

/// Takes a core for some 20 ms: not for async threads.
pub(super) fn hash(password: &SecretString) -> Result<String, Refused> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map_err(|error| Refused::new(format!("the password cannot be hashed: {error}"), "Choose another password."))?;
    Ok(hash.to_string())
}

/// With `None`, the answer is no, after the same time: it must not tell whether a name exists.
pub(super) fn verify(hash: Option<&str>, password: &SecretString) -> bool {
    let password = password.expose_secret().as_bytes();
    // Nobody has a longer one, and hashing megabytes would be work for nothing.
    let (hash, password) = if password.len() > MAX_CHARS * 4 { (None, b"".as_slice()) } else { (hash, password) };
    let Some(hash) = hash else {
        let _ = Argon2::default().hash_password_with_salt(password, b"nobody has this!");
        return false;
    };
    match Argon2::default().verify_password(password, hash) {
        Ok(()) => true,
        Err(argon2::password_hash::Error::PasswordInvalid) => false,
        Err(error) => {
            tracing::error!(event = "password_hash_unreadable", %error, "a user's password hash cannot be read");
            false
        }
    }
}

/// Whether it cost less to make than a new one would.
pub(super) fn is_weak(hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    let Ok(params) = Params::try_from(&parsed) else { return true };
    parsed.algorithm != argon2::ARGON2ID_IDENT
        || params.m_cost() < Params::DEFAULT_M_COST
        || params.t_cost() < Params::DEFAULT_T_COST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_asked_for_and_composition_is_not() {
        let (longest, longer) = ("q7vu x".repeat(42) + "abcd", "q7vu x".repeat(43));
        for (password, may) in [
            ("zebra lamp quiet", true), // words alone
            ("vjkq zmwx pl", true),     // twelve characters
            ("vjkq zmwx p", false),     // eleven
            ("ÄÖÜäöüßéèêëç", true),     // characters are counted, not octets
            (longest.as_str(), true),   // 256
            (longer.as_str(), false),
        ] {
            assert_eq!(check(&password.into(), "anna").is_ok(), may, "{password}");
        }
    }

    #[test]
    fn a_hash_that_cost_less_is_weak() {
        let new = hash(&"zebra lamp quiet".into()).unwrap();
        assert!(!is_weak(&new), "{new}");
        for (what, weak) in [
            ("less memory", new.replace("m=19456", "m=8192")),
            ("fewer passes", new.replace("t=2", "t=1")),
            ("another algorithm", new.replace("argon2id", "argon2i")),
        ] {
            assert!(is_weak(&weak), "{what}: {weak}");
        }
    }

    #[test]
    fn only_the_password_itself_opens() {
        let kept = hash(&"zebra lamp quiet".into()).unwrap();
        assert!(verify(Some(&kept), &"zebra lamp quiet".into()));
        for (hash, password) in [
            (Some(kept.as_str()), "zebra lamp quieT"),
            (Some("damaged"), "zebra lamp quiet"), // opens for nobody
            (None, "zebra lamp quiet"),
        ] {
            assert!(!verify(hash, &password.into()), "{hash:?} {password}");
        }
    }
}
