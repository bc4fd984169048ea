//! `GET`: what became of messages.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use mail::MessageId;
use serde::Serialize;
use utoipa::ToSchema;

use super::authorize::Reader;
use super::openapi::{AnyCall, DateTime};
use super::{Api, MessageSummary, MessageView, Problem, filter};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessagePage {
    messages: Vec<MessageSummary>,
    /// The `cursor` of the next page; null on the last.
    #[schema(required, value_type = Option<String>)]
    next: Option<MessageId>,
}

/// Shows one message.
///
/// To an account, a message of another one is answered like one that does not exist. Administrators see all.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    tag = "messages",
    params(("id" = String, Path, description = "As in `Queued as ID` and in the answer to the submission")),
    responses(
        (status = 200, description = "Everything about the message", body = MessageView),
        AnyCall,
        (status = 404, description = "No such message, or it is another account's", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show_message(
    State(api): State<Api>,
    reader: Reader,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<MessageView>, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse::<MessageId>().ok()).ok_or_else(Problem::unknown_message)?;
    let detail = api.intake.store().message(id).await?;
    if !reader.may_see(detail.message.account.as_ref()) {
        return Err(Problem::unknown_message());
    }
    Ok(Json(detail.into()))
}

/// Lists the account's messages, or for administrators all, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    tag = "messages",
    params(
        ("status" = Option<String>, Query, description = "States, separated by commas"),
        ("q" = Option<String>, Query, description = "Text in sender, recipients, subject or an id"),
        ("from" = Option<String>, Query, description = "Text in the envelope sender or the header From"),
        ("to" = Option<String>, Query, description = "A recipient"),
        ("since" = Option<DateTime>, Query, description = "Arrived then or later"),
        ("until" = Option<DateTime>, Query, description = "Arrived before then"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Messages at most, 1 to 200; 50 if left out"),
    ),
    responses(
        (status = 200, description = "A page", body = MessagePage),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        AnyCall,
    )
)]
pub(super) async fn list_messages(
    State(api): State<Api>,
    reader: Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<MessagePage>, Problem> {
    let (filter, page) = filter::parse(&query.unwrap_or_default(), reader.account())?;
    let page = api.intake.store().messages(&filter, page).await?;
    Ok(Json(MessagePage { messages: page.messages.into_iter().map(MessageSummary::from).collect(), next: page.next }))
}
