//! Test now: a token as the relay would ask for it, and what it says. The token itself is never shown.

use admin::{ConnectionTest, TokenFacts};
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;

use super::{Extra, authentication_page, when};
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;
use crate::pages::message::ExplanationView;

/// What came of a test.
pub(super) struct TestView {
    pub(super) ok: bool,
    pub(super) at: String,
    pub(super) token: Option<TokenView>,
    /// Why there was no token, or what the token lets one expect.
    pub(super) error: Option<ExplanationView>,
}

/// What a token says about itself.
pub(super) struct TokenView {
    pub(super) facts: TokenFacts,
    pub(super) roles: String,
    pub(super) expires: String,
}

impl TestView {
    fn of(test: ConnectionTest, now: Timestamp) -> Self {
        let token = test.token.map(|facts| TokenView {
            roles: facts.roles.join(", "),
            expires: facts.expires.map_or_else(|| "not said".to_owned(), |at| when(at, now)),
            facts,
        });
        let error = test.explanation.as_ref().map(ExplanationView::of);
        Self { ok: test.ok, at: crate::show::time(&now), token, error }
    }
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let test = admin::test_connection(&console.store, visitor.actor(), &id, &console.config.network).await?;
    let test = Some(TestView::of(test, console.now()));
    authentication_page(&console, &visitor, &id, Extra { test, ..Extra::default() }).await
}
