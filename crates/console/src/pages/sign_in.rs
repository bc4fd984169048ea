//! Signing in.

pub(super) mod openid;

use admin::people::{self, Credentials, NewSession, SignInError};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::page;
use crate::guard::{Cookies, Submitted, add_cookie, client, safe_next, session_cookie};

#[derive(Template, Default)]
#[template(path = "sign_in.html")]
struct SignInPage {
    theme: &'static str,
    next: String,
    name: String,
    /// Name and password were right; the second factor is asked for.
    asks_code: bool,
    problem: Option<String>,
    openid: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    name: String,
    password: SecretString,
    code: Option<String>,
    next: Option<String>,
}

pub(super) async fn show(
    State(console): State<Console>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if people::needs_setup(console.store()) {
        return Ok(Redirect::to("/setup").into_response());
    }
    page(&SignInPage {
        theme: Cookies::of(&headers).theme(),
        next: safe_next(wanted.next.as_deref()),
        openid: people::openid_name(console.store()),
        ..SignInPage::default()
    })
}

pub(super) async fn submit(
    State(console): State<Console>,
    parts: Parts,
    Submitted(form): Submitted<SignInForm>,
) -> Result<Response, PageError> {
    let next = safe_next(form.next.as_deref());
    let credentials = Credentials {
        name: form.name.trim().to_owned(),
        password: form.password,
        code: form.code.filter(|code| !code.trim().is_empty()),
    };
    let client = client(&console, &parts);
    match people::sign_in(console.store(), &console.gate, &credentials, &client, console.now()).await {
        Ok(session) => Ok(signed_in(&console, &session, &next)),
        Err(error) => {
            let status = status_of(&error);
            // The password is asked again with the code: it is nowhere kept between the two.
            let asks_code = matches!(error, SignInError::NeedsCode) || credentials.code.is_some();
            let problem = match error {
                SignInError::NeedsCode => "Enter your password again with the code of your second factor.".to_owned(),
                error => format!("{}.", sentence(&error.to_string())),
            };
            let shown = page(&SignInPage {
                theme: Cookies::of(&parts.headers).theme(),
                next,
                name: credentials.name,
                asks_code,
                problem: Some(problem),
                openid: people::openid_name(console.store()),
            })?;
            Ok((status, shown).into_response())
        }
    }
}

pub(super) fn status_of(error: &SignInError) -> StatusCode {
    match error {
        SignInError::Wrong | SignInError::NeedsCode => StatusCode::UNAUTHORIZED,
        SignInError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Busy | SignInError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Gives the browser the session and sends it on.
pub(super) fn signed_in(console: &Console, session: &NewSession, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    add_cookie(response.headers_mut(), &session_cookie(Some(&session.token), console.is_secure()));
    response
}
