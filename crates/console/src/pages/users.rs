//! Users: who may sign in to the console.

pub(super) mod add;
pub(super) mod change;

use admin::people::{self, UserSummary};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use settings::{Role, UserId};

use crate::Console;
use crate::error::PageError;
use crate::form::Choice;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

#[derive(Template)]
#[template(path = "people/users.html")]
struct UsersPage {
    frame: Frame,
    users: Vec<UserSummary>,
}

#[derive(Template)]
#[template(path = "people/user.html")]
struct UserPage {
    frame: Frame,
    user: UserSummary,
    is_self: bool,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let users = people::list_users(console.store(), visitor.actor())?;
    page(&UsersPage { frame: Frame::new(&visitor, "Users"), users })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<UserId>,
) -> Result<Response, PageError> {
    let user = people::user_named(console.store(), visitor.actor(), &id.0)?;
    let is_self = user.id == visitor.signed_in.user.id;
    page(&UserPage { frame: Frame::new(&visitor, user.name.clone()), user, is_self })
}

/// What each role may do, for choosing.
pub(super) fn role_choices() -> Vec<Choice> {
    Role::ALL.into_iter().map(|role| Choice::new(role.name(), format!("{}: {}", role.name(), may(role)))).collect()
}

fn may(role: Role) -> &'static str {
    match role {
        Role::Viewer => "looks at messages and settings",
        Role::Operator => "also retries, holds, cancels and tests",
        Role::Administrator => "also changes settings, users and secrets",
    }
}
