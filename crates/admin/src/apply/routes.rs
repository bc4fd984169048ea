//! Where mail goes: the Emails settings and the routes before them.

use mail::Address;
use settings::{Connection, ConnectionId, ConnectionType, Emails, Mailbox, Route, RouteId, Settings};

use super::plan::new_id;
use super::references;
use crate::setup_file::{EmailsEntry, RouteEntry};
use crate::{Refused, SetupFile};

/// The Emails settings that the entry describes, whole: a key left out has its default.
pub(crate) fn emails(settings: &Settings, entry: &EmailsEntry) -> Result<Emails, Refused> {
    let mailbox = entry.mailbox.as_ref().map(|text| address("emails", text)).transpose()?;
    let name = entry.service_connection.as_ref();
    let service_connection = name.map(|name| connection_id(settings, "emails", name)).transpose()?;
    if let Some(connection) = service_connection.as_ref().and_then(|id| settings.connection(id)) {
        check_connection_type(entry.connection_type, connection)?;
    }
    let (fallback, redirect_all_to) = (fallback(settings, "emails", &entry.fallback)?, redirect(entry)?);
    refuse_itself("emails", service_connection.as_ref(), &fallback)?;
    Ok(Emails {
        enabled: entry.enabled,
        smtp_authentication: entry.smtp_authentication,
        modern_authentication: entry.modern_authentication,
        mailbox,
        service_connection,
        connection_type: entry.connection_type,
        from_policy: entry.from_policy,
        fallback,
        hold_all: entry.hold_all,
        redirect_all_to,
    })
}

fn redirect(entry: &EmailsEntry) -> Result<Option<Address>, Refused> {
    let text = entry.redirect_all_to.as_deref().map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| {
        text.parse().map_err(|error| {
            let what = format!("emails: redirect_all_to '{text}' is not an address: {error}");
            Refused::new(what, "Write it as user@example.org.").at("redirect_all_to")
        })
    })
    .transpose()
}

/// The connections to fall back to, in order, each once.
fn fallback(settings: &Settings, owner: &str, names: &[String]) -> Result<Vec<ConnectionId>, Refused> {
    let mut ids: Vec<ConnectionId> = Vec::new();
    for name in names {
        let found = references::connection(settings, name);
        let found =
            found.map_err(|refused| Refused { what: format!("{owner}: {}", refused.what), ..refused }.at("fallback"));
        let id = found?.id.clone();
        if ids.contains(&id) {
            let what = format!("{owner}: fallback names '{name}' twice");
            return Err(Refused::new(what, "Name each connection once, in the order to try them.").at("fallback"));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// A way cannot take its own place.
fn refuse_itself(owner: &str, way: Option<&ConnectionId>, fallback: &[ConnectionId]) -> Result<(), Refused> {
    if !way.is_some_and(|way| fallback.contains(way)) {
        return Ok(());
    }
    let what = format!("{owner}: fallback names its own service_connection");
    Err(Refused::new(what, "Name other connections.").at("fallback"))
}

/// The connection must speak what the settings say it speaks.
fn check_connection_type(said: ConnectionType, connection: &Connection) -> Result<(), Refused> {
    let spoken = connection.service.connection_type();
    if said == spoken {
        return Ok(());
    }
    let word = |kind| if kind == ConnectionType::Graph { "graph" } else { "smtp" };
    Err(Refused::new(
        format!(
            "emails: connection_type = \"{}\" does not fit connection '{}', which is of \"{}\"",
            word(said),
            connection.name,
            connection.service.name()
        ),
        format!("Use connection_type = \"{}\", or choose another connection.", word(spoken)),
    )
    .at("connection_type"))
}

/// The file's routes in the file's order, then those it does not name, unless they are pruned.
pub(super) fn put_all(settings: &mut Settings, file: &SetupFile) -> Result<(), Refused> {
    let mut routes = Vec::new();
    for entry in &file.route {
        let known = settings.routes.iter().find(|route| route.name == entry.name).map(|route| route.id.clone());
        routes.push(route(settings, known, entry)?);
    }
    let named = |route: &Route| file.route.iter().any(|entry| entry.name == route.name);
    if !file.prune {
        routes.extend(settings.routes.iter().filter(|route| !named(route)).cloned());
    }
    settings.routes = routes;
    Ok(())
}

/// The route that the entry describes, under the id of `known` if it is that one.
pub(crate) fn route(settings: &Settings, known: Option<RouteId>, entry: &RouteEntry) -> Result<Route, Refused> {
    let owner = format!("route '{}'", entry.name);
    let mailbox = match entry.mailbox.as_str() {
        "sender" => Mailbox::Sender,
        text => Mailbox::Address(address(&owner, text)?),
    };
    let service_connection = connection_id(settings, &owner, &entry.service_connection)?;
    let fallback = fallback(settings, &owner, &entry.fallback)?;
    refuse_itself(&owner, Some(&service_connection), &fallback)?;
    Ok(Route {
        id: known.map_or_else(|| new_id(&entry.name).map(RouteId), Ok)?,
        name: entry.name.clone(),
        sender: entry.sender.clone(),
        service_connection,
        mailbox,
        fallback,
    })
}

fn address(owner: &str, text: &str) -> Result<Address, Refused> {
    text.parse().map_err(|error| {
        Refused::new(format!("{owner}: mailbox '{text}' is not an address: {error}"), "Write it as user@example.org.")
            .at("mailbox")
    })
}

fn connection_id(settings: &Settings, owner: &str, name: &str) -> Result<ConnectionId, Refused> {
    let found = references::connection(settings, name);
    let found = found
        .map_err(|refused| Refused { what: format!("{owner}: {}", refused.what), ..refused }.at("service_connection"));
    Ok(found?.id.clone())
}
