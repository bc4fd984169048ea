//! The first start: whoever has the one-time token creates the first administrator.

use admin::AdminError;
use admin::people;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::sign_in::signed_in;
use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::page;
use crate::guard::{Cookies, Submitted, client};

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    theme: &'static str,
    token: String,
    /// Where the token lies, if it was not in the address.
    token_file: String,
    name: String,
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Invitation {
    token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SetupForm {
    token: SecretString,
    name: String,
    password: SecretString,
}

pub(super) async fn show(
    State(console): State<Console>,
    Query(invitation): Query<Invitation>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !people::needs_setup(console.store()) {
        return Ok(Redirect::to("/").into_response());
    }
    page(&SetupPage {
        theme: Cookies::of(&headers).theme(),
        token: invitation.token.unwrap_or_default(),
        token_file: console.config.setup.file().display().to_string(),
        name: String::new(),
        problem: None,
    })
}

pub(super) async fn submit(
    State(console): State<Console>,
    parts: Parts,
    Submitted(form): Submitted<SetupForm>,
) -> Result<Response, PageError> {
    use secrecy::ExposeSecret as _;
    let client = client(&console, &parts);
    let name = form.name.trim();
    let setup = &console.config.setup;
    let created = setup
        .complete_setup(console.store(), &console.gate, &form.token, name, &form.password, &client, console.now())
        .await;
    match created {
        Ok(session) => Ok(signed_in(&console, &session, "/welcome")),
        Err(AdminError::Refused(refused)) => {
            let shown = page(&SetupPage {
                theme: Cookies::of(&parts.headers).theme(),
                token: form.token.expose_secret().to_owned(),
                token_file: setup.file().display().to_string(),
                name: name.to_owned(),
                problem: Some(format!("{}. {}", sentence(&refused.what), refused.fix)),
            })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
