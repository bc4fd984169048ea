//! Where mail goes: the Emails settings and the routes before them.

use mail::Address;
use settings::{ConnectionId, ConnectionType, Emails, Mailbox, Route, RouteId, Settings};

use super::plan::{new_id, unknown};
use crate::setup_file::{EmailsEntry, RouteEntry};
use crate::{Refused, SetupFile};

/// The Emails settings that the entry describes, whole: a key left out has its default.
pub(super) fn emails(settings: &Settings, entry: &EmailsEntry) -> Result<Emails, Refused> {
    if entry.connection_type == ConnectionType::Smtp {
        return Err(Refused::new(
            "emails: connection_type = \"smtp\" is not supported by this version",
            "Use connection_type = \"graph\".",
        ));
    }
    let mailbox = entry.mailbox.as_ref().map(|text| address("emails", text)).transpose()?;
    let name = entry.service_connection.as_ref();
    let service_connection = name.map(|name| connection_id(settings, "emails", name)).transpose()?;
    Ok(Emails {
        enabled: entry.enabled,
        smtp_authentication: entry.smtp_authentication,
        modern_authentication: entry.modern_authentication,
        mailbox,
        service_connection,
        connection_type: entry.connection_type,
        from_policy: entry.from_policy,
    })
}

/// The file's routes in the file's order, then those it does not name, unless they are pruned.
pub(super) fn put_all(settings: &mut Settings, file: &SetupFile) -> Result<(), Refused> {
    let mut routes = Vec::new();
    for entry in &file.route {
        routes.push(route(settings, entry)?);
    }
    let named = |route: &Route| file.route.iter().any(|entry| entry.name == route.name);
    if !file.prune {
        routes.extend(settings.routes.iter().filter(|route| !named(route)).cloned());
    }
    settings.routes = routes;
    Ok(())
}

fn route(settings: &Settings, entry: &RouteEntry) -> Result<Route, Refused> {
    let owner = format!("route '{}'", entry.name);
    if !entry.fallback.is_empty() {
        return Err(Refused::new(format!("{owner}: fallback is not supported by this version"), "Leave fallback out."));
    }
    let known = settings.routes.iter().find(|route| route.name == entry.name).map(|route| route.id.clone());
    let mailbox = match entry.mailbox.as_str() {
        "sender" => Mailbox::Sender,
        text => Mailbox::Address(address(&owner, text)?),
    };
    Ok(Route {
        id: known.map_or_else(|| new_id(&entry.name).map(RouteId), Ok)?,
        name: entry.name.clone(),
        sender: entry.sender.clone(),
        service_connection: connection_id(settings, &owner, &entry.service_connection)?,
        mailbox,
        fallback: Vec::new(),
    })
}

fn address(owner: &str, text: &str) -> Result<Address, Refused> {
    text.parse().map_err(|error| {
        Refused::new(format!("{owner}: mailbox '{text}' is not an address: {error}"), "Write it as user@example.org.")
    })
}

fn connection_id(settings: &Settings, owner: &str, name: &str) -> Result<ConnectionId, Refused> {
    let found = settings.connections.iter().find(|connection| connection.name == name);
    found.map(|connection| connection.id.clone()).ok_or_else(|| {
        let known = settings.connections.iter().map(|connection| connection.name.as_str());
        let refused = unknown("connection", name, known);
        Refused { what: format!("{owner}: {}", refused.what), ..refused }
    })
}
