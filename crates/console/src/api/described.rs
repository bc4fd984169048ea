//! Types that stand in the description for types of `admin`, which does not know about HTTP. They are described and never
//! made: answers are those types as they are serialised, bodies are read as those types. The tests hold every answer of
//! every call against the description.

#![allow(dead_code, reason = "the derive reads them; nobody builds them")]

mod people;
mod sending;
mod submitting;
mod telling;
mod watching;

use serde::{Deserialize, Serialize};
use submission::http::Problem;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::{IntoResponses, ToSchema};

pub(super) use people::*;
pub(super) use sending::*;
pub(super) use submitting::*;
pub(super) use telling::*;
pub(super) use watching::*;

/// What a call that takes a body may answer.
#[derive(IntoResponses)]
pub(super) enum WithBody {
    /// The body is not what the call takes, or a parameter is wrong
    #[response(status = 400, content_type = "application/problem+json")]
    NotUnderstood(Problem),
    /// The body did not arrive in time
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The body is larger than 1 MiB
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is no JSON
    #[response(status = 415, content_type = "application/problem+json")]
    NoJson(Problem),
}

/// What a change of settings or of a message may answer.
#[derive(IntoResponses)]
pub(super) enum Change {
    /// Somebody else was quicker, or it is in a state that does not allow this
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// Understood, and cannot be: `detail` says why and what would help, `field` which member is at fault
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(Problem),
}

/// A parameter is wrong.
#[derive(IntoResponses)]
pub(super) enum WithQuery {
    /// A parameter is wrong
    #[response(status = 400, content_type = "application/problem+json")]
    NotUnderstood(Problem),
}

/// What a call that names one thing may answer.
#[derive(IntoResponses)]
pub(super) enum OfOne {
    /// There is no such thing (any more)
    #[response(status = 404, content_type = "application/problem+json")]
    Missing(Problem),
}

/// A day, as in `2030-01-31`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, format = Date)]
pub(super) struct Day(String);

/// Taken and never given: no answer holds it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1)]
pub(super) struct SecretText(String);

/// What saving came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Saved {
    /// Of what was saved; empty for the Emails settings and the notices.
    id: String,
    /// The version the settings are at.
    version: u64,
    /// What was before and is now, secrets masked; empty: it was like that already.
    diff: Vec<DiffLine>,
    /// Waiting messages that go another way now.
    rerouted: u64,
}

/// What happened to one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DiffLine {
    /// `add`, `change` or `remove`.
    action: String,
    /// `tenant`, `connection`, `emails`, `route`, `account`, `webhook` or `notices`.
    kind: String,
    name: String,
    fields: Vec<FieldChange>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FieldChange {
    field: String,
    #[schema(required)]
    before: Option<String>,
    #[schema(required)]
    after: Option<String>,
}

/// A message that was queued.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuedMessage {
    /// As `GET /api/v1/messages/{id}` shows it.
    pub(super) id: String,
    /// `queued`.
    pub(super) status: &'static str,
}

/// Besides a token, a session of the console lets administrators in: then the header proves that a page of the console
/// made the request.
pub(super) fn add_sessions(openapi: &mut utoipa::openapi::OpenApi) {
    let key = |value| SecurityScheme::ApiKey(value);
    if let Some(components) = &mut openapi.components {
        let cookie = ApiKeyValue::with_description(
            "postern-session",
            "Of the console; with TLS it is called __Host-postern-session",
        );
        let header = ApiKeyValue::with_description("X-CSRF-Token", "Of that session's pages; not asked for by GET");
        components.add_security_scheme("session", key(ApiKey::Cookie(cookie)));
        components.add_security_scheme("csrf", key(ApiKey::Header(header)));
    }
    let none: [String; 0] = [];
    let session = SecurityRequirement::new("session", none.clone()).add("csrf", none);
    openapi.security.get_or_insert_with(Vec::new).push(session);
}
