//! Integration → Routes: which connection and mailbox carry mail of which sender. The first match wins.

pub(super) mod edit;
mod form;

use admin::{EmailsView, RouteView};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use mail::Address;
use serde::Deserialize;
use settings::{RoutedTo, Settings};

use crate::Console;
use crate::error::PageError;
use crate::frame::{Frame, page};
use crate::guard::Visitor;

#[derive(Template)]
#[template(path = "integration/routes.html")]
struct RoutesPage {
    frame: Frame,
    routes: Vec<RouteView>,
    emails: EmailsView,
    /// What was asked about.
    sender: String,
    answer: Option<Result<Way, String>>,
}

/// The way mail of a sender goes.
struct Way {
    /// Name of the route; nothing: the Emails settings.
    route: Option<String>,
    connection: String,
    /// Names of the connections that it falls back to.
    fallback: Vec<String>,
    mailbox: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    sender: String,
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let (store, actor) = (console.store(), visitor.actor());
    let settings = store.settings().borrow().clone();
    let sender = asked.sender.trim().to_owned();
    page(&RoutesPage {
        frame: Frame::new(&visitor, "Routes"),
        routes: admin::list_routes(store, actor)?,
        emails: admin::find_emails(store, actor)?,
        answer: (!sender.is_empty()).then(|| way(&settings, &sender)),
        sender,
    })
}

/// What the relay would do, by the function it uses.
fn way(settings: &Settings, sender: &str) -> Result<Way, String> {
    let sender: Address = sender.parse().map_err(|error| format!("This is not an address: {error}."))?;
    let ways = settings.route_with_fallbacks(Some(&sender));
    let (routed, others) = ways.map_err(|missing| format!("It would wait: {missing}."))?;
    let route = settings.routes.iter().find(|route| route.sender.matches(&sender));
    let name = |way: &RoutedTo| settings.connection(&way.connection).map_or("(removed)", |it| &it.name).to_owned();
    Ok(Way {
        route: route.map(|route| route.name.clone()),
        connection: name(&routed),
        fallback: others.iter().map(name).collect(),
        mailbox: routed.mailbox.to_string(),
    })
}
