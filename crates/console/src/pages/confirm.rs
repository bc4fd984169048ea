//! Proving again who one is, before secrets are changed.

use admin::people::{self, SignInError};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::sign_in::{openid, signed_in, status_of};
use crate::Console;
use crate::error::{PageError, sentence};
use crate::frame::page;
use crate::guard::{Submitted, Visitor, client, safe_next};

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    theme: &'static str,
    csrf: String,
    next: String,
    name: String,
    has_password: bool,
    asks_code: bool,
    problem: Option<String>,
}

/// Leads on to the provider. A page of its own, because the policy of our pages lets no form end at another host.
#[derive(Template)]
#[template(path = "confirm_away.html")]
struct AwayPage {
    theme: &'static str,
    url: Url,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ConfirmForm {
    password: Option<SecretString>,
    code: Option<String>,
    next: Option<String>,
}

fn confirm_page(visitor: &Visitor, next: String, problem: Option<String>) -> ConfirmPage {
    ConfirmPage {
        theme: visitor.theme,
        csrf: visitor.csrf.clone(),
        next,
        name: visitor.signed_in.user.name.clone(),
        has_password: visitor.signed_in.user.has_password,
        asks_code: visitor.signed_in.user.has_second_factor,
        problem,
    }
}

pub(super) async fn show(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response, PageError> {
    page(&confirm_page(&visitor, safe_next(wanted.next.as_deref()), None))
}

pub(super) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    parts: Parts,
    Submitted(form): Submitted<ConfirmForm>,
) -> Result<Response, PageError> {
    let next = safe_next(form.next.as_deref());
    let now = console.now();
    let Some(password) = form.password.filter(|_| visitor.signed_in.user.has_password) else {
        return with_the_provider(&console, &visitor).await;
    };
    let code = form.code.as_deref().filter(|code| !code.trim().is_empty());
    let client = client(&console, &parts);
    let (store, gate) = (console.store(), &console.gate);
    match people::reauthenticate(store, gate, &visitor.signed_in, &password, code, &client, now).await {
        Ok(session) => {
            let separator = if next.contains('?') { '&' } else { '?' };
            Ok(signed_in(&console, &session, &format!("{next}{separator}done=confirmed")))
        }
        Err(error) => {
            let problem = match &error {
                SignInError::Wrong => "The password or the code is wrong.".to_owned(),
                error => format!("{}.", sentence(&error.to_string())),
            };
            Ok((status_of(&error), page(&confirm_page(&visitor, next, Some(problem)))?).into_response())
        }
    }
}

async fn with_the_provider(console: &Console, visitor: &Visitor) -> Result<Response, PageError> {
    let begun = console.openid.begin(console.store(), Some(&visitor.signed_in), console.now()).await;
    let redirect = begun.map_err(|error| PageError::bad_request(sentence(&error.to_string())))?;
    let mut response = page(&AwayPage { theme: visitor.theme, url: redirect.url })?;
    openid::keep(console, &mut response, &redirect.pending);
    Ok(response)
}
