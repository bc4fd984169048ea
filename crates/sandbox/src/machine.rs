//! A machine of the tenant with identities of its own: the services that give it tokens without a secret.
//!
//! | path | stands for |
//! |---|---|
//! | `/metadata/identity/oauth2/token` | the metadata service of an Azure virtual machine |
//! | `/msi/token` | `IDENTITY_ENDPOINT` of App Service |
//! | `/arc/metadata/identity/oauth2/token` | the agent of Azure Arc |
//!
//! Promise: each wants to be asked as the real one does, down to header and version, and answers in its own form: numbers
//! in strings, errors with its own fields.

mod arc;
mod identity;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::exchange::{Call, json_reply, set_header};
use crate::faults::Fault;
use crate::state::State;

pub(crate) use arc::ArcKeys;
use identity::{Given, NotGiven, give};

type Reply = Response<Full<Bytes>>;

const IMDS_VERSIONS: [&str; 5] = ["2018-02-01", "2019-08-01", "2020-06-01", "2021-02-01", "2021-12-13"];

/// The metadata service of a virtual machine.
pub(crate) async fn imds(state: &State, call: &Call) -> Reply {
    let refuse =
        |text: &str| failed(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request", "error_description": text}));
    if call.method != Method::GET {
        return failed(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "Method not allowed"}));
    }
    if let Some(fault) = struck(state).await {
        return faulty(&fault);
    }
    if !call.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refuse("Required metadata header not specified");
    }
    // What comes by a proxy may be somebody else's request.
    if call.header("x-forwarded-for").is_some() {
        return refuse("Bad request: X-Forwarded-For is not allowed");
    }
    match call.query_value("api-version") {
        None => return refuse("Required query variable 'api-version' is missing"),
        Some(version) if !IMDS_VERSIONS.contains(&version.as_str()) => {
            return failed(
                StatusCode::BAD_REQUEST,
                &json!({"error": "Bad request. api-version is invalid", "newest-versions": IMDS_VERSIONS}),
            );
        }
        Some(_) => {}
    }
    match give(state, call) {
        Ok(given) => json_reply(StatusCode::OK, &whole(&given)),
        Err(NotGiven::NoResource) => refuse("Required query variable 'resource' is missing"),
        Err(NotGiven::NoIdentity) => refuse("Identity not found"),
        Err(NotGiven::UnknownResource(text)) => {
            failed(StatusCode::BAD_REQUEST, &json!({"error": "invalid_resource", "error_description": text}))
        }
    }
}

/// The endpoint that App Service gives its apps.
pub(crate) async fn app_service(state: &State, call: &Call) -> Reply {
    let refuse =
        |status: StatusCode, text: &str| failed(status, &json!({"statusCode": status.as_u16(), "message": text}));
    if call.method != Method::GET {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "Only GET is allowed.");
    }
    if let Some(fault) = struck(state).await {
        return faulty(&fault);
    }
    let expected = state.config.machine.identity_header.as_bytes();
    let is_known = |given: &str| bool::from(given.as_bytes().ct_eq(expected));
    if !call.header("x-identity-header").is_some_and(is_known) {
        return refuse(StatusCode::UNAUTHORIZED, "The X-IDENTITY-HEADER is missing or not that of the app.");
    }
    if call.query_value("api-version").as_deref() != Some("2019-08-01") {
        return refuse(StatusCode::BAD_REQUEST, "The api-version is not supported.");
    }
    match give(state, call) {
        Ok(given) => {
            let mut answer = whole(&given);
            if let Some(fields) = answer.as_object_mut() {
                // It names the end alone.
                fields.remove("expires_in");
                fields.remove("refresh_token");
            }
            json_reply(StatusCode::OK, &answer)
        }
        Err(NotGiven::NoResource) => refuse(StatusCode::BAD_REQUEST, "The resource is missing."),
        Err(NotGiven::NoIdentity) => refuse(
            StatusCode::BAD_REQUEST,
            "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        ),
        // Seen there: a wrong resource is its own fault.
        Err(NotGiven::UnknownResource(_)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occured."),
    }
}

/// The agent of Azure Arc: who reads the file it names is let in, once.
pub(crate) async fn arc(state: &State, call: &Call) -> Reply {
    let refuse =
        |text: &str| failed(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request", "error_description": text}));
    if call.method != Method::GET {
        return failed(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "Method not allowed"}));
    }
    if let Some(fault) = struck(state).await {
        return faulty(&fault);
    }
    if !call.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return refuse("Required metadata header not specified");
    }
    if call.query_value("api-version").as_deref() != Some("2020-06-01") {
        return refuse("api-version is missing or not supported");
    }
    let Some(folder) = &state.config.machine.arc_key_folder else {
        return failed(StatusCode::NOT_FOUND, &json!({"error": "this machine is not connected to Azure Arc"}));
    };
    let proof = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    if !proof.is_some_and(|key| state.arc_keys.take(key)) {
        return match state.arc_keys.hand_out(folder) {
            Ok(path) => {
                let mut reply = failed(StatusCode::UNAUTHORIZED, &json!({"error": "unauthorized"}));
                set_header(&mut reply, "www-authenticate", &format!("Basic realm={}", path.display()));
                reply
            }
            Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()})),
        };
    }
    match give(state, call) {
        Ok(given) => json_reply(StatusCode::OK, &whole(&given)),
        Err(NotGiven::NoResource) => refuse("resource is missing"),
        Err(NotGiven::NoIdentity) => refuse("Identity not found"),
        Err(NotGiven::UnknownResource(text)) => refuse(&text),
    }
}

fn whole(given: &Given) -> Value {
    json!({
        "access_token": given.token,
        "client_id": given.client_id,
        "refresh_token": "",
        "expires_in": given.lifetime_seconds.to_string(),
        "ext_expires_in": given.lifetime_seconds.to_string(),
        "expires_on": given.expires_on.to_string(),
        "not_before": given.not_before.to_string(),
        "resource": given.resource,
        "token_type": "Bearer",
    })
}

async fn struck(state: &State) -> Option<Fault> {
    let stroke = state.faults.strike_machine();
    if !stroke.delay.is_zero() {
        tokio::time::sleep(stroke.delay).await;
    }
    stroke.fault
}

fn faulty(fault: &Fault) -> Reply {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = fault.message.as_deref().unwrap_or("The service is not available now.");
    let mut reply = failed(status, &json!({"error": "unavailable", "error_description": text}));
    if let Some(seconds) = fault.retry_after {
        set_header(&mut reply, "retry-after", &seconds.to_string());
    }
    reply
}

fn failed(status: StatusCode, body: &Value) -> Reply {
    json_reply(status, body)
}
