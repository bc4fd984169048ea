//! `/api/v1/users`

use admin::people::{self, NewUser, UserSummary};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
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
pub(super) struct UserEntry {
    name: String,
    role: Role,
    password: Option<SecretString>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChange {
    role: Option<Role>,
    disabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordEntry {
    password: Option<SecretString>,
}

fn known(console: &Console, caller: &Caller, id: &str) -> Result<UserSummary, ApiError> {
    let users = people::list_users(console.store(), &caller.actor)?;
    users.into_iter().find(|user| user.id.0 == id).ok_or_else(|| ApiError::not_found("user"))
}

fn exposed(secret: Option<SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

/// Lists users.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    responses((status = 200, description = "All of them", body = described::UserList), AnyCall)
)]
pub(super) async fn list_users(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let users = people::list_users(console.store(), &caller.actor)?;
    Ok(Json(json!({ "users": users })).into_response())
}

/// Shows one user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "The user", body = described::UserView), AnyCall, OfOne)
)]
pub(super) async fn show_user(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<UserSummary>, ApiError> {
    Ok(Json(known(&console, &caller, &id)?))
}

/// Adds a user.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "users",
    request_body = described::UserEntry,
    responses(
        (status = 201, description = "Added", body = described::AddedUser, headers(("Location" = String, description = "The user"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn add_user(
    State(console): State<Console>,
    caller: Caller,
    Given(entry): Given<UserEntry>,
) -> Result<Response, ApiError> {
    let new = NewUser { name: entry.name, role: entry.role, password: entry.password };
    let added = people::add_user(console.store(), &console.gate, &caller.actor, &new, console.now()).await?;
    let id = added.user.id.0.clone();
    let shown = json!({ "user": added.user, "generated_password": exposed(added.generated_password) });
    answer::created("users", &id, shown)
}

/// Changes a user's role, or whether they may sign in.
///
/// Ends their sessions. The last administrator stays one.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "As in the list")),
    request_body = described::UserChange,
    responses(
        (status = 200, description = "The user as they are now", body = described::UserView),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn change_user(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Given(change): Given<UserChange>,
) -> Result<Json<UserSummary>, ApiError> {
    let (store, actor, now) = (console.store(), &caller.actor, console.now());
    let mut user = known(&console, &caller, &id)?;
    if let Some(role) = change.role {
        user = people::change_role(store, actor, &user.id, role, now).await?;
    }
    if let Some(disabled) = change.disabled {
        user = people::set_disabled(store, actor, &user.id, disabled, now).await?;
    }
    Ok(Json(user))
}

/// Removes a user, with their sessions.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "They are gone"), AnyCall, OfOne, Change)
)]
pub(super) async fn remove_user(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let user = known(&console, &caller, &id)?;
    people::remove_user(console.store(), &caller.actor, &user.id, console.now()).await?;
    Ok(answer::gone())
}

/// Sets a user's password, or makes one. Ends their sessions.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/reset-password",
    tag = "users",
    params(("id" = String, Path, description = "As in the list")),
    request_body = described::PasswordEntry,
    responses(
        (status = 200, description = "It is set", body = described::PasswordReset),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn reset_password(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Given(entry): Given<PasswordEntry>,
) -> Result<Response, ApiError> {
    let (store, actor, now) = (console.store(), &caller.actor, console.now());
    let user = known(&console, &caller, &id)?;
    let password = entry.password.as_ref();
    let generated = people::reset_password(store, &console.gate, actor, &user.id, password, now).await?;
    Ok(Json(json!({ "generated_password": exposed(generated) })).into_response())
}

/// Removes a user's second factor: they lost their device.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/second-factor",
    tag = "users",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "They have none"), AnyCall, OfOne, Change)
)]
pub(super) async fn remove_second_factor(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let user = known(&console, &caller, &id)?;
    people::remove_totp(console.store(), &caller.actor, &user.id, console.now()).await?;
    Ok(answer::gone())
}
