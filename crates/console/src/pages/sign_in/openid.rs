//! Signing in with the OpenID provider: there and back.

use admin::people::{OpenIdAnswer, OpenIdError};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};

use super::signed_in;
use crate::Console;
use crate::error::{PageError, sentence};
use crate::guard::{Cookies, add_cookie, client, set_cookie};

/// Only the browser that went to the provider may come back.
const PENDING: &str = "postern-openid";

pub(in crate::pages) async fn begin(State(console): State<Console>) -> Result<Response, PageError> {
    let redirect = console.openid.begin(console.store(), None, console.now()).await.map_err(|error| refused(&error))?;
    let mut response = Redirect::to(redirect.url.as_str()).into_response();
    keep(&console, &mut response, &redirect.pending);
    Ok(response)
}

/// What the browser keeps until it comes back.
pub(in crate::pages) fn keep(console: &Console, response: &mut Response, pending: &SecretString) {
    let cookie = set_cookie(PENDING, pending.expose_secret(), false, console.is_secure());
    add_cookie(response.headers_mut(), &format!("{cookie}; Max-Age=600"));
}

pub(in crate::pages) async fn finish(
    State(console): State<Console>,
    parts: Parts,
    Query(answer): Query<OpenIdAnswer>,
) -> Result<Response, PageError> {
    let pending = Cookies::of(&parts.headers).guarded(PENDING, console.is_secure()).map(SecretString::from);
    let pending = pending.ok_or_else(|| refused(&OpenIdError::NotBegun))?;
    let client = client(&console, &parts);
    let finished = console.openid.finish(console.store(), &pending, &answer, &client, console.now()).await;
    let session = finished.map_err(|error| refused(&error))?;
    let mut response = signed_in(&console, &session, "/");
    add_cookie(response.headers_mut(), &set_cookie(PENDING, "", true, console.is_secure()));
    Ok(response)
}

fn refused(error: &OpenIdError) -> PageError {
    let (status, fix) = match error {
        OpenIdError::NotSetUp => (StatusCode::NOT_FOUND, "Sign in with user name and password."),
        OpenIdError::NotBegun => (StatusCode::BAD_REQUEST, "Go to the sign-in page."),
        OpenIdError::RefusedByProvider { .. } => (StatusCode::FORBIDDEN, "Ask the provider's administrator."),
        OpenIdError::Refused { fix, .. } => (StatusCode::FORBIDDEN, fix.as_str()),
        OpenIdError::Provider { .. } => (StatusCode::BAD_GATEWAY, "Ask an administrator to look at the provider."),
        OpenIdError::Busy | OpenIdError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment."),
    };
    tracing::warn!(event = "openid_sign_in_failed", %error);
    PageError::new(status, sentence(&error.to_string()), fix)
}
