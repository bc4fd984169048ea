//! `POST /{tenant}/oauth2/v2.0/token`, grant `client_credentials`.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::access_token::{Grant, Proof, claims};
use super::assertion;
use super::metadata::unknown_tenant;
use super::refusal::Refusal;
use crate::config::Secret;
use crate::directory::{App, Tenant};
use crate::exchange::{Call, Received, json_reply, read_body};
use crate::faults::FaultKind;
use crate::guid;
use crate::state::State;

/// A token request is small; an assertion with its certificate chain is the largest part.
const MAX_BODY_BYTES: u64 = 64 * 1024;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `Retry-After` of a `token_throttle` fault that names none.
const DEFAULT_RETRY_AFTER: f64 = 1.0;

type Form = HashMap<String, String>;

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
    let now = Timestamp::now();
    let decision = match stroke.fault {
        Some(fault) if fault.kind == FaultKind::TokenThrottle => {
            Err(Refusal::throttled(fault.retry_after.unwrap_or(DEFAULT_RETRY_AFTER)))
        }
        Some(fault) => Err(Refusal::new(fault.aadsts.unwrap_or(90033))),
        None => issue(state, call, key, &form, now),
    };
    state.journal.token_answered(decision.is_ok());
    match decision {
        Ok(token) => json_reply(StatusCode::OK, &token),
        Err(refusal) => refusal.reply(call, now),
    }
}

/// The parameters; only a form has any. A parameter given twice keeps its first value, an empty one is missing.
fn read_form(call: &Call, body: &[u8]) -> Form {
    let mut form = Form::new();
    if call.media_type() == "application/x-www-form-urlencoded" {
        for (name, value) in url::form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty()) {
            form.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
    }
    form
}

fn issue(state: &State, call: &Call, key: &str, form: &Form, now: Timestamp) -> Result<Value, Refusal> {
    if call.method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {} request.", call.method);
        return Err(Refusal::saying(900_561, text));
    }
    match form.get("grant_type").ok_or_else(|| Refusal::missing("grant_type"))?.as_str() {
        "client_credentials" => {}
        other => return Err(Refusal::saying(70003, format!("The app requested an unsupported grant type '{other}'."))),
    }
    let tenant = find_tenant(state, key)?;
    let basic = basic_credentials(call);
    let client_id = basic
        .as_ref()
        .map(|(id, _)| id)
        .or_else(|| form.get("client_id"))
        .ok_or_else(|| Refusal::missing("client_id"))?;
    let app = tenant.app(client_id).ok_or_else(|| unknown_app(client_id, tenant))?;
    if !app.settings.enabled {
        let text = format!("Application '{client_id}'({}) is disabled.", app.settings.name);
        return Err(Refusal::saying(7_000_112, text));
    }
    let secret = basic.as_ref().map(|(_, secret)| secret).or_else(|| form.get("client_secret"));
    let proof = authenticate(call, form, secret, tenant, app, key, now)?;
    let (resource, is_graph) = read_scope(state, call, form)?;
    let cae = wants_claims_challenges(form);
    let lifetime = lifetime_seconds(state, cae);
    let grant = Grant {
        tenant,
        app,
        resource: &resource,
        is_graph,
        proof,
        cae,
        lifetime_seconds: lifetime,
        serial: state.take_token_serial(),
    };
    let token = state.key.sign(&claims(&grant, now)).map_err(|error| Refusal::saying(90006, error))?;
    let expires_in = lifetime - 1;
    Ok(json!({
        "token_type": "Bearer",
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": token,
    }))
}

fn find_tenant<'a>(state: &'a State, key: &str) -> Result<&'a Arc<Tenant>, Refusal> {
    match key.to_ascii_lowercase().as_str() {
        "common" | "consumers" => Err(Refusal::new(9_001_023)),
        "organizations" => Err(Refusal::new(50059)),
        _ => state.directory.tenant(key).ok_or_else(|| unknown_tenant(key)),
    }
}

fn unknown_app(client_id: &str, tenant: &Tenant) -> Refusal {
    Refusal::saying(
        700_016,
        format!(
            "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You may have sent your authentication request to the wrong tenant.",
            tenant.name
        ),
    )
}

/// Client id and secret from an `Authorization: Basic` header; both are form-encoded inside (RFC 6749 section 2.3.1).
fn basic_credentials(call: &Call) -> Option<(String, String)> {
    let (scheme, encoded) = call.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let form_decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    Some((form_decode(id), form_decode(secret)))
}

fn authenticate(
    call: &Call,
    form: &Form,
    secret: Option<&String>,
    tenant: &Tenant,
    app: &App,
    key: &str,
    now: Timestamp,
) -> Result<Proof, Refusal> {
    if let Some(assertion) = form.get("client_assertion") {
        let kind = form.get("client_assertion_type").ok_or_else(|| Refusal::missing("client_assertion_type"))?;
        if kind != JWT_BEARER {
            return Err(Refusal::saying(50027, format!("The client_assertion_type '{kind}' is not supported.")));
        }
        let origin = call.origin();
        let names = tenant.domains.iter().map(String::as_str).chain([tenant.id.as_str(), key]);
        let audiences: Vec<String> = names.map(|name| format!("{origin}/{name}/oauth2/v2.0/token")).collect();
        return assertion::check(assertion, app, &audiences, now).map(|()| Proof::Certificate);
    }
    let secret = secret.ok_or_else(|| Refusal::new(7_000_218))?;
    check_secret(secret, app, now).map(|()| Proof::Secret)
}

fn check_secret(given: &str, app: &App, now: Timestamp) -> Result<(), Refusal> {
    let is_given = |secret: &&Secret| bool::from(secret.value.as_bytes().ct_eq(given.as_bytes()));
    let client_id = &app.settings.client_id;
    let Some(secret) = app.settings.secrets.iter().find(is_given) else {
        return Err(Refusal::saying(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{client_id}'."
            ),
        ));
    };
    if secret.expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::saying(
            7_000_222,
            format!(
                "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create \
                 new keys for your app, or consider using certificate credentials for added security."
            ),
        ));
    }
    Ok(())
}

/// The resource a scope names, and whether it is Graph.
fn read_scope(state: &State, call: &Call, form: &Form) -> Result<(String, bool), Refusal> {
    const EXCHANGE: [&str; 2] = ["https://outlook.office365.com", "https://outlook.office.com"];
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
    Err(Refusal::saying(
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        ),
    ))
}

/// Whether the client declared `cp1`: it understands claims challenges and gets long tokens.
fn wants_claims_challenges(form: &Form) -> bool {
    let claims: Value = form.get("claims").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    claims
        .pointer("/access_token/xms_cc/values")
        .and_then(Value::as_array)
        .is_some_and(|values| values.iter().any(|value| value.as_str().is_some_and(|v| v.eq_ignore_ascii_case("cp1"))))
}

fn lifetime_seconds(state: &State, cae: bool) -> i64 {
    // Clients that can be told to come back get 20 to 28 hours.
    let (min, max) = if cae {
        (20 * 3600, 28 * 3600)
    } else {
        (state.config.token.min_lifetime_seconds, state.config.token.max_lifetime_seconds)
    };
    let span = u128::from(max - min) + 1;
    i64::from(min) + i64::try_from(guid::random_u128() % span).unwrap_or(0)
}
