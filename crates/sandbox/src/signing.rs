//! The key that signs access tokens, and its public half as the keys document shows it.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::digest;

/// An RSA key made at start. Entra rotates its keys; a sandbox is restarted.
pub(crate) struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    key_id: String,
    jwk: Value,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, String> {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
            .map_err(|error| error.to_string())?;
        let private = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).map_err(|error| error.to_string())?;
        let public = DecodingKey::from_rsa_der(pair.public_key_raw());
        let key_id: String = digest::sha256_hex(pair.public_key_raw()).chars().take(27).collect();
        let parameters = Jwk::from_encoding_key(&private, Algorithm::RS256).map_err(|error| error.to_string())?;
        let mut jwk = serde_json::to_value(parameters).map_err(|error| error.to_string())?;
        if let Some(fields) = jwk.as_object_mut() {
            fields.insert("use".to_owned(), json!("sig"));
            fields.insert("kid".to_owned(), json!(key_id));
            fields.insert("x5t".to_owned(), json!(key_id));
        }
        Ok(Self { private, public, key_id, jwk })
    }

    /// Signs `claims` as Entra does: RS256, with the key's id twice in the header.
    pub(crate) fn sign<T: Serialize>(&self, claims: &T) -> Result<String, String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key_id.clone());
        header.x5t = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.private).map_err(|error| error.to_string())
    }

    pub(crate) fn public(&self) -> &DecodingKey {
        &self.public
    }

    /// The JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
