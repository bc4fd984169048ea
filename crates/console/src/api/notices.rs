//! `/api/v1/notices`: who is told by mail, and when an alarm is raised.

use admin::NoticesEntry;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use submission::http::AnyCall;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, WithBody};
use super::error::{ApiError, decided};
use super::request::{Asked, Given, Precondition};
use crate::Console;

/// Shows the notices and alarms.
#[utoipa::path(
    get,
    path = "/api/v1/notices",
    tag = "notices",
    responses(
        (status = 200, description = "The settings", body = described::NoticesView, headers(("Settings-Version" = u64, description = "Of the settings"))),
        AnyCall,
    )
)]
pub(super) async fn show_notices(State(console): State<Console>, caller: Caller) -> Result<Response, ApiError> {
    let notices = admin::find_notices(console.store(), &caller.actor)?;
    Ok(answer::settings(&console, notices))
}

/// Replaces the notices and alarms, whole.
#[utoipa::path(
    put,
    path = "/api/v1/notices",
    tag = "notices",
    params(("version" = Option<u64>, Query, description = "Refused unless the settings are at this version")),
    request_body = described::NoticesEntry,
    responses(
        (status = 200, description = "Saved", body = described::Saved),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn update_notices(
    State(console): State<Console>,
    caller: Caller,
    Asked(Precondition { version }): Asked<Precondition>,
    Given(entry): Given<NoticesEntry>,
) -> Result<Response, ApiError> {
    let saved = admin::update_notices(console.store(), &caller.actor, &entry, version, console.now()).await;
    Ok(Json(decided(&console, version, saved)?).into_response())
}
