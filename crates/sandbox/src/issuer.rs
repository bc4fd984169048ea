//! Identity providers outside the tenant, as a Kubernetes cluster or a build service is one: `/issuer/{name}`, with any name.
//!
//! Promise: their tokens are signed with a key of their own, never with the tenant's, and say what was ordered at
//! `/sandbox/api/issuers/{name}/token`. Whether an app takes them is for its registration to say.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::exchange::{Call, json_reply};
use crate::guid;
use crate::signing::SigningKey;
use crate::state::{State, lock};

/// An order for a token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadToken {
    pub subject: String,
    #[serde(default = "exchange_audience")]
    pub audience: String,
    /// Negative: over already.
    #[serde(default = "an_hour")]
    pub lifetime_seconds: i64,
}

/// What Entra's registrations expect unless they say otherwise.
pub(crate) fn exchange_audience() -> String {
    "api://AzureADTokenExchange".to_owned()
}

fn an_hour() -> i64 {
    3600
}

/// The key of all issuers, made when the first of them is asked for something.
#[derive(Debug, Default)]
pub(crate) struct IssuerKey(Mutex<Option<Arc<SigningKey>>>);

impl IssuerKey {
    pub(crate) fn get(&self) -> Result<Arc<SigningKey>, String> {
        let mut key = lock(&self.0);
        if let Some(key) = &*key {
            return Ok(Arc::clone(key));
        }
        let made = Arc::new(SigningKey::generate()?);
        *key = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// A token of the issuer `name` of the sandbox at `origin`.
pub(crate) fn issue(state: &State, origin: &str, name: &str, order: &WorkloadToken) -> Result<String, String> {
    let now: Timestamp = state.clock.now();
    let claims = json!({
        "iss": format!("{origin}/issuer/{name}"),
        "sub": order.subject,
        "aud": [order.audience],
        "iat": now.as_second(),
        "nbf": now.as_second(),
        "exp": now.as_second().saturating_add(order.lifetime_seconds),
        "jti": guid::random(),
    });
    state.issuer_key.get()?.sign(&claims)
}

/// `/issuer/{name}/.well-known/openid-configuration`.
pub(crate) fn configuration(call: &Call, name: &str) -> Response<Full<Bytes>> {
    let issuer = format!("{}/issuer/{name}", call.origin());
    json_reply(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }),
    )
}

/// `/issuer/{name}/keys`.
pub(crate) fn keys(state: &State) -> Response<Full<Bytes>> {
    match state.issuer_key.get() {
        Ok(key) => json_reply(StatusCode::OK, &key.key_set()),
        Err(error) => json_reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": error })),
    }
}
