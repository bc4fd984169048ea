//! What the program says of itself to monitoring: whether it is well, what it counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use store::Store;

/// What the pages look at.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub store: Arc<dyn Store>,
    pub data_dir: PathBuf,
    pub min_free_bytes: u64,
}

pub(super) fn router(watched: Watched) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

/// Ready means: a message that comes now can be made durable.
async fn ready(State(watched): State<Watched>) -> (StatusCode, Json<Value>) {
    let store = watched.store.probe().await;
    let has_room = has_room(&watched.data_dir, watched.min_free_bytes);
    let is_ready = store.is_ok() && has_room;
    if !is_ready {
        tracing::warn!(event = "not_ready", store = store.is_ok(), has_room);
    }
    let answer = json!({
        "ready": is_ready,
        "checks": {
            "store": store.map_or_else(|error| error.to_string(), |()| "ok".to_owned()),
            "disk": if has_room { "ok" } else { "less room than limits.min_free_bytes" },
        },
    });
    (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(answer))
}

/// Whether the disk that holds this folder has so many octets left.
pub(super) fn has_room(folder: &Path, min_free_bytes: u64) -> bool {
    let free = rustix::fs::statvfs(folder).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    free.is_ok_and(|free| free >= min_free_bytes)
}

async fn metrics(State(watched): State<Watched>) -> Response {
    match super::metrics::exposition(&*watched.store).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
