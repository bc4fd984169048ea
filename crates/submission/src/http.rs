//! The HTTP API for messages: `/api/v1/messages`.
//!
//! Promise: `202` is answered after the intake made the message durable and never before; an account sees its own messages
//! and no others, and one that is not its own looks like one that does not exist. Every error is a problem document
//! (RFC 9457) whose `detail` says what to do.
//!
//! Left to others: sockets and TLS (whoever serves the [`router`] puts [`axum::extract::ConnectInfo`] into the requests),
//! the administrators' calls and who is one (`console`, which adds them to [`calls`] and marks its callers with
//! [`SeesAllMessages`]), who may send what (`intake`).
//!
//! Invariant: raw messages stream through; what JSON takes in memory is bounded for all requests together.

mod authorize;
mod body;
mod filter;
mod idempotency;
mod openapi;
mod problem;
mod read;
mod submit;
mod submit_raw;
mod view;

#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::intake::Intake;

pub use authorize::{SeesAllMessages, account_of, bearer_token};
pub use body::read_body;
pub use openapi::{AnyCall, DateTime, ExplanationView, MessageStatus, PriorityName, RawMessage, WayIn};
pub use problem::Problem;
use problem::ProblemCode;
pub use view::{MessageSummary, MessageView};

const KIB: u32 = 1024;

/// What bounds the API.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Requests at once; the rest is told to come back.
    pub max_requests: usize,
    /// A JSON message with its attachments in base64: 35 MiB of message need 48 MiB.
    pub max_json_bytes: u32,
    /// JSON messages of all requests together, for each is in memory several times over while it is made into MIME.
    pub json_budget_bytes: u32,
    /// A client that sends nothing for so long is given up.
    pub idle_timeout: Duration,
    /// A JSON message must be there by then, for it holds its share of the budget.
    pub json_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_requests: 512,
            max_json_bytes: 48 * KIB * KIB,
            json_budget_bytes: 64 * KIB * KIB,
            idle_timeout: Duration::from_mins(1),
            json_timeout: Duration::from_mins(2),
        }
    }
}

/// What every call needs. Cheap to clone.
#[derive(Debug, Clone)]
struct Api {
    intake: Intake,
    limits: Arc<HttpLimits>,
    requests: Arc<Semaphore>,
    /// One permit for each KiB of JSON.
    json_budget: Arc<Semaphore>,
}

/// These calls alone, to be served or merged into a larger router.
pub fn router(intake: Intake, limits: HttpLimits) -> Router {
    serve(calls(intake, limits))
}

/// The calls and what describes them, made of one list: a call cannot be there without its description. More of both may
/// be merged in before they are served.
pub fn calls(intake: Intake, limits: HttpLimits) -> OpenApiRouter {
    let budget = usize::try_from(limits.json_budget_bytes / KIB).unwrap_or(usize::MAX);
    let api = Api {
        intake,
        requests: Arc::new(Semaphore::new(limits.max_requests)),
        json_budget: Arc::new(Semaphore::new(budget)),
        limits: Arc::new(limits),
    };
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(read::list_messages, submit::submit_message))
        .routes(routes!(read::show_message))
        .layer(from_fn_with_state(api.clone(), bound_requests))
        .with_state(api)
}

/// The calls with the document that describes all of them; whatever else is asked for below `/api` is a problem.
pub fn serve(calls: OpenApiRouter) -> Router {
    let (calls, description) = calls.split_for_parts();
    calls
        .route("/api/openapi.json", get(move || ready(Json(description.clone()))))
        .route("/api/{*rest}", any(no_such_call))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(observe_problems))
}

async fn no_such_call() -> Response {
    Problem::no_such_call().into_response()
}

async fn method_not_allowed() -> Response {
    Problem::method_not_allowed().into_response()
}

async fn bound_requests(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.requests.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Problem::busy("Too many requests at once: try again in a moment").into_response(),
    }
}

/// Counts and logs every error answer once, here, whoever gave it.
async fn observe_problems(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    if let Some(ProblemCode(code)) = response.extensions().get::<ProblemCode>().copied() {
        metrics::counter!("postern_http_refusals_total", "code" => code).increment(1);
        tracing::info!(event = "http_refused", %method, status = response.status().as_u16(), code);
    }
    response
}
