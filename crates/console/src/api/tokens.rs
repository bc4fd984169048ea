//! `/api/v1/tokens`: API tokens, for programs that administer.

use admin::people::{self, ApiTokenSummary, NewApiToken};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::Role;
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody};
use super::error::ApiError;
use super::request::{Given, Id};
use crate::Console;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenEntry {
    name: String,
    role: Role,
    expires_at: Option<Timestamp>,
}

/// The one answer with the token.
#[derive(Serialize)]
struct CreatedToken<'a> {
    #[serde(flatten)]
    summary: &'a ApiTokenSummary,
    token: &'a str,
}

fn known(console: &Console, caller: &Caller, id: &str) -> Result<ApiTokenSummary, ApiError> {
    let tokens = people::list_api_tokens(console.store(), &caller.actor, console.now())?;
    tokens.into_iter().find(|token| token.id.0 == id).ok_or_else(|| ApiError::not_found("token"))
}

/// Lists API tokens.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    responses((status = 200, description = "All of them", body = described::TokenList), AnyCall)
)]
pub(super) async fn list_tokens(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let tokens = people::list_api_tokens(console.store(), &caller.actor, console.now())?;
    Ok(Json(json!({ "tokens": tokens })).into_response())
}

/// Shows one API token; not the token itself.
#[utoipa::path(
    get,
    path = "/api/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "What is known of it", body = described::TokenView), AnyCall, OfOne)
)]
pub(super) async fn show_token(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ApiTokenSummary>, ApiError> {
    Ok(Json(known(&console, &caller, &id)?))
}

/// Makes an API token.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    request_body = described::TokenEntry,
    responses(
        (status = 201, description = "Made; the token is in this answer only", body = described::CreatedToken, headers(("Location" = String, description = "What is known of it"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_token(
    State(console): State<Console>,
    caller: Caller,
    Given(entry): Given<TokenEntry>,
) -> Result<Response, ApiError> {
    let new = NewApiToken { name: entry.name, role: entry.role, expires_at: entry.expires_at };
    let created = people::create_api_token(console.store(), &caller.actor, &new, console.now()).await?;
    let shown = CreatedToken { summary: &created.summary, token: created.token.expose_secret() };
    answer::created("tokens", &created.summary.id.0, shown)
}

/// Revokes an API token, at once.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "tokens",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "It is worth nothing any more"), AnyCall, OfOne, Change)
)]
pub(super) async fn revoke_token(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let token = known(&console, &caller, &id)?;
    people::revoke_api_token(console.store(), &caller.actor, &token.name, console.now()).await?;
    Ok(answer::gone())
}
