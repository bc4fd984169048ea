//! `/api/v1/tenants`

use admin::TenantEntry;
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

/// Lists tenants.
#[utoipa::path(
    get,
    path = "/api/v1/tenants",
    tag = "tenants",
    responses(
        (status = 200, description = "All of them", body = described::TenantList, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn list_tenants(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let tenants = admin::list_tenants(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, json!({ "tenants": tenants })))
}

/// Shows one tenant.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{id}",
    tag = "tenants",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The tenant", body = described::TenantView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_tenant(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let tenant = known(&console, &caller, &id)?;
    Ok(answer::settings(&console, tenant))
}

pub(super) fn known(console: &Console, caller: &Caller, id: &str) -> Result<admin::TenantView, ApiError> {
    let tenants = admin::list_tenants(console.store(), &caller.actor)?;
    tenants.into_iter().find(|tenant| tenant.id == id).ok_or_else(|| ApiError::not_found("tenant"))
}

/// Creates a tenant.
#[utoipa::path(
    post,
    path = "/api/v1/tenants",
    tag = "tenants",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::TenantEntry,
    responses(
        (status = 201, description = "Created", body = described::Saved, headers(("Location" = String, description = "The tenant"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_tenant(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<TenantEntry>,
) -> Result<Response, ApiError> {
    let saved = admin::create_tenant(console.store(), &caller.actor, &entry, version, console.now()).await;
    let saved = decided(&console, version, saved)?;
    answer::created("tenants", &saved.id.clone(), saved)
}

/// Replaces a tenant.
///
/// A secret that is left out stays as it is.
#[utoipa::path(
    put,
    path = "/api/v1/tenants/{id}",
    tag = "tenants",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = described::TenantEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn update_tenant(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<TenantEntry>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let saved = admin::update_tenant(console.store(), &caller.actor, &id, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}

/// Removes a tenant.
///
/// Refused while a connection has it.
#[utoipa::path(
    delete,
    path = "/api/v1/tenants/{id}",
    tag = "tenants",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn remove_tenant(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let removed = admin::remove_tenant(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, removed)?;
    Ok(answer::gone())
}
