//! `/api/v1/audit`

use admin::{AuditFilter, AuditPage};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use submission::http::{AnyCall, Problem};

use super::caller::Caller;
use super::described::{self, WithQuery};
use super::error::ApiError;
use super::request::Asked;
use crate::Console;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AuditQuery {
    actor: String,
    q: String,
    cursor: Option<i64>,
    limit: usize,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { actor: String::new(), q: String::new(), cursor: None, limit: DEFAULT_LIMIT }
    }
}

/// Lists what was changed, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "audit",
    params(
        ("actor" = Option<String>, Query, description = "Text in who did it"),
        ("q" = Option<String>, Query, description = "Text in the action or in what was changed"),
        ("cursor" = Option<i64>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Entries at most; 50 if left out"),
    ),
    responses((status = 200, description = "A page", body = described::AuditPage), AnyCall, WithQuery)
)]
pub(super) async fn list_audit(
    State(console): State<Console>,
    caller: Caller,
    Asked(asked): Asked<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    if !(1..=MAX_LIMIT).contains(&asked.limit) {
        return Err(Problem::bad_request(format!("limit is a number from 1 to {MAX_LIMIT}")).into());
    }
    let filter = AuditFilter { actor: asked.actor, text: asked.q };
    let page = admin::list_audit(console.store(), &caller.actor, &filter, asked.cursor, asked.limit).await?;
    Ok(Json(page))
}
