//! The test message of the first run, followed until it is delivered or the reason is known.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use store::MessageState;

use crate::Console;
use crate::error::PageError;
use crate::frame::page;
use crate::guard::Visitor;
use crate::pages::message::ExplanationView;

/// What has become of it.
#[derive(Template)]
#[template(path = "welcome_test.html")]
pub(in crate::pages) struct TestMessage {
    pub(super) id: String,
    state: MessageState,
    /// Why it has not left.
    error: Option<ExplanationView>,
}

impl TestMessage {
    pub(super) async fn find(console: &Console, visitor: &Visitor, id: &str) -> Result<Self, PageError> {
        let id = id.parse().map_err(|_| PageError::not_found("message"))?;
        let detail = admin::find_message(console.store(), visitor.actor(), id).await?;
        let error = detail.message.last_error.as_ref().filter(|_| detail.message.state != MessageState::Sent);
        Ok(Self { id: id.to_string(), state: detail.message.state, error: error.map(ExplanationView::of) })
    }

    fn is_sent(&self) -> bool {
        self.state == MessageState::Sent
    }
}

pub(in crate::pages) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    page(&TestMessage::find(&console, &visitor, &id).await?)
}
