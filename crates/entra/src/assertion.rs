//! The client assertion: a short JWT, signed with the certificate's key, in place of a client secret.
//!
//! Promise: header and claims are those of Microsoft's page "Application authentication certificate credentials": PS256,
//! `x5t#S256`, audience = the token endpoint, a fresh `jti` each time, valid for ten minutes.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use serde::Serialize;

use crate::{CertificateKey, fresh_guid};

/// Microsoft advises five to ten minutes; the longer one forgives a clock that runs a little fast.
const VALID_FOR_SECONDS: i64 = 600;

#[derive(Serialize)]
struct AssertionClaims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

/// Signs an assertion for one request to `token_endpoint`.
pub(crate) fn sign(
    certificate: &CertificateKey,
    token_endpoint: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<SecretString, jsonwebtoken::errors::Error> {
    let mut header = Header::new(Algorithm::PS256);
    header.x5t_s256 = Some(certificate.x5t_s256().to_owned());
    let now = now.as_second();
    let claims = AssertionClaims {
        aud: token_endpoint,
        iss: client_id,
        sub: client_id,
        jti: fresh_guid(),
        nbf: now,
        iat: now,
        exp: now.saturating_add(VALID_FOR_SECONDS),
    };
    jsonwebtoken::encode(&header, &claims, certificate.key()).map(SecretString::from)
}
