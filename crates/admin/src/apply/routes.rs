//! Where mail goes: the Emails settings and the routes before them.

use mail::Address;
use settings::{ConnectionId, ConnectionType, Emails, Mailbox, Route, RouteId, Settings};

use super::plan::new_id;
use super::references;
use crate::setup_file::{EmailsEntry, RouteEntry};
use crate::{Refused, SetupFile};

/// The Emails settings that the entry describes, whole: a key left out has its default.
pub(crate) fn emails(settings: &Settings, entry: &EmailsEntry) -> Result<Emails, Refused> {
    if entry.connection_type == ConnectionType::Smtp {
        return Err(Refused::new(
            "emails: connection_type = \"smtp\" is not supported by this version",
            "Use connection_type = \"graph\".",
        )
        .at("connection_type"));
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
    if !entry.fallback.is_empty() {
        return Err(Refused::new(format!("{owner}: fallback is not supported by this version"), "Leave fallback out.")
            .at("fallback"));
    }
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
            .at("mailbox")
    })
}

fn connection_id(settings: &Settings, owner: &str, name: &str) -> Result<ConnectionId, Refused> {
    let found = references::connection(settings, name);
    let found = found
        .map_err(|refused| Refused { what: format!("{owner}: {}", refused.what), ..refused }.at("service_connection"));
    Ok(found?.id.clone())
}
