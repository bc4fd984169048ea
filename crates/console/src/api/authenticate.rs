//! `/api/v1/connections/{id}/authenticate`: *Setup Authentication* for machines without a browser.

use admin::{ConnectionSummary, DeviceSignIn, Refused, SignInRequest, TenantEntry};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Explanation;
use submission::http::{AnyCall, ExplanationView};
use utoipa::ToSchema;

use super::answer;
use super::caller::Caller;
use super::connections::known;
use super::described::{self, Change, OfOne, WithBody};
use super::error::ApiError;
use super::request::{Given, Id};
use crate::Console;

/// How the connection proves who it is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    /// A person signs in with a code on another device: for delegated connections.
    Device,
    /// The connection's tenant gets another secret in place of the credential it has.
    ClientSecret,
}

/// Which way, and what that needs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticateEntry {
    method: Method,
    /// With a device: asks for other mailboxes than the person's own too.
    #[serde(default)]
    shared_mailboxes: bool,
    /// With a client secret: the secret.
    #[schema(value_type = Option<described::SecretText>)]
    client_secret: Option<SecretString>,
    #[schema(value_type = Option<described::Day>)]
    client_secret_expires: Option<Date>,
}

/// How far a sign-in is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "described, and never made")]
pub(super) enum SignInState {
    Pending,
    Granted,
    Refused,
}

/// What became of a sign-in.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "described, and never made")]
pub(super) struct SignInPolled {
    /// `pending`: ask again after the interval.
    state: SignInState,
    #[schema(required)]
    grant: Option<described::GrantView>,
    /// Why not.
    #[schema(required)]
    explanation: Option<ExplanationView>,
}

/// Shows who signed in to a delegated connection.
#[utoipa::path(
    get,
    path = "/api/v1/connections/{id}/authenticate",
    tag = "connections",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "What was granted", body = described::Authentication),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_authentication(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let grant = admin::grant_of(console.store(), &caller.actor, &id).await?;
    Ok(Json(json!({ "grant": grant })).into_response())
}

/// Begins a sign-in on another device, or gives the tenant another client secret.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{id}/authenticate",
    tag = "connections",
    params(("id" = String, Path, description = "As in the list")),
    request_body = AuthenticateEntry,
    responses(
        (status = 200, description = "The secret was saved", body = described::Saved),
        (status = 202, description = "The sign-in has begun", body = described::DeviceSignIn, headers(("Location" = String, description = "Where to poll, with POST"))),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn authenticate(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Given(entry): Given<AuthenticateEntry>,
) -> Result<Response, ApiError> {
    let connection = known(&console, &caller, &id)?;
    match (entry.method, entry.client_secret) {
        (Method::Device, None) => {
            let begun = begin(&console, &caller, &id, entry.shared_mailboxes).await?;
            let place = format!("/api/v1/connections/{id}/authenticate/{}", begun.id);
            Ok((StatusCode::ACCEPTED, [(LOCATION, place)], Json(begun)).into_response())
        }
        (Method::ClientSecret, Some(secret)) => {
            replace_secret(&console, &caller, &connection, secret, entry.client_secret_expires).await
        }
        (Method::Device, Some(_)) | (Method::ClientSecret, None) => {
            let refused = Refused::new("the secret does not go with the method", "Give it with client_secret alone.");
            Err(ApiError::refused(&refused.at("client_secret")))
        }
    }
}

async fn begin(console: &Console, caller: &Caller, id: &str, shared_mailboxes: bool) -> Result<DeviceSignIn, ApiError> {
    let request = SignInRequest { connection: id, shared_mailboxes, session_digest: &caller.digest, login_hint: None };
    let (store, network) = (console.store(), &console.config.network);
    let begun =
        admin::begin_device_sign_in(store, &console.flows, &caller.actor, &request, network, console.now()).await?;
    begun.map_err(|why| {
        let what = format!("{} {}", why.what, why.why);
        ApiError::refused(&Refused::new(what.trim_end(), why.fix))
    })
}

async fn replace_secret(
    console: &Console,
    caller: &Caller,
    connection: &ConnectionSummary,
    client_secret: SecretString,
    client_secret_expires: Option<Date>,
) -> Result<Response, ApiError> {
    let (store, actor) = (console.store(), &caller.actor);
    let tenants = admin::list_tenants(store, actor)?;
    let tenant = tenants.into_iter().find(|tenant| Some(&tenant.name) == connection.tenant.as_ref());
    let tenant = tenant.ok_or_else(|| {
        ApiError::refused(&Refused::new("this connection has no tenant", "Choose a tenant for it first."))
    })?;
    let entry = TenantEntry {
        name: tenant.name,
        service: None,
        cloud: tenant.cloud,
        tenant_id: tenant.tenant_id,
        client_id: tenant.client_id,
        client_secret: Some(client_secret.into()),
        client_secret_expires,
        certificate: None,
        federated_token_file: None,
        managed_identity: false,
        paid_licences: tenant.paid_licences,
        external_recipients_per_day: tenant.external_recipients_per_day,
        internal_domains: tenant.internal_domains,
    };
    let saved = admin::update_tenant(store, actor, &tenant.id, &entry, None, console.now()).await?;
    Ok(Json(saved).into_response())
}

/// Asks what became of a sign-in, and keeps what was granted.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{id}/authenticate/{sign_in}",
    tag = "connections",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("sign_in" = String, Path, description = "`id` of the sign-in that was begun"),
    ),
    responses(
        (status = 200, description = "How far it is", body = SignInPolled),
        AnyCall,
        OfOne,
        Change,
    )
)]
pub(super) async fn poll_sign_in(
    State(console): State<Console>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path((id, sign_in)) = path.map_err(|_| ApiError::not_found("sign-in"))?;
    known(&console, &caller, &id)?;
    let (store, network) = (console.store(), &console.config.network);
    let (actor, digest) = (&caller.actor, caller.digest.as_str());
    let polled =
        admin::poll_device_sign_in(store, &console.flows, actor, &sign_in, digest, network, console.now()).await?;
    Ok(Json(shown(polled)).into_response())
}

fn shown(polled: admin::DevicePolled) -> Value {
    let (state, grant, explanation): (_, Option<admin::GrantSummary>, Option<Explanation>) = match polled {
        admin::DevicePolled::Pending => ("pending", None, None),
        admin::DevicePolled::Granted(grant) => ("granted", Some(grant), None),
        admin::DevicePolled::Refused(explanation) => ("refused", None, Some(explanation)),
    };
    json!({ "state": state, "grant": grant, "explanation": explanation })
}

/// Forgets what was granted: mail of the connection waits until somebody signs in again.
#[utoipa::path(
    delete,
    path = "/api/v1/connections/{id}/authenticate",
    tag = "connections",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "Nothing is granted"), AnyCall, OfOne, Change)
)]
pub(super) async fn forget_authentication(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    admin::forget_grant(console.store(), &caller.actor, &id, console.now()).await?;
    Ok(answer::gone())
}
