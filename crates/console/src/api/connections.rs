//! `/api/v1/connections`

use admin::ConnectionEntry;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody, WithQuery};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Id, Precondition};
use crate::Console;

/// Lists the services that connections can be made of.
#[utoipa::path(
    get,
    path = "/api/v1/services",
    tag = "connections",
    responses((status = 200, description = "All of them", body = described::ServiceList), AnyCall)
)]
pub(super) async fn list_services(_: Caller) -> Response {
    Json(json!({ "services": admin::list_services() })).into_response()
}

/// Lists connections.
#[utoipa::path(
    get,
    path = "/api/v1/connections",
    tag = "connections",
    responses(
        (status = 200, description = "All of them", body = described::ConnectionList, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn list_connections(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let connections = admin::list_connections(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, json!({ "connections": connections })))
}

/// Shows one connection.
#[utoipa::path(
    get,
    path = "/api/v1/connections/{id}",
    tag = "connections",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The connection", body = described::ConnectionView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_connection(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let connection = known(&console, &caller, &id)?;
    Ok(answer::settings(&console, connection))
}

pub(super) fn known(console: &Console, caller: &Caller, id: &str) -> Result<admin::ConnectionSummary, ApiError> {
    let connections = admin::list_connections(console.store(), &caller.actor)?;
    connections.into_iter().find(|connection| connection.id == id).ok_or_else(|| ApiError::not_found("connection"))
}

/// Creates a connection.
#[utoipa::path(
    post,
    path = "/api/v1/connections",
    tag = "connections",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::ConnectionEntry,
    responses(
        (status = 201, description = "Created", body = described::Saved, headers(("Location" = String, description = "The connection"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_connection(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<ConnectionEntry>,
) -> Result<Response, ApiError> {
    let saved = admin::create_connection(console.store(), &caller.actor, &entry, version, console.now()).await;
    let saved = decided(&console, version, saved)?;
    answer::created("connections", &saved.id.clone(), saved)
}

/// Replaces a connection.
///
/// A delegated connection that stops being one forgets who signed in.
#[utoipa::path(
    put,
    path = "/api/v1/connections/{id}",
    tag = "connections",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = described::ConnectionEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn update_connection(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<ConnectionEntry>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let saved = admin::update_connection(console.store(), &caller.actor, &id, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}

/// Removes a connection.
///
/// Refused while the Emails settings or a route use it.
#[utoipa::path(
    delete,
    path = "/api/v1/connections/{id}",
    tag = "connections",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn remove_connection(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let removed = admin::remove_connection(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, removed)?;
    Ok(answer::gone())
}

/// Asks for a token as a delivery would.
#[utoipa::path(
    post,
    path = "/api/v1/connections/{id}/test",
    tag = "connections",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "What came of it; `ok` says whether there was a token", body = described::ConnectionTest),
        AnyCall,
        OfOne,
        Change,
    )
)]
pub(super) async fn test_connection(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let test = admin::test_connection(&console.store, &caller.actor, &id, &console.config.network).await?;
    Ok(Json(test).into_response())
}
