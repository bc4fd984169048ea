//! Adding a user.

use admin::AdminError;
use admin::people::{self, NewUser};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use settings::Role;

use super::role_choices;
use crate::Console;
use crate::error::PageError;
use crate::form::{Field, FormView};
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Template)]
#[template(path = "people/user_add.html")]
struct AddPage {
    frame: Frame,
    form: FormView,
    /// The page above.
    list: &'static str,
}

const LIST: &str = "Users";

/// Shows a generated secret, this once.
#[derive(Template)]
#[template(path = "people/secret_once.html")]
pub(in crate::pages) struct SecretOncePage {
    pub(in crate::pages) frame: Frame,
    pub(in crate::pages) what: String,
    pub(in crate::pages) secret: String,
    pub(in crate::pages) advice: &'static str,
    pub(in crate::pages) back: &'static str,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::pages) struct AddForm {
    name: String,
    role: String,
}

fn form(values: &AddForm) -> FormView {
    let fields = vec![
        Field::text("name", "User name", &values.name).required(),
        Field::select("role", "Role", &values.role, role_choices()),
    ];
    FormView { submit: "Add user", ..FormView::new("/administration/users/add", "/administration/users", fields) }
}

pub(in crate::pages) async fn show(visitor: Visitor) -> Result<Response, PageError> {
    let values = AddForm { role: Role::Viewer.name().to_owned(), ..AddForm::default() };
    page(&AddPage { frame: Frame::new(&visitor, "Add user"), form: form(&values), list: LIST })
}

pub(in crate::pages) async fn submit(
    State(console): State<Console>,
    visitor: Visitor,
    Submitted(values): Submitted<AddForm>,
) -> Result<Response, PageError> {
    let role = Role::from_name(&values.role).ok_or_else(|| PageError::bad_request("There is no such role"))?;
    let new = NewUser { name: values.name.trim().to_owned(), role, password: None };
    match people::add_user(console.store(), &console.gate, visitor.actor(), &new, console.now()).await {
        Ok(added) => page(&SecretOncePage {
            frame: Frame::new(&visitor, "User added"),
            what: format!("The password of {}", added.user.name),
            secret: added.generated_password.map(|it| it.expose_secret().to_owned()).unwrap_or_default(),
            advice: "Hand it over in private. They can change it on their profile page.",
            back: "/administration/users",
        }),
        Err(AdminError::Refused(refused)) => {
            let frame = Frame::new(&visitor, "Add user");
            let shown = page(&AddPage { frame, form: form(&values).with_problem(Some(refused)), list: LIST })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
