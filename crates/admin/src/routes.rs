//! Routes: which connection and mailbox carry mail of which sender. The first match wins, so order is meaning.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::{Mailbox, Route, RouteId, Settings};
use store::Store;

use crate::apply::references::names;
use crate::apply::routes;
use crate::change::{check_name, gone, save};
use crate::{Actor, AdminError, Refused, Role, RouteEntry, Saved};

#[derive(Debug, Clone, Serialize)]
pub struct RouteView {
    pub id: String,
    /// Counted from 1.
    pub position: usize,
    pub name: String,
    pub sender: String,
    /// Name of the connection.
    pub service_connection: String,
    pub service_connection_id: String,
    /// An address, or `sender`.
    pub mailbox: String,
    /// Names of connections, in the order in which they are tried.
    pub fallback: Vec<String>,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    Up,
    Down,
    First,
    Last,
}

/// In the order in which they are tried.
pub fn list_routes(store: &dyn Store, actor: &Actor) -> Result<Vec<RouteView>, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    Ok(settings.routes.iter().enumerate().map(|(index, route)| view(&settings, index, route)).collect())
}

pub fn find_route(store: &dyn Store, actor: &Actor, id: &str) -> Result<RouteView, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let found = settings.routes.iter().enumerate().find(|(_, route)| route.id.0 == id);
    found.map(|(index, route)| view(&settings, index, route)).ok_or_else(|| gone("route", id).into())
}

/// The new route is tried last.
pub async fn create_route(
    store: &dyn Store,
    actor: &Actor,
    entry: &RouteEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "route_created", expected_version, now, |draft| {
        check_name("route", &entry.name, draft.settings.routes.iter().map(|it| it.name.as_str()))?;
        let route = routes::route(&draft.settings, None, entry)?;
        let id = route.id.0.clone();
        draft.settings.routes.push(route);
        Ok(id)
    })
    .await
}

/// Replaces all but identity and position.
pub async fn update_route(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    entry: &RouteEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "route_changed", expected_version, now, |draft| {
        let others = draft.settings.routes.iter().filter(|it| it.id.0 != id);
        check_name("route", &entry.name, others.map(|it| it.name.as_str()))?;
        let route = routes::route(&draft.settings, Some(RouteId(id.to_owned())), entry)?;
        let place = draft.settings.routes.iter_mut().find(|it| it.id.0 == id).ok_or_else(|| gone("route", id))?;
        *place = route;
        Ok(id.to_owned())
    })
    .await
}

pub async fn remove_route(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "route_removed", expected_version, now, |draft| {
        let index = position(&draft.settings, id)?;
        draft.settings.routes.remove(index);
        Ok(id.to_owned())
    })
    .await
}

/// Moves the route; at the end of the list it stays where it is.
pub async fn move_route(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    to: Move,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "route_moved", expected_version, now, |draft| {
        let from = position(&draft.settings, id)?;
        let route = draft.settings.routes.remove(from);
        let last = draft.settings.routes.len();
        let index = match to {
            Move::Up => from.saturating_sub(1),
            Move::Down => from.saturating_add(1).min(last),
            Move::First => 0,
            Move::Last => last,
        };
        draft.settings.routes.insert(index, route);
        Ok(id.to_owned())
    })
    .await
}

fn position(settings: &Settings, id: &str) -> Result<usize, Refused> {
    settings.routes.iter().position(|route| route.id.0 == id).ok_or_else(|| gone("route", id))
}

fn view(settings: &Settings, index: usize, route: &Route) -> RouteView {
    let connection = settings.connection(&route.service_connection);
    RouteView {
        id: route.id.0.clone(),
        position: index + 1,
        name: route.name.clone(),
        sender: route.sender.to_string(),
        service_connection: connection.map(|connection| connection.name.clone()).unwrap_or_default(),
        service_connection_id: route.service_connection.0.clone(),
        mailbox: match &route.mailbox {
            Mailbox::Sender => "sender".to_owned(),
            Mailbox::Address(address) => address.to_string(),
        },
        fallback: names(settings, &route.fallback),
    }
}
