//! The pages of the program itself: who it is, whether it is well, what it counts.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
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
        .route("/", get(front))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

const FRONT: &str = concat!(
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
    "<meta name=color-scheme content='light dark'><title>Postern</title>",
    "<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style>",
    "<h1>Postern ",
    env!("CARGO_PKG_VERSION"),
    "</h1><p>An outbound mail gateway. It takes mail over SMTP, HTTP and sendmail, and sends it through Microsoft Graph.",
    "<ul><li><a href=/readyz>/readyz</a>: can mail be taken?<li><a href=/healthz>/healthz</a>: is the process alive?",
    "<li><a href=/metrics>/metrics</a>: figures for Prometheus",
    "<li><code>POST /api/v1/messages</code>: hand in a message",
    "<li><code>postern doctor</code>, on the machine: what is wrong, and who must mend it</ul>",
);

async fn front() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(FRONT))
}

/// Ready means: a message that comes now can be made durable.
async fn ready(State(watched): State<Watched>) -> (StatusCode, Json<Value>) {
    let store = watched.store.probe().await;
    let free = rustix::fs::statvfs(&watched.data_dir).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let has_room = free.is_ok_and(|free| free >= watched.min_free_bytes);
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

async fn metrics(State(watched): State<Watched>) -> Response {
    match super::metrics::exposition(&*watched.store).await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
