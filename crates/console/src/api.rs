//! The administrators' calls of the HTTP API, `/api/v1/…`: what the pages do, for programs.
//!
//! Promise: every call asks who is there before anything else, in one place (`caller`), and what they may do is asked by
//! the operation of `admin` that it is. No answer holds a secret, but the one that made it. Every error is a problem
//! document (RFC 9457). Calls and their descriptions are one list (`administration`, `sensitive`): a call cannot be
//! there without its description.
//!
//! Left to others: the calls of submission accounts and the document that describes all (`submission::http`), every rule
//! of the business (`admin`).
//!
//! Invariant: bodies are at most [`MAX_BODY_BYTES`] long, and at most [`MAX_CALLS`] calls are under way at once.
//!
//! ```text
//!   request ─► room? ─► Host known? ─► bearer token, or session (same origin, CSRF header) ─► fresh? ─► call ─► admin
//!               503        421                    401, 403                                     403
//! ```

mod accounts;
mod answer;
mod audit;
mod authenticate;
mod caller;
mod certificates;
mod connections;
mod described;
mod doctor;
mod emails;
mod error;
mod messages;
mod notices;
mod overview;
mod request;
mod routes;
mod sign_in_settings;
mod tenants;
mod tokens;
mod users;
mod webhooks;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use submission::intake::Intake;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Console;
use crate::guard::add_headers;

/// The largest certificate and the longest lists are far smaller.
const MAX_BODY_BYTES: u32 = 1024 * 1024;
/// A body of that size that takes longer holds a place that others need.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// People and programs that administer are few; some calls ask upstreams and take long.
const MAX_CALLS: usize = 32;

/// What every call needs. Cheap to clone.
#[derive(Debug, Clone)]
struct Api {
    console: Console,
    /// Tells a submission account, who may not do this, from nobody.
    intake: Intake,
    places: Arc<Semaphore>,
}

impl FromRef<Api> for Console {
    fn from_ref(api: &Api) -> Self {
        api.console.clone()
    }
}

/// The whole API: the administrators' calls beside `messages`, those of submission accounts, which administrators may
/// read with as well.
pub fn api(console: Console, intake: Intake, messages: OpenApiRouter) -> Router {
    with_places(MAX_CALLS, console, intake, messages)
}

fn with_places(places: usize, console: Console, intake: Intake, messages: OpenApiRouter) -> Router {
    let is_secure = console.is_secure();
    let api = Api { console, intake, places: Arc::new(Semaphore::new(places)) };
    let messages = messages.route_layer(from_fn_with_state(api.clone(), caller::recognise));
    let calls = sensitive()
        .route_layer(from_fn(caller::must_be_fresh))
        .merge(administration())
        .route_layer(from_fn_with_state(api.clone(), caller::admit))
        .with_state(api);
    let mut whole = messages.merge(calls);
    described::add_sessions(whole.get_openapi_mut());
    // A browser that opens an answer neither keeps it nor takes it for a page.
    submission::http::serve(whole).layer(from_fn(move |request, next| add_headers(request, next, is_secure)))
}

/// Calls that look, and calls that change what is no secret.
fn administration() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(messages::read_raw))
        .routes(routes!(messages::retry_message))
        .routes(routes!(messages::cancel_message))
        .routes(routes!(messages::hold_message))
        .routes(routes!(messages::release_message))
        .routes(routes!(messages::resend_message))
        .routes(routes!(messages::delete_message))
        .routes(routes!(connections::list_services))
        .routes(routes!(tenants::list_tenants))
        .routes(routes!(tenants::show_tenant))
        .routes(routes!(certificates::show_certificate))
        .routes(routes!(connections::list_connections))
        .routes(routes!(connections::show_connection, connections::remove_connection))
        .routes(routes!(connections::test_connection))
        .routes(routes!(authenticate::show_authentication))
        .routes(routes!(authenticate::poll_sign_in))
        .routes(routes!(emails::show_emails))
        .routes(routes!(emails::send_test_message))
        .routes(routes!(routes::list_routes, routes::create_route))
        .routes(routes!(routes::show_route, routes::update_route, routes::remove_route))
        .routes(routes!(routes::move_route))
        .routes(routes!(notices::show_notices, notices::update_notices))
        .routes(routes!(webhooks::list_webhooks))
        .routes(routes!(webhooks::show_webhook))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(accounts::show_account))
        .routes(routes!(users::list_users))
        .routes(routes!(users::show_user))
        .routes(routes!(tokens::list_tokens))
        .routes(routes!(tokens::show_token))
        .routes(routes!(sign_in_settings::show_sign_in_settings))
        .routes(routes!(audit::list_audit))
        .routes(routes!(overview::show_overview))
        .routes(routes!(doctor::run_doctor))
}

/// Calls that change secrets, or who may do what: who comes with a session must have signed in a short while ago, as on
/// the pages for the same.
fn sensitive() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(tenants::create_tenant))
        // Where all mail goes, too.
        .routes(routes!(emails::update_emails))
        .routes(routes!(tenants::update_tenant, tenants::remove_tenant))
        .routes(routes!(certificates::make_certificate, certificates::discard_certificate))
        .routes(routes!(certificates::activate_certificate))
        .routes(routes!(connections::create_connection))
        .routes(routes!(connections::update_connection))
        .routes(routes!(authenticate::authenticate, authenticate::forget_authentication))
        .routes(routes!(accounts::create_account))
        .routes(routes!(accounts::update_account, accounts::remove_account))
        .routes(routes!(webhooks::create_webhook))
        .routes(routes!(webhooks::update_webhook, webhooks::remove_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(users::add_user))
        .routes(routes!(users::change_user, users::remove_user))
        .routes(routes!(users::reset_password))
        .routes(routes!(users::remove_second_factor))
        .routes(routes!(tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(sign_in_settings::update_sign_in_settings, sign_in_settings::remove_sign_in_settings))
}
