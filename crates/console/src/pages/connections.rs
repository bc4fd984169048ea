//! Integration → Service Connections → Connections: the ways out.

mod behaviour;
pub(super) mod edit;
mod form;
mod network;
mod smtp_server;

use admin::ConnectionSummary;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use settings::Permission;

use super::authentication::AuthenticationState;
use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

struct Row {
    connection: ConnectionSummary,
    permission: &'static str,
    state: AuthenticationState,
    used_by: String,
}

#[derive(Template)]
#[template(path = "integration/connections.html")]
struct ConnectionsPage {
    frame: Frame,
    connections: Vec<Row>,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let mut rows = Vec::new();
    for connection in admin::list_connections(console.store(), visitor.actor())? {
        let state = AuthenticationState::of(&console, &visitor, &connection).await?;
        let used_by = used_by(&connection);
        rows.push(Row { permission: permission(connection.permission), state, used_by, connection });
    }
    page(&ConnectionsPage { frame: Frame::new(&visitor, "Connections"), connections: rows })
}

/// By id; a page that is not there where it is not.
pub(super) fn connection(console: &Console, visitor: &Visitor, id: &str) -> Result<ConnectionSummary, PageError> {
    let all = admin::list_connections(console.store(), visitor.actor())?;
    all.into_iter().find(|connection| connection.id == id).ok_or_else(|| PageError::not_found("Service Connection"))
}

pub(super) fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::Application => "application",
        Permission::Delegated => "delegated",
    }
}

/// In the words of the menu.
pub(super) fn used_by(connection: &ConnectionSummary) -> String {
    let words = connection.used_by.iter().map(|user| match user.as_str() {
        "emails" => "Emails settings",
        user => user,
    });
    words.collect::<Vec<_>>().join(", ")
}
