//! `/api/v1/messages/{id}/…`: what administrators do with messages. Listing and showing are `submission::http`'s.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use mail::MessageId;
use serde_json::json;
use store::Operation;
use submission::http::{AnyCall, MessageView, RawMessage};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::answer;
use super::caller::Caller;
use super::described::{self, Change, OfOne};
use super::error::ApiError;
use super::request::Message;
use crate::Console;

/// Shows the message as it would be sent. Who reads it reads other people's mail, and leaves a trace.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}/raw",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 200, description = "Header and body", body = RawMessage, content_type = "message/rfc822"),
        AnyCall,
        OfOne,
    )
)]
pub(super) async fn read_raw(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Response, ApiError> {
    let (message, body) = admin::export_message(console.store(), &caller.actor, id).await?;
    let header = std::io::Cursor::new(message.added_header.into_bytes());
    let whole = Body::from_stream(ReaderStream::new(header.chain(body)));
    Ok(([(CONTENT_TYPE, "message/rfc822")], whole).into_response())
}

async fn operate(
    console: &Console,
    caller: &Caller,
    id: MessageId,
    operation: Operation,
) -> Result<Json<MessageView>, ApiError> {
    admin::operate_message(console.store(), &caller.actor, id, operation, console.now()).await?;
    Ok(Json(admin::find_message(console.store(), &caller.actor, id).await?.into()))
}

/// Tries again now, also what failed or is in doubt.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/retry",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "The message as it is now", body = MessageView), AnyCall, OfOne, Change)
)]
pub(super) async fn retry_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Json<MessageView>, ApiError> {
    operate(&console, &caller, id, Operation::Retry).await
}

/// Gives up what is not sent yet.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/cancel",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "The message as it is now", body = MessageView), AnyCall, OfOne, Change)
)]
pub(super) async fn cancel_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Json<MessageView>, ApiError> {
    operate(&console, &caller, id, Operation::Cancel).await
}

/// Keeps it until it is released.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/hold",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "The message as it is now", body = MessageView), AnyCall, OfOne, Change)
)]
pub(super) async fn hold_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Json<MessageView>, ApiError> {
    operate(&console, &caller, id, Operation::Hold).await
}

/// Lets a held message go on.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/release",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "The message as it is now", body = MessageView), AnyCall, OfOne, Change)
)]
pub(super) async fn release_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Json<MessageView>, ApiError> {
    operate(&console, &caller, id, Operation::Release).await
}

/// Queues the message once more under a new id. Recipients who got the first get it twice.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/resend",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses(
        (status = 202, description = "Queued", body = described::QueuedMessage, headers(("Location" = String, description = "The new message"))),
        AnyCall,
        OfOne,
        Change,
    )
)]
pub(super) async fn resend_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Response, ApiError> {
    let again = admin::resend_message(console.store(), &caller.actor, id, console.now()).await?.to_string();
    answer::accepted("messages", &again, json!({ "id": again, "status": "queued" }))
}

/// Deletes the message for good, with its content and its history.
#[utoipa::path(
    delete,
    path = "/api/v1/messages/{id}",
    tag = "messages",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 204, description = "It is gone"), AnyCall, OfOne, Change)
)]
pub(super) async fn delete_message(
    State(console): State<Console>,
    caller: Caller,
    Message(id): Message,
) -> Result<Response, ApiError> {
    admin::delete_message(console.store(), &caller.actor, id).await?;
    Ok(answer::gone())
}
