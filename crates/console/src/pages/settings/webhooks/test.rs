//! Test: a signed call, to see whether the receiver takes it.

use axum::extract::{Path, State};
use axum::response::Response;

use super::list_page;
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;
use crate::pages::message::ExplanationView;
use crate::show;

/// What came of a call.
pub(super) struct TestView {
    pub(super) ok: bool,
    pub(super) words: String,
    pub(super) error: Option<ExplanationView>,
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let (store, network) = (console.store(), &console.config.network);
    let test = admin::test_webhook(store, visitor.actor(), &id, network, console.now()).await?;
    let taken = if test.ok { "took the call" } else { "did not take the call" };
    let words = format!("{} {taken}, {} UTC", test.webhook, show::time(&console.now()));
    let view = TestView { ok: test.ok, words, error: test.explanation.as_ref().map(ExplanationView::of) };
    list_page(&console, &visitor, Some(view))
}
