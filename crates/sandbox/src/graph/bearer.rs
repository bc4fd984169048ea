//! Who is calling: the checks on the access token.
//!
//! Promise: only tokens this sandbox signed, for Graph, within their time and not revoked. A token's signature is
//! verified once; after that its digest is enough.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::failure::Failure;
use crate::digest;
use crate::entra;
use crate::exchange::Call;
use crate::state::{State, lock};

/// Verified tokens remembered; when there are more, all are verified anew.
const MAX_CACHED: usize = 4_096;

/// What a token says.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) tid: String,
    pub(crate) appid: String,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// Delegated permissions, separated by spaces.
    pub(crate) scp: Option<String>,
    pub(crate) upn: Option<String>,
    exp: i64,
    #[serde(default)]
    nbf: i64,
    #[serde(default)]
    uti: String,
    #[serde(default)]
    xms_cc: Vec<String>,
}

/// Verified tokens by their digest.
#[derive(Debug, Default)]
pub(crate) struct BearerCache {
    verified: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl BearerCache {
    fn remember(&self, digest: [u8; 32], claims: Arc<Claims>) {
        let mut verified = lock(&self.verified);
        if verified.len() >= MAX_CACHED {
            verified.clear();
        }
        verified.insert(digest, claims);
    }
}

/// Checks the `Authorization` header.
pub(crate) fn check(state: &State, call: &Call, now: Timestamp) -> Result<Arc<Claims>, Failure> {
    let header = call.header("authorization").unwrap_or_default().trim();
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() {
        return Err(Failure::unauthenticated("Access token is empty."));
    }
    let digest = digest::sha256(token.as_bytes());
    let cached = lock(&state.bearers.verified).get(&digest).cloned();
    let claims = if let Some(claims) = cached {
        claims
    } else {
        let claims = Arc::new(verify(state, token)?);
        state.bearers.remember(digest, Arc::clone(&claims));
        claims
    };
    check_claims(state, call, &claims, now)?;
    Ok(claims)
}

fn verify(state: &State, token: &str) -> Result<Claims, Failure> {
    if !token.contains('.') {
        let text = "IDX14100: JWT is not well formed, there are no dots (.).";
        return Err(Failure::unauthenticated(text));
    }
    let mut validation = Validation::new(Algorithm::RS256);
    // Time and audience are checked on every request, the signature only once.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match jsonwebtoken::decode(token, state.key.public(), &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {
            Err(Failure::unauthenticated("Access token validation failure. Invalid signature."))
        }
        Err(_) => Err(Failure::unauthenticated("CompactToken parsing failed with error code: 80049217")),
    }
}

fn check_claims(state: &State, call: &Call, claims: &Claims, now: Timestamp) -> Result<(), Failure> {
    if claims.exp <= now.as_second() {
        return Err(Failure::unauthenticated("Lifetime validation failed, the token is expired."));
    }
    if claims.nbf > now.as_second() + 300 {
        return Err(Failure::unauthenticated("Lifetime validation failed, the token is not yet valid."));
    }
    if !state.is_graph_resource(&claims.aud, call.header("host").unwrap_or_default()) {
        return Err(Failure::unauthenticated("Access token validation failure. Invalid audience."));
    }
    if state.is_revoked(entra::serial_of(&claims.uti)) {
        if claims.xms_cc.iter().any(|capability| capability.eq_ignore_ascii_case("cp1")) {
            let wanted = format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#, now.as_second());
            return Err(Failure::claims_challenge(&STANDARD.encode(wanted)));
        }
        return Err(Failure::unauthenticated("Access token has been revoked."));
    }
    Ok(())
}
