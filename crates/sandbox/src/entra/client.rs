//! Which application is calling, and how it proves that: a secret, a signed assertion, or nothing if it is public.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::access_token::Proof;
use super::assertion;
use super::federation;
use super::metadata::unknown_tenant;
use super::refusal::Refusal;
use crate::config::Secret;
use crate::directory::{App, Tenant};
use crate::exchange::Call;
use crate::state::State;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Parameters of a request by name.
pub(super) type Form = HashMap<String, String>;

/// A form in a request's body; only a form has any parameters. A parameter given twice keeps its first value, an empty
/// one is missing.
pub(super) fn read_form(call: &Call, body: &[u8]) -> Form {
    if call.media_type() == "application/x-www-form-urlencoded" { read_parameters(body) } else { Form::new() }
}

/// Parameters as a form or a query string has them.
pub(super) fn read_parameters(encoded: &[u8]) -> Form {
    let mut form = Form::new();
    for (name, value) in url::form_urlencoded::parse(encoded).filter(|(_, value)| !value.is_empty()) {
        form.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    form
}

/// An application that has proved itself as far as it must.
#[derive(Debug)]
pub(super) struct Client<'a> {
    pub(super) tenant: &'a Arc<Tenant>,
    pub(super) app: &'a Arc<App>,
    pub(super) proof: Proof,
}

impl<'a> Client<'a> {
    /// Finds the application a token request comes from and checks its credential. With `may_be_public` an app that
    /// allows public client flows may come without one.
    pub(super) fn identify(
        state: &'a State,
        call: &Call,
        key: &str,
        form: &Form,
        now: Timestamp,
        may_be_public: impl FnOnce(&App) -> bool,
    ) -> Result<Self, Refusal> {
        let tenant = find_tenant(state, key)?;
        let basic = basic_credentials(call);
        let client_id = basic
            .as_ref()
            .map(|(id, _)| id)
            .or_else(|| form.get("client_id"))
            .ok_or_else(|| Refusal::missing("client_id"))?;
        let app = find_app(tenant, client_id)?;
        let secret = basic.as_ref().map(|(_, secret)| secret).or_else(|| form.get("client_secret"));
        let has_credential = secret.is_some() || form.contains_key("client_assertion");
        if has_credential && app.is_public() {
            return Err(Refusal::new(700_025));
        }
        let proof = if !has_credential && may_be_public(app) {
            Proof::Public
        } else {
            authenticate(state, call, form, secret, (tenant, app), key, now)?
        };
        Ok(Self { tenant, app, proof })
    }
}

/// Finds an app that is not disabled.
pub(super) fn find_app<'a>(tenant: &'a Tenant, client_id: &str) -> Result<&'a Arc<App>, Refusal> {
    let app = tenant.app(client_id).ok_or_else(|| unknown_app(client_id, tenant))?;
    if !app.settings.enabled {
        let text = format!("Application '{client_id}'({}) is disabled.", app.settings.name);
        return Err(Refusal::saying(7_000_112, text));
    }
    Ok(app)
}

pub(super) fn find_tenant<'a>(state: &'a State, key: &str) -> Result<&'a Arc<Tenant>, Refusal> {
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
    state: &State,
    call: &Call,
    form: &Form,
    secret: Option<&String>,
    (tenant, app): (&Tenant, &App),
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
        let checked = if assertion::is_by_certificate(assertion, app)? {
            assertion::check(assertion, app, &audiences, now)
        } else {
            federation::check(state, assertion, app, now)
        };
        return checked.map(|()| Proof::Certificate);
    }
    let secret = secret.ok_or_else(|| Refusal::new(7_000_218))?;
    check_secret(secret, app, now).map(|()| Proof::Secret)
}

fn check_secret(given: &str, app: &App, now: Timestamp) -> Result<(), Refusal> {
    let is_given = |secret: &&Secret| bool::from(secret.value.as_bytes().ct_eq(given.as_bytes()));
    let client_id = &app.settings.client_id;
    let credentials = app.credentials();
    let Some(secret) = credentials.secrets.iter().find(is_given) else {
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
