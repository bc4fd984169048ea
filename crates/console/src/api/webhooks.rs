//! `/api/v1/webhooks`

use admin::{Saved, SavedWebhook, WebhookEntry};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::json;
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne, WithBody, WithQuery};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Id, Precondition};
use crate::Console;

/// The secret goes into the one answer of the call that made it.
#[derive(Serialize)]
struct WebhookSaved {
    #[serde(flatten)]
    saved: Saved,
    generated_secret: Option<String>,
}

impl From<SavedWebhook> for WebhookSaved {
    fn from(SavedWebhook { saved, secret }: SavedWebhook) -> Self {
        Self { saved, generated_secret: secret.map(|secret| secret.expose_secret().to_owned()) }
    }
}

/// Lists webhooks.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    responses(
        (status = 200, description = "All of them", body = described::WebhookList, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn list_webhooks(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let webhooks = admin::list_webhooks(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, json!({ "webhooks": webhooks })))
}

/// Shows one webhook.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "The webhook", body = described::WebhookView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn show_webhook(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let webhook = known(&console, &caller, &id)?;
    Ok(answer::settings(&console, webhook))
}

fn known(console: &Console, caller: &Caller, id: &str) -> Result<admin::WebhookView, ApiError> {
    let webhooks = admin::list_webhooks(console.store(), &caller.actor)?;
    webhooks.into_iter().find(|webhook| webhook.id == id).ok_or_else(|| ApiError::not_found("webhook"))
}

/// Creates a webhook; without a secret one is made, and is in this one answer.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks",
    tag = "webhooks",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::WebhookEntry,
    responses(
        (status = 201, description = "Created", body = described::WebhookSaved, headers(("Location" = String, description = "The webhook"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn create_webhook(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<WebhookEntry>,
) -> Result<Response, ApiError> {
    let created = admin::create_webhook(console.store(), &caller.actor, &entry, version, console.now()).await;
    let created = decided(&console, version, created)?;
    answer::created("webhooks", &created.saved.id.clone(), WebhookSaved::from(created))
}

/// Replaces a webhook.
///
/// A secret that is left out stays as it is.
#[utoipa::path(
    put,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    request_body = described::WebhookEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        OfOne,
        Change,
    )
)]
pub(super) async fn update_webhook(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<WebhookEntry>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let saved = admin::update_webhook(console.store(), &caller.actor, &id, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}

/// Makes a new secret, which is in this one answer and signs from the next call on.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/rotate-secret",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses(
        (status = 200, description = "Saved", body = described::WebhookSaved),
        AnyCall,
        WithQuery,
        OfOne,
        Change,
    )
)]
pub(super) async fn rotate_webhook_secret(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let rotated = admin::rotate_webhook_secret(console.store(), &caller.actor, &id, version, console.now()).await;
    Ok(Json(WebhookSaved::from(decided(&console, version, rotated)?)).into_response())
}

/// Calls the webhook once, signed, with the type `ping`.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{id}/test",
    tag = "webhooks",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "What came of it; `ok` says whether the receiver took the call", body = described::WebhookTest),
        AnyCall,
        OfOne,
        Change,
    )
)]
pub(super) async fn test_webhook(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let network = &console.config.network;
    let test = admin::test_webhook(console.store(), &caller.actor, &id, network, console.now()).await?;
    Ok(Json(test).into_response())
}

/// Removes a webhook: what it was not told yet it is never told.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "As in the list"),
        ("version" = Option<u64>, Query, description = "Refused unless the settings are at this version"),
    ),
    responses((status = 204, description = "It is gone"), AnyCall, WithQuery, OfOne, Change)
)]
pub(super) async fn remove_webhook(
    State(console): State<Console>,
    caller: Caller,
    Id(id): Id,
    Asked(Precondition { version }): Asked<Precondition>,
) -> Result<Response, ApiError> {
    known(&console, &caller, &id)?;
    let removed = admin::remove_webhook(console.store(), &caller.actor, &id, version, console.now()).await;
    decided(&console, version, removed)?;
    Ok(answer::gone())
}
