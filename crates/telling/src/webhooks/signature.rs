//! Signatures as the Standard Webhooks specification (1.0) has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The value of `webhook-signature` for a call of this id, second and body; `None`: the secret is none (`whsec_` and a key
/// in base64).
pub fn sign(secret: &SecretString, id: &str, unix_seconds: i64, body: &[u8]) -> Option<String> {
    let encoded = secret.expose_secret().strip_prefix("whsec_")?;
    let key = Zeroizing::new(STANDARD.decode(encoded).ok().filter(|key| !key.is_empty())?);
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{unix_seconds}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_signature_is_the_specifications() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        for text in ["", "whsec_", "whsec_*", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(sign(&SecretString::from(text), "a", 1, b"{}"), None, "{text}");
        }
    }
}
