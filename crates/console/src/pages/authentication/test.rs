//! Test now: a token as the relay would ask for it, and what it says. The token itself is never shown.

use admin::{ConnectionTest, SmtpOffer, TokenFacts};
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use settings::Role;

use super::{Extra, authentication_page, when};
use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;
use crate::pages::connections::connection;
use crate::pages::message::ExplanationView;

/// What came of a test.
pub(super) struct TestView {
    pub(super) ok: bool,
    /// What came of it, in a few words.
    pub(super) words: &'static str,
    pub(super) at: String,
    pub(super) smtp: Option<SmtpOffer>,
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
    /// `is_server`: of a connection that is no customer of Microsoft.
    /// `tenant`: id and name, of a connection that has one.
    fn of(test: ConnectionTest, is_server: bool, tenant: Option<(&str, &str)>, now: Timestamp) -> Self {
        let token = test.token.map(|facts| TokenView {
            roles: facts.roles.join(", "),
            expires: facts.expires.map_or_else(|| "not said".to_owned(), |at| when(at, now)),
            facts,
        });
        let error = test.explanation.as_ref().map(|why| ExplanationView::of(why).at_tenant(tenant));
        let words = match (test.ok, is_server) {
            (true, false) => "Microsoft gave a token",
            (false, false) => "There was no token",
            (true, true) => "The server takes mail",
            (false, true) => "The server takes no mail",
        };
        Self { ok: test.ok, words, at: crate::show::time(&now), smtp: test.smtp, token, error }
    }
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let test = admin::test_connection(&console.store, visitor.actor(), &id, &console.config.network).await?;
    let connection = connection(&console, &visitor, &id)?;
    let tenants = admin::list_tenants(console.store(), visitor.actor())?;
    let tenant = tenants.iter().find(|tenant| Some(&tenant.name) == connection.tenant.as_ref());
    let tenant = tenant.filter(|_| visitor.actor().may(Role::Administrator));
    let tenant = tenant.map(|tenant| (tenant.id.as_str(), tenant.name.as_str()));
    let test = Some(TestView::of(test, connection.smtp_server.is_some(), tenant, console.now()));
    authentication_page(&console, &visitor, &id, Extra { test, ..Extra::default() }).await
}
