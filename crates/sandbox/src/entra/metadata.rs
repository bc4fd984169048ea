//! The documents that tell clients where things are.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::json;

use super::refusal::Refusal;
use super::token::DEVICE_CODE;
use crate::exchange::{Call, json_reply};
use crate::state::State;

/// What the token endpoint takes.
const GRANT_TYPES: [&str; 4] = ["client_credentials", "authorization_code", "refresh_token", DEVICE_CODE];

/// `/{tenant}/v2.0/.well-known/openid-configuration`. Addresses are those the client used to come here.
pub(crate) fn openid_configuration(state: &State, call: &Call, key: &str) -> Response<Full<Bytes>> {
    let origin = call.origin();
    let (path, issuer) = match tenant_of_document(state, key) {
        Ok(names) => names,
        Err(refusal) => return refusal.reply(call, state.clock.now()),
    };
    let host = call.header("host").unwrap_or("localhost");
    let base = format!("{origin}/{path}");
    json_reply(
        StatusCode::OK,
        &json!({
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "response_modes_supported": ["query"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "grant_types_supported": GRANT_TYPES,
            "code_challenge_methods_supported": ["plain", "S256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": format!("{origin}/{issuer}/v2.0"),
            "request_uri_parameter_supported": false,
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
            "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
            "claims_supported": [
                "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "email", "oid", "groups",
            ],
            "tenant_region_scope": "EU",
            "cloud_instance_name": host,
            "cloud_graph_host_name": host,
            "msgraph_host": host,
            "rbac_url": origin,
        }),
    )
}

/// `/{tenant}/discovery/v2.0/keys`.
pub(crate) fn keys(state: &State, call: &Call, key: &str) -> Response<Full<Bytes>> {
    match tenant_of_document(state, key) {
        Ok(_) => json_reply(StatusCode::OK, &state.key.key_set()),
        Err(refusal) => refusal.reply(call, state.clock.now()),
    }
}

/// `/common/discovery/instance`: whether an authority's host is one to trust. This one is.
pub(crate) fn instance_discovery(call: &Call) -> Response<Full<Bytes>> {
    let host = call.header("host").unwrap_or("localhost");
    // The endpoint asked about names its tenant; the answer must stay with it.
    let asked = call.query_value("authorization_endpoint").unwrap_or_default();
    let tenant = asked.split('/').nth(3).filter(|name| !name.is_empty()).unwrap_or("common");
    json_reply(
        StatusCode::OK,
        &json!({
            "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", call.origin()),
            "api-version": "1.1",
            "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
        }),
    )
}

/// The tenant's name in paths and in the issuer.
fn tenant_of_document(state: &State, key: &str) -> Result<(String, String), Refusal> {
    if matches!(key, "common" | "organizations") {
        return Ok((key.to_owned(), "{tenantid}".to_owned()));
    }
    let tenant = state.directory.tenant(key).ok_or_else(|| unknown_tenant(key))?;
    Ok((tenant.id.clone(), tenant.id.clone()))
}

/// No such tenant.
pub(super) fn unknown_tenant(key: &str) -> Refusal {
    Refusal::saying(
        90002,
        format!(
            "Tenant '{key}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        ),
    )
}
