//! One's own profile: password, second factor, sessions.

pub(super) mod password;
pub(super) mod second_factor;

use admin::people::{self, SessionSummary, UserSummary};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::show;

#[derive(Template)]
#[template(path = "people/profile.html")]
struct ProfilePage {
    frame: Frame,
    user: UserSummary,
    sessions: Vec<SessionSummary>,
    now: Timestamp,
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let now = console.now();
    let sessions = people::own_sessions(console.store(), &console.config.sessions, &visitor.signed_in, now).await?;
    let user = visitor.signed_in.user.clone();
    page(&ProfilePage { frame: Frame::new(&visitor, "Your profile"), user, sessions, now })
}

pub(super) async fn end_others(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    people::end_other_sessions(console.store(), &visitor.signed_in, console.now()).await?;
    Ok(Redirect::to("/profile?done=ended").into_response())
}
