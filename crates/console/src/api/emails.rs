//! `/api/v1/emails`: Global System Settings → Emails.

use admin::EmailsEntry;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use mail::Address;
use serde::Deserialize;
use serde_json::json;
use submission::http::AnyCall;
use utoipa::ToSchema;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, WithBody};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Precondition, parsed};
use crate::Console;

/// Shows the Emails settings.
#[utoipa::path(
    get,
    path = "/api/v1/emails",
    tag = "emails",
    responses(
        (status = 200, description = "The settings", body = described::EmailsView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn show_emails(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let emails = admin::find_emails(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, emails))
}

/// Replaces the Emails settings, whole.
#[utoipa::path(
    put,
    path = "/api/v1/emails",
    tag = "emails",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::EmailsEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn update_emails(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<EmailsEntry>,
) -> Result<Response, ApiError> {
    let saved = admin::update_emails(console.store(), &caller.actor, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}

/// Who gets the test.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestEntry {
    #[schema(value_type = String, format = Email)]
    to: String,
}

/// Queues a test message from the mailbox of the Emails settings.
#[utoipa::path(
    post,
    path = "/api/v1/emails/test",
    tag = "emails",
    request_body = TestEntry,
    responses(
        (status = 202, description = "Queued", body = described::QueuedMessage, headers(("Location" = String, description = "The message"))),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn send_test_message(
    State(console): State<Console>,
    caller: Caller,
    Given(TestEntry { to }): Given<TestEntry>,
) -> Result<Response, ApiError> {
    let to = address(&to, "to")?;
    let (store, hostname) = (console.store(), &console.config.hostname);
    let id = admin::send_test_message(store, &caller.actor, &to, hostname, console.now()).await?.to_string();
    answer::accepted("messages", &id, json!({ "id": id, "status": "queued" }))
}

pub(super) fn address(text: &str, field: &'static str) -> Result<Address, ApiError> {
    parsed(text, field, "Write it as user@example.org.")
}
