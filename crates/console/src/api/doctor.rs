//! `/api/v1/doctor`

use admin::DoctorRequest;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use submission::http::AnyCall;

use super::caller::Caller;
use super::described::{self, Change, WithBody};
use super::emails::address;
use super::error::ApiError;
use super::request::Given;
use crate::Console;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoctorEntry {
    connection: Option<String>,
    send_to: Option<String>,
}

/// Looks at everything mail passes through. Asks upstreams, and may take long.
#[utoipa::path(
    post,
    path = "/api/v1/doctor",
    tag = "overview",
    request_body = described::DoctorEntry,
    responses(
        (status = 200, description = "What was found", body = described::Findings),
        AnyCall,
        WithBody,
        Change,
    )
)]
pub(super) async fn run_doctor(
    State(console): State<Console>,
    caller: Caller,
    Given(entry): Given<DoctorEntry>,
) -> Result<Response, ApiError> {
    let send_to = entry.send_to.as_deref().map(|text| address(text, "send_to")).transpose()?;
    let request = DoctorRequest {
        connection: entry.connection,
        send_to,
        send_from: None,
        network: console.config.network.clone(),
        data_dir: console.config.data_dir.clone(),
        configuration: console.config.configuration.clone(),
        now: console.now(),
    };
    let checks = admin::doctor(&console.store, &caller.actor, &request).await?;
    Ok(Json(json!({ "checks": checks })).into_response())
}
