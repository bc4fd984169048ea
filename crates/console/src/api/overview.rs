//! `/api/v1/overview`

use admin::Overview;
use axum::Json;
use axum::extract::State;
use submission::http::AnyCall;

use super::caller::Caller;
use super::described;
use super::error::ApiError;
use crate::Console;

/// Shows how things stand.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    tag = "overview",
    responses((status = 200, description = "What waits, what went, what is wrong, what will be", body = described::Overview), AnyCall)
)]
pub(super) async fn show_overview(State(console): State<Console>, caller: Caller) -> Result<Json<Overview>, ApiError> {
    let data_dir = Some(console.config.data_dir.as_path());
    Ok(Json(admin::overview(console.store(), &caller.actor, data_dir, console.now()).await?))
}
