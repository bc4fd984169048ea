//! `/api/v1/sign-in-settings`: the OpenID provider.

use admin::people::{self, OpenIdProviderEntry};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use settings::GroupRole;
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, WithBody};
use super::error::ApiError;
use super::request::{Given, parsed};
use crate::Console;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenIdEntry {
    name: String,
    issuer: String,
    client_id: String,
    client_secret: Option<SecretString>,
    #[serde(default = "usual_claim")]
    groups_claim: String,
    groups: Vec<GroupRole>,
}

fn usual_claim() -> String {
    "groups".to_owned()
}

/// Shows how people sign in.
#[utoipa::path(
    get,
    path = "/api/v1/sign-in-settings",
    tag = "sign-in",
    responses((status = 200, description = "The OpenID provider, if there is one", body = described::SignInSettings), AnyCall)
)]
pub(super) async fn show_sign_in_settings(
    State(console): State<Console>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let provider = people::sign_in_settings(console.store(), &caller.actor)?;
    Ok(Json(json!({ "openid": provider })).into_response())
}

/// Sets the OpenID provider up. The sessions of its users end.
#[utoipa::path(
    put,
    path = "/api/v1/sign-in-settings",
    tag = "sign-in",
    request_body = described::OpenIdEntry,
    responses(
        (status = 200, description = "As it is now", body = described::SignInSettings),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn update_sign_in_settings(
    State(console): State<Console>,
    caller: Caller,
    Given(entry): Given<OpenIdEntry>,
) -> Result<Response, ApiError> {
    let entry = OpenIdProviderEntry {
        name: entry.name,
        issuer: parsed(&entry.issuer, "issuer", "Write it as https://login.microsoftonline.com/TENANT-ID/v2.0.")?,
        client_id: entry.client_id,
        client_secret: entry.client_secret,
        groups_claim: entry.groups_claim,
        groups: entry.groups,
    };
    let provider = people::set_sign_in(console.store(), &caller.actor, Some(&entry), console.now()).await?;
    Ok(Json(json!({ "openid": provider })).into_response())
}

/// Removes the OpenID provider: its users cannot sign in any more.
#[utoipa::path(
    delete,
    path = "/api/v1/sign-in-settings",
    tag = "sign-in",
    responses((status = 204, description = "There is none"), AnyCall, Change)
)]
pub(super) async fn remove_sign_in_settings(
    State(console): State<Console>,
    caller: Caller,
) -> Result<Response, ApiError> {
    people::set_sign_in(console.store(), &caller.actor, None, console.now()).await?;
    Ok(answer::gone())
}
