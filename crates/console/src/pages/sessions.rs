//! Sessions: who is signed in, and ending one.

use admin::people::{self, SessionSummary};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;
use crate::show;

#[derive(Template)]
#[template(path = "people/sessions.html")]
struct SessionsPage {
    frame: Frame,
    sessions: Vec<SessionSummary>,
    now: Timestamp,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let (policy, now) = (&console.config.sessions, console.now());
    let current = Some(&visitor.signed_in);
    let sessions = people::list_sessions(console.store(), policy, visitor.actor(), current, now).await?;
    page(&SessionsPage { frame: Frame::new(&visitor, "Sessions"), sessions, now })
}

/// One's own, or anybody's for an administrator.
pub(super) async fn end(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    people::end_session(console.store(), &visitor.signed_in, &id, console.now()).await?;
    let list = if visitor.actor().may(settings::Role::Administrator) { "/administration/sessions" } else { "/profile" };
    Ok(Redirect::to(&format!("{list}?done=ended")).into_response())
}
