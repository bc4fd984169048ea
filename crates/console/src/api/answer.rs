//! Answers that are alike in all calls.

use axum::Json;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;
use crate::Console;

const VERSION: HeaderName = HeaderName::from_static("settings-version");

/// Settings with the version they are at: given back as `version`, a change is refused if somebody else was quicker.
pub(super) fn settings(console: &Console, shown: impl Serialize) -> Response {
    let version = console.store().settings().borrow().version;
    ([(VERSION, HeaderValue::from(version))], Json(shown)).into_response()
}

/// `201`, and where the new thing is.
pub(super) fn created(path: &str, id: &str, shown: impl Serialize) -> Result<Response, ApiError> {
    at(StatusCode::CREATED, path, id, shown)
}

/// `202`: the work is under way there.
pub(super) fn accepted(path: &str, id: &str, shown: impl Serialize) -> Result<Response, ApiError> {
    at(StatusCode::ACCEPTED, path, id, shown)
}

fn at(status: StatusCode, path: &str, id: &str, shown: impl Serialize) -> Result<Response, ApiError> {
    // Ids are made here, of letters, digits and dashes.
    let place = HeaderValue::from_str(&format!("/api/v1/{path}/{id}")).map_err(|_| ApiError::not_found("thing"))?;
    Ok((status, [(LOCATION, place)], Json(shown)).into_response())
}

pub(super) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
