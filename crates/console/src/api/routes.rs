//! `/api/v1/routes`

use admin::{Move, RouteEntry};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use submission::http::AnyCall;
use utoipa::ToSchema;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody, WithQuery};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Id, Precondition, parsed};
use crate::Console;

/// A route as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteRequest {
    name: String,
    sender: String,
    service_connection: String,
    mailbox: String,
    #[serde(default)]
    fallback: Vec<String>,
}

impl RouteRequest {
    fn entry(self) -> Result<RouteEntry, ApiError> {
        Ok(RouteEntry {
            sender: parsed(&self.sender, "sender", "Write it as in *@contoso.test.")?,
            name: self.name,
            service_connection: self.service_connection,
            mailbox: self.mailbox,
            fallback: self.fallback,
        })
    }
}

/// Lists routes in the order in which they are tried: the first match wins.
#[utoipa::path(
    get,
    path = "/api/v1/routes",
    tag = "routes",
    responses(
        (status = 200, description = "All of them", body = described::RouteList, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn list_routes(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let routes = admin::list_routes(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, json!({ "routes": routes })))
}

/// Shows one route.
#[utoipa::path(
    get,
    path = "/api/v1/routes/{id}",
    tag = "routes",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The route", body = described::RouteView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_route(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let route = known(&console, &caller, &id)?;
    Ok(answer::settings(&console, route))
}

pub(super) fn known(console: &Console, caller: &Caller, id: &str) -> Result<admin::RouteView, ApiError> {
    let routes = admin::list_routes(console.store(), &caller.actor)?;
    routes.into_iter().find(|route| route.id == id).ok_or_else(|| ApiError::not_found("route"))
}

/// Creates a route; it is tried last.
#[utoipa::path(
    post,
    path = "/api/v1/routes",
    tag = "routes",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::RouteEntry,
    responses(
        (status = 201, description = "Created", body = described::Saved, headers(("Location" = String, description = "The route"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_route(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(request): Given<RouteRequest>,
) -> Result<Response, ApiError> {
    let entry = request.entry()?;
    let saved = admin::create_route(console.store(), &caller.actor, &entry, version, console.now()).await;
    let saved = decided(&console, version, saved)?;
    answer::created("routes", &saved.id.clone(), saved)
}

/// Replaces a route; its place stays.
#[utoipa::path(
    put,
    path = "/api/v1/routes/{id}",
    tag = "routes",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = described::RouteEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn update_route(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(request): Given<RouteRequest>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let entry = request.entry()?;
    let saved = admin::update_route(console.store(), &caller.actor, &id, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}

/// Removes a route.
#[utoipa::path(
    delete,
    path = "/api/v1/routes/{id}",
    tag = "routes",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn remove_route(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let removed = admin::remove_route(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, removed)?;
    Ok(answer::gone())
}

/// Where to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveEntry {
    #[schema(value_type = described::MoveName)]
    to: Move,
}

/// Moves a route in the order in which they are tried.
#[utoipa::path(
    post,
    path = "/api/v1/routes/{id}/move",
    tag = "routes",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = MoveEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn move_route(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(MoveEntry { to }): Given<MoveEntry>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let saved = admin::move_route(console.store(), &caller.actor, &id, to, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}
