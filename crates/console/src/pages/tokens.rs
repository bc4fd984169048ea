//! API tokens: for programs that administer Postern.

use admin::AdminError;
use admin::people::{self, ApiTokenSummary, NewApiToken};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde::Deserialize;
use settings::Role;

use super::users::add::SecretOncePage;
use super::users::role_choices;
use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView, optional};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};
use crate::show;

#[derive(Template)]
#[template(path = "people/tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<ApiTokenSummary>,
}

#[derive(Template)]
#[template(path = "people/user_add.html")]
struct CreatePage {
    frame: Frame,
    form: FormView,
    /// The page above.
    list: &'static str,
}

const LIST: &str = "API tokens";

#[derive(Debug, Default, Deserialize)]
pub(super) struct CreateForm {
    name: String,
    role: String,
    expires: String,
}

fn form(values: &CreateForm) -> FormView {
    let fields = vec![
        Field::text("name", "Name", &values.name)
            .required()
            .hint("What it is for. The audit log shows it as token:NAME."),
        Field::select("role", "Role", &values.role, role_choices()),
        Field::date("expires", "Good until", &values.expires).hint("Left empty: until it is revoked."),
    ];
    FormView {
        submit: "Create token",
        ..FormView::new("/administration/tokens/create", "/administration/tokens", fields)
    }
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let tokens = people::list_api_tokens(console.store(), visitor.actor(), console.now())?;
    page(&TokensPage { frame: Frame::new(&visitor, "API tokens"), tokens })
}

pub(super) async fn show_create(visitor: Visitor) -> Result<Response, PageError> {
    let values = CreateForm { role: Role::Viewer.name().to_owned(), ..CreateForm::default() };
    page(&CreatePage { frame: Frame::new(&visitor, "Create API token"), form: form(&values), list: LIST })
}

pub(super) async fn create(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<CreateForm>,
) -> Result<Response, PageError> {
    let role = Role::from_name(&values.role).ok_or_else(|| PageError::bad_request("There is no such role"))?;
    let expires = optional(&values.expires).map(|text| text.parse::<Date>()).transpose();
    let expires = expires.map_err(|_| PageError::bad_request("The date is not one"))?;
    // The whole of that day, in UTC.
    let end = expires.and_then(|date| TimeZone::UTC.to_timestamp(date.tomorrow().ok()?.at(0, 0, 0, 0)).ok());
    let new = NewApiToken { name: values.name.trim().to_owned(), role, expires_at: end };
    match people::create_api_token(console.store(), visitor.actor(), &new, console.now()).await {
        Ok(created) => page(&SecretOncePage {
            frame: Frame::new(&visitor, "API token created"),
            what: format!("The token {}", created.summary.name),
            secret: created.token.expose_secret().to_owned(),
            advice: "Send it as \"Authorization: Bearer …\". It is not shown again.",
            back: "/administration/tokens",
        }),
        Err(AdminError::Refused(refused)) => {
            let frame = Frame::new(&visitor, "Create API token");
            let shown = page(&CreatePage { frame, form: form(&values).with_problem(Some(refused)), list: LIST })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn revoke(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    people::revoke_api_token(console.store(), visitor.actor(), &id, console.now()).await?;
    Ok(Redirect::to("/administration/tokens?done=removed").into_response())
}
