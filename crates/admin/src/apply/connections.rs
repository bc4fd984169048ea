//! Service connections.

use settings::{Connection, ConnectionId, Delivery, Service, TenantId};

use super::plan::{Draft, new_id};
use super::references;
use crate::Refused;
use crate::setup_file::ConnectionEntry;

/// Graph serves four requests at once on a mailbox; more only earns refusals.
const MAX_IN_FLIGHT: u32 = 4;

/// What the console proposes: service and tenant.
pub(crate) fn suggested_name(service: Service, tenant: Option<&str>) -> String {
    match tenant {
        Some(tenant) => format!("{} – {tenant}", service.name()),
        None => service.name().to_owned(),
    }
}

/// The name given, or the one that would be proposed.
pub(crate) fn name(entry: &ConnectionEntry) -> String {
    entry.name.clone().unwrap_or_else(|| suggested_name(entry.service, entry.tenant.as_deref()))
}

/// Adds the connection, or replaces `known`.
pub(crate) fn put(
    draft: &mut Draft<'_>,
    known: Option<ConnectionId>,
    entry: &ConnectionEntry,
) -> Result<ConnectionId, Refused> {
    let name = name(entry);
    refuse_what_is_not_there_yet(&name, entry)?;
    let in_flight = entry.in_flight.unwrap_or(Connection::DEFAULT_IN_FLIGHT);
    if in_flight == 0 || in_flight > MAX_IN_FLIGHT {
        return Err(Refused::new(
            format!("connection '{name}': in_flight = {in_flight} is not between 1 and {MAX_IN_FLIGHT}"),
            format!("Microsoft serves {MAX_IN_FLIGHT} requests at once on a mailbox; 3 leaves one for others."),
        )
        .at("in_flight"));
    }
    let tenant = tenant(draft, &name, entry)?;
    let position = draft.settings.connections.iter().position(|it| Some(&it.id) == known.as_ref());
    let id = known.map_or_else(|| new_id(&name).map(ConnectionId), Ok)?;
    let connection = Connection {
        id: id.clone(),
        name,
        service: entry.service,
        tenant,
        permission: entry.permission,
        large_messages: entry.large_messages,
        delivery: entry.delivery,
        on_uncertain: entry.on_uncertain,
        in_flight,
        smtp: None,
    };
    match position.and_then(|index| draft.settings.connections.get_mut(index)) {
        Some(place) => *place = connection,
        None => draft.settings.connections.push(connection),
    }
    Ok(id)
}

fn tenant(draft: &Draft<'_>, name: &str, entry: &ConnectionEntry) -> Result<Option<TenantId>, Refused> {
    match &entry.tenant {
        Some(tenant) => {
            let found = references::tenant(&draft.settings, tenant);
            let found = found.map_err(|refused| {
                Refused { what: format!("connection '{name}': {}", refused.what), ..refused }.at("tenant")
            });
            Ok(Some(found?.id.clone()))
        }
        None if entry.service.needs_tenant() => Err(Refused::new(
            format!("connection '{name}' names no tenant"),
            format!("{} belongs to a tenant: add tenant = \"...\".", entry.service.name()),
        )
        .at("tenant")),
        None => Ok(None),
    }
}

/// What would be stored and then not happen is refused instead.
fn refuse_what_is_not_there_yet(name: &str, entry: &ConnectionEntry) -> Result<(), Refused> {
    let (field, what, fix) = match entry {
        ConnectionEntry { service: Service::Exchange | Service::SmtpServer, .. } => (
            "service",
            format!("the service \"{}\"", entry.service.name()),
            format!("Use \"{}\".", Service::GraphApi.name()),
        ),
        ConnectionEntry { delivery: Delivery::Tracked, .. } => {
            ("delivery", "delivery = \"tracked\"".to_owned(), "Use delivery = \"standard\".".to_owned())
        }
        _ => return Ok(()),
    };
    Err(Refused::new(format!("connection '{name}': {what} is not supported by this version"), fix).at(field))
}
