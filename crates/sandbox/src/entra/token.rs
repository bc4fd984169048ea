//! `POST /{tenant}/oauth2/v2.0/token`: the grants, and client credentials among them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access_token::{Grant, claims};
use super::client::{Client, Form, read_form};
use super::redeem;
use super::refusal::Refusal;
use super::scope::{EXCHANGE, unknown_resource};
use crate::directory::App;
use crate::exchange::{Call, Received, json_reply, read_body};
use crate::faults::FaultKind;
use crate::guid;
use crate::journal::TokenRecord;
use crate::state::State;

/// A token request is small; an assertion with its certificate chain is the largest part.
const MAX_BODY_BYTES: u64 = 64 * 1024;
/// `Retry-After` of a `token_throttle` fault that names none.
const DEFAULT_RETRY_AFTER: f64 = 1.0;
pub(super) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Tokens, and whose they are.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) body: Value,
    pub(super) user: Option<String>,
}

/// Answers a token request.
pub(crate) async fn token(state: &State, call: &Call, key: &str, body: Incoming) -> Response<Full<Bytes>> {
    let form = match read_body(body, MAX_BODY_BYTES).await {
        Received::Whole(bytes) => read_form(call, &bytes),
        Received::TooLarge | Received::Broken => Form::new(),
    };
    let stroke = state.faults.strike_token();
    if !stroke.delay.is_zero() {
        tokio::time::sleep(stroke.delay).await;
    }
    let now = state.clock.now();
    let decision = match stroke.fault {
        Some(fault) if fault.kind == FaultKind::TokenThrottle => {
            Err(Refusal::throttled(fault.retry_after.unwrap_or(DEFAULT_RETRY_AFTER)))
        }
        Some(fault) => Err(Refusal::new(fault.aadsts.unwrap_or(90033))),
        None => issue(state, call, key, &form, now),
    };
    state.journal.token_answered(record(key, &form, &decision, now));
    match decision {
        Ok(tokens) => json_reply(StatusCode::OK, &tokens.body),
        Err(refusal) => refusal.reply(call, now),
    }
}

/// The request without anything secret.
fn record(key: &str, form: &Form, decision: &Result<Tokens, Refusal>, now: Timestamp) -> TokenRecord {
    let shown = |name: &str| form.get(name).map(|value| value.chars().take(TokenRecord::SHOWN_CHARS).collect());
    let refusal = decision.as_ref().err();
    TokenRecord {
        at: now,
        tenant: key.chars().take(TokenRecord::SHOWN_CHARS).collect(),
        grant_type: shown("grant_type"),
        client_id: shown("client_id"),
        scope: shown("scope"),
        user: decision.as_ref().ok().and_then(|tokens| tokens.user.clone()),
        error: refusal.map(|refusal| refusal.error),
        aadsts: refusal.map(|refusal| refusal.code),
    }
}

fn issue(state: &State, call: &Call, key: &str, form: &Form, now: Timestamp) -> Result<Tokens, Refusal> {
    if call.method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {} request.", call.method);
        return Err(Refusal::saying(900_561, text));
    }
    let identify = |may_be_public: fn(&App) -> bool| Client::identify(state, call, key, form, now, may_be_public);
    match form.get("grant_type").ok_or_else(|| Refusal::missing("grant_type"))?.as_str() {
        "client_credentials" => application_token(state, call, form, &identify(|_| false)?, now),
        "authorization_code" => redeem::code(state, call, form, &identify(App::is_public)?, now),
        "refresh_token" => {
            redeem::refresh_token(state, call, form, &identify(|app| app.settings.allow_public_client)?, now)
        }
        DEVICE_CODE => redeem::device_code(state, call, form, &identify(|app| app.settings.allow_public_client)?, now),
        other => Err(Refusal::saying(70003, format!("The app requested an unsupported grant type '{other}'."))),
    }
}

/// A token for the application itself.
fn application_token(
    state: &State,
    call: &Call,
    form: &Form,
    client: &Client<'_>,
    now: Timestamp,
) -> Result<Tokens, Refusal> {
    let (resource, is_graph) = read_scope(state, call, form)?;
    let cae = wants_claims_challenges(form);
    let lifetime = lifetime_seconds(state, cae);
    let grant = Grant {
        tenant: client.tenant,
        app: client.app,
        resource: &resource,
        is_graph,
        has_roles: state.accounts.has_admin_consent(client.app),
        proof: client.proof,
        cae,
        lifetime_seconds: lifetime,
        serial: state.take_token_serial(),
    };
    let token = state.key.sign(&claims(&grant, now)).map_err(|error| Refusal::saying(90006, error))?;
    let expires_in = lifetime - 1;
    let body = json!({
        "token_type": "Bearer",
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": token,
    });
    Ok(Tokens { body, user: None })
}

/// The resource a scope names, and whether it is Graph.
fn read_scope(state: &State, call: &Call, form: &Form) -> Result<(String, bool), Refusal> {
    let scope = form.get("scope").ok_or_else(|| Refusal::missing("scope"))?;
    if scope.split_whitespace().count() != 1 {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope '{scope}' is not valid."
        );
        return Err(Refusal::saying(70011, text));
    }
    let Some(resource) = scope.strip_suffix("/.default") else {
        return Err(Refusal::saying(
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value \
                 with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    if state.is_graph_resource(resource, call.header("host").unwrap_or_default()) {
        return Ok((resource.to_owned(), true));
    }
    if EXCHANGE.contains(&resource) {
        return Ok((resource.to_owned(), false));
    }
    Err(unknown_resource(resource))
}

/// Whether the client declared `cp1`: it understands claims challenges and gets long tokens.
pub(super) fn wants_claims_challenges(form: &Form) -> bool {
    let claims: Value = form.get("claims").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    claims
        .pointer("/access_token/xms_cc/values")
        .and_then(Value::as_array)
        .is_some_and(|values| values.iter().any(|value| value.as_str().is_some_and(|v| v.eq_ignore_ascii_case("cp1"))))
}

pub(super) fn lifetime_seconds(state: &State, cae: bool) -> i64 {
    // Clients that can be told to come back get 20 to 28 hours.
    let (min, max) = if cae {
        (20 * 3600, 28 * 3600)
    } else {
        (state.config.token.min_lifetime_seconds, state.config.token.max_lifetime_seconds)
    };
    let span = u128::from(max - min) + 1;
    i64::from(min) + i64::try_from(guid::random_u128() % span).unwrap_or(0)
}
