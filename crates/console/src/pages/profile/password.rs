//! Changing one's own password.

use admin::people::{self, SignInError};
use admin::{AdminError, Refused};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor, client};
use crate::pages::sign_in::{signed_in, status_of};

#[derive(Template)]
#[template(path = "people/profile_form.html")]
struct PasswordPage {
    frame: Frame,
    form: FormView,
}

#[derive(Deserialize)]
pub(in crate::pages) struct PasswordForm {
    old: SecretString,
    new: SecretString,
}

fn password_page(visitor: &Visitor, problem: Option<Refused>) -> Result<Response, PageError> {
    let fields = vec![
        Field::secret("old", "Present password", false).required().autocomplete("current-password"),
        Field::secret("new", "New password", false)
            .required()
            .autocomplete("new-password")
            .hint("At least 12 characters. A sentence is fine."),
    ];
    let form = FormView { submit: "Change password", ..FormView::new("/profile/password", "/profile", fields) };
    page(&PasswordPage { frame: Frame::new(visitor, "Change password"), form: form.with_problem(problem) })
}

pub(in crate::pages) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    password_page(&visitor, None)
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    parts: Parts,
    Submitted(form): Submitted<PasswordForm>,
) -> Result<Response, PageError> {
    let (store, client) = (console.store(), client(&console, &parts));
    let (gate, who, now) = (&console.gate, &visitor.signed_in, console.now());
    let (status, refused) =
        match people::change_own_password(store, gate, who, &form.old, &form.new, &client, now).await {
            Ok(Ok(session)) => return Ok(signed_in(&console, &session, "/profile?done=password-changed")),
            Ok(Err(error)) => {
                let what = match &error {
                    SignInError::Wrong => "this is not your present password".to_owned(),
                    error => error.to_string(),
                };
                (status_of(&error), Refused::new(what, "Nothing was changed.").at("old"))
            }
            Err(AdminError::Refused(refused)) => (StatusCode::UNPROCESSABLE_ENTITY, refused.at("new")),
            Err(error) => return Err(error.into()),
        };
    Ok((status, password_page(&visitor, Some(refused))?).into_response())
}
