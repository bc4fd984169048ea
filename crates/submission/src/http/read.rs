//! `GET`: what became of messages.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use mail::MessageId;
use serde::Serialize;

use super::authorize::SignedIn;
use super::{Api, MessageSummary, MessageView, Problem, filter};

#[derive(Debug, Serialize)]
pub(super) struct MessagePage {
    messages: Vec<MessageSummary>,
    /// The `cursor` of the next page; null on the last.
    next: Option<MessageId>,
}

/// A message of another account is answered like one that does not exist.
pub(super) async fn show_message(
    State(api): State<Api>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    let id: MessageId = id.parse().map_err(|_| Problem::unknown_message())?;
    let detail = api.intake.store().message(id).await?;
    if detail.message.account.as_ref() != Some(&signed_in.account.id) {
        return Err(Problem::unknown_message());
    }
    Ok(Json(detail.into()))
}

pub(super) async fn list_messages(
    State(api): State<Api>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Json<MessagePage>, Problem> {
    let (filter, page) = filter::parse(&query.unwrap_or_default(), signed_in.account.id.clone())?;
    let page = api.intake.store().messages(&filter, page).await?;
    Ok(Json(MessagePage { messages: page.messages.into_iter().map(MessageSummary::from).collect(), next: page.next }))
}
