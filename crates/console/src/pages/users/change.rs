//! Changing and removing a user.

use admin::people;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;
use settings::{Role, UserId};

use super::add::SecretOncePage;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::{Submitted, Visitor};

#[derive(Debug, Deserialize)]
pub(in crate::pages) struct RoleForm {
    role: String,
}

pub(in crate::pages) async fn role(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
    Submitted(form): Submitted<RoleForm>,
) -> Result<Response, PageError> {
    let role = Role::from_name(&form.role).ok_or_else(|| PageError::bad_request("There is no such role"))?;
    people::change_role(console.store(), visitor.actor(), &id, role, console.now()).await?;
    Ok(back_to(&id, "saved"))
}

pub(in crate::pages) async fn disable(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    people::set_disabled(console.store(), visitor.actor(), &id, true, console.now()).await?;
    Ok(back_to(&id, "saved"))
}

pub(in crate::pages) async fn enable(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    people::set_disabled(console.store(), visitor.actor(), &id, false, console.now()).await?;
    Ok(back_to(&id, "saved"))
}

pub(in crate::pages) async fn reset_password(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    let (store, actor) = (console.store(), visitor.actor());
    let user = people::user_named(store, actor, &id.0)?;
    let password = people::reset_password(store, &console.gate, actor, &id, None, console.now()).await?;
    page(&SecretOncePage {
        frame: Frame::new(&visitor, "Password reset"),
        what: format!("The new password of {}", user.name),
        secret: password.map(|it| it.expose_secret().to_owned()).unwrap_or_default(),
        advice: "Hand it over in private. All sessions of this user have ended.",
        back: "/administration/users",
    })
}

pub(in crate::pages) async fn remove_second_factor(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    people::remove_totp(console.store(), visitor.actor(), &id, console.now()).await?;
    Ok(back_to(&id, "second-factor-off"))
}

pub(in crate::pages) async fn remove(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    people::remove_user(console.store(), visitor.actor(), &id, console.now()).await?;
    Ok(Redirect::to("/administration/users?done=removed").into_response())
}

fn back_to(id: &UserId, done: &str) -> Response {
    Redirect::to(&format!("/administration/users/{}?done={done}", id.0)).into_response()
}
