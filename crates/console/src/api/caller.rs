//! Who calls: asked here, once, before a call's own code runs.

use admin::{Actor, people};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use settings::Role;
use submission::http::{Problem, SeesAllMessages, account_of, bearer_token};

use super::Api;
use super::error::ApiError;
use crate::{Console, guard};

/// A program with an API token, or somebody with a session of the console.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    /// Binds what they began to them: a sign-in ends where it began.
    pub(super) digest: String,
    /// They proved who they are not long ago; a token is its own proof.
    is_fresh: bool,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // `admit` put it there; a call that is reached without is a mistake of ours.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| nobody().into())
    }
}

/// In front of the administrators' calls: nobody else comes through, and no more than there is room for.
pub(super) async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Ok(_place) = api.places.try_acquire() else {
        return Problem::busy("Too many administrators' calls at once: try again in a moment").into_response();
    };
    let (mut parts, body) = request.into_parts();
    match admitted(&api, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn admitted(api: &Api, parts: &Parts) -> Result<Caller, ApiError> {
    guard::known_host(&api.console, parts)?;
    match identify(&api.console, parts).await? {
        Some(caller) => Ok(caller),
        None => Err(stranger(api, parts).into()),
    }
}

/// In front of the calls that administrators share with submission accounts: marks administrators; others go on to be
/// asked for their account.
pub(super) async fn recognise(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match sees_all(&api.console, &parts).await {
        Ok(true) => drop(parts.extensions.insert(SeesAllMessages)),
        Ok(false) => {}
        Err(error) => return error.into_response(),
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn sees_all(console: &Console, parts: &Parts) -> Result<bool, ApiError> {
    let caller = identify(console, parts).await?;
    if !caller.is_some_and(|caller| caller.actor.may(Role::Viewer)) {
        return Ok(false);
    }
    // Not asked of accounts: nothing of theirs is a cookie that a page under another name could borrow.
    guard::known_host(console, parts)?;
    Ok(true)
}

/// Behind [`admit`], in front of the calls that change secrets.
pub(super) async fn must_be_fresh(caller: Caller, request: Request, next: Next) -> Response {
    if caller.is_fresh {
        next.run(request).await
    } else {
        ApiError::from(admin::AdminError::StaleSignIn).into_response()
    }
}

/// `None`: neither an API token nor a session. A request with `Authorization` is judged by that alone.
async fn identify(console: &Console, parts: &Parts) -> Result<Option<Caller>, ApiError> {
    let now = console.now();
    if parts.headers.contains_key(AUTHORIZATION) {
        let actor = of_token(console, &parts.headers)?;
        return Ok(actor.map(|actor| Caller { digest: format!("api {}", actor.name()), actor, is_fresh: true }));
    }
    let visitor = guard::recognise_script(console, parts).await?;
    Ok(visitor.map(|visitor| Caller {
        is_fresh: visitor.signed_in.is_fresh(now),
        digest: visitor.signed_in.session.digest,
        actor: visitor.signed_in.actor,
    }))
}

fn of_token(console: &Console, headers: &HeaderMap) -> Result<Option<Actor>, ApiError> {
    let Some(token) = bearer_token(headers) else { return Ok(None) };
    Ok(people::api_actor(console.store(), &token, console.now())?)
}

/// A submission account is somebody, but nobody here.
fn stranger(api: &Api, parts: &Parts) -> Problem {
    if !parts.headers.contains_key(AUTHORIZATION) {
        return nobody();
    }
    match account_of(&api.intake, parts) {
        Ok(account) => {
            tracing::warn!(event = "api_forbidden", account = account.name, path = parts.uri.path());
            let detail = "This is the token of a submission account: use an API token, which an administrator makes";
            Problem::new(StatusCode::FORBIDDEN, "administrators_only", detail)
        }
        Err(problem) => problem,
    }
}

fn nobody() -> Problem {
    let detail =
        "Send an API token: Authorization: Bearer TOKEN; an administrator makes one with 'postern token create'";
    Problem::new(StatusCode::UNAUTHORIZED, "missing_token", detail)
}
