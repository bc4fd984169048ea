//! `POST /api/v1/messages`: a message comes in.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use mail::compose::{ComposeError, ComposeMessage, Composed, compose};
use serde::Serialize;
use store::{MessageState, Priority};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::authorize::SignedIn;
use super::body::Pieces;
use super::idempotency::Idempotency;
use super::openapi::{AnyCall, MessageRequest, MessageStatus, RawMessage};
use super::{Api, KIB, Problem, submit_raw};
use crate::intake::{Incoming, SubmissionOptions};

/// Larger descriptions are made into MIME where nobody else waits for it.
const INLINE_WORK_BYTES: usize = 256 * 1024;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    #[schema(value_type = String)]
    id: mail::MessageId,
    #[schema(value_type = MessageStatus)]
    status: MessageState,
}

/// Hands in one message. `202`: it is on disk.
///
/// As `message/rfc822`, the envelope is `from` and `to` of the query; what is left out is taken from the header.
#[utoipa::path(
    post,
    path = "/api/v1/messages",
    tag = "messages",
    security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "Envelope sender of a message/rfc822; empty for none"),
        ("to" = Option<Vec<String>>, Query, description = "Envelope recipients of a message/rfc822"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours: the same answer, no second message"),
    ),
    request_body(content(
        (MessageRequest = "application/json"),
        (RawMessage = "message/rfc822"),
    )),
    responses(
        (status = 202, description = "Durably queued", body = Accepted, headers(
            ("Location" = String, description = "Where the message is shown"),
            ("Idempotent-Replayed" = String, description = "`true`: an earlier request with this key stands for this one"),
        )),
        (status = 400, description = "The request cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The message did not arrive in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor message/rfc822", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The message cannot be, or the Idempotency-Key stands for another", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The account's rate is used up", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = u64, description = "In seconds"),
        )),
        AnyCall,
    )
)]
pub(super) async fn submit_message(
    State(api): State<Api>,
    signed_in: SignedIn,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers).as_deref() {
        Some("application/json") => submit_json(&api, &signed_in, &parts, body).await,
        Some("message/rfc822") => submit_raw::submit(&api, &signed_in, &parts, body).await,
        _ => Err(Problem::unsupported_media_type()),
    }
}

async fn submit_json(api: &Api, signed_in: &SignedIn, parts: &Parts, body: Body) -> Result<Response, Problem> {
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::bad_request("A JSON message takes no query parameters: say it all in the JSON"));
    }
    let mut idempotency = Idempotency::from_headers(&parts.headers, "json", "")?;
    let _budget = json_budget(api, &parts.headers).await?;
    let pieces = Pieces::new(body, api.limits.idle_timeout);
    let whole = timeout(api.limits.json_timeout, pieces.whole(api.limits.max_json_bytes));
    let json = whole.await.map_err(|_| Problem::timeout())??;
    if let Some(idempotency) = &mut idempotency {
        idempotency.update(&json);
    }
    let (composed, options) = composed(json).await?;
    let mut incoming = api.intake.begin(signed_in.origin(), composed.envelope).await?;
    incoming.set_options(options);
    incoming.write(&composed.mime).await?;
    finish(api, incoming, idempotency).await
}

/// The request's share of the memory for JSON, by what it says its size is; without that, the largest allowed.
async fn json_budget<'a>(api: &'a Api, headers: &HeaderMap) -> Result<SemaphorePermit<'a>, Problem> {
    let limit = api.limits.max_json_bytes.min(api.limits.json_budget_bytes);
    let said = content_length(headers).unwrap_or(u64::from(limit));
    let said = u32::try_from(said).ok().filter(|said| *said <= limit);
    let said = said.ok_or_else(|| Problem::too_large(u64::from(limit)))?;
    let permits = api.json_budget.acquire_many(said / KIB);
    let busy = || Problem::busy("Too many large messages at once: try again in a moment, or send message/rfc822");
    timeout(api.limits.json_timeout, permits).await.map_err(|_| busy())?.map_err(|_| busy())
}

async fn composed(json: Vec<u8>) -> Result<(Composed, SubmissionOptions), Problem> {
    if json.len() < INLINE_WORK_BYTES {
        return compose_json(&json);
    }
    let done = tokio::task::spawn_blocking(move || compose_json(&json)).await;
    done.unwrap_or_else(|_| Err(Problem::busy("The message could not be read just now: try again")))
}

fn compose_json(json: &[u8]) -> Result<(Composed, SubmissionOptions), Problem> {
    let message: ComposeMessage = serde_json::from_slice(json).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::unprocessable(format!("The message is not as it should be: {error}"))
        }
        _ => Problem::bad_request(format!("The body is not JSON: {error}")),
    })?;
    let options = SubmissionOptions {
        priority: match message.priority.unwrap_or_default() {
            mail::compose::Priority::High => Priority::High,
            mail::compose::Priority::Normal => Priority::Normal,
            mail::compose::Priority::Bulk => Priority::Bulk,
        },
        send_at: message.send_at,
        metadata: message.metadata.clone(),
    };
    let composed = compose(message).map_err(|error: ComposeError| Problem::from(error))?;
    Ok((composed, options))
}

/// Makes the message durable and says so.
pub(super) async fn finish(
    api: &Api,
    mut incoming: Incoming,
    idempotency: Option<Idempotency>,
) -> Result<Response, Problem> {
    if let Some(idempotency) = idempotency {
        incoming.set_idempotency(idempotency.finish(api.intake.now()));
    }
    let new = incoming.id();
    let id = incoming.commit().await?;
    let location = (LOCATION, format!("/api/v1/messages/{id}"));
    if id == new {
        let accepted = Accepted { id, status: MessageState::Queued };
        return Ok((StatusCode::ACCEPTED, [location], Json(accepted)).into_response());
    }
    // The earlier message may have left long ago, and may even be deleted.
    let status = api.intake.store().message(id).await.map_or(MessageState::Queued, |detail| detail.message.state);
    let headers = [location, (REPLAYED, "true".to_owned())];
    Ok((StatusCode::ACCEPTED, headers, Json(Accepted { id, status })).into_response())
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Lower case, without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}
