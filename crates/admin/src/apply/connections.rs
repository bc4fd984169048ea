//! Service connections.

use settings::{Connection, ConnectionId, Delivery, Permission, Service};

use super::plan::{Draft, new_id, unknown};
use crate::Refused;
use crate::setup_file::ConnectionEntry;

/// Graph serves four requests at once on a mailbox; more only earns refusals.
const MAX_IN_FLIGHT: u32 = 4;

/// The name given, or the one the console would propose: service and tenant.
pub(super) fn name(entry: &ConnectionEntry) -> String {
    match (&entry.name, &entry.tenant) {
        (Some(name), _) => name.clone(),
        (None, Some(tenant)) => format!("{} – {tenant}", entry.service.name()),
        (None, None) => entry.service.name().to_owned(),
    }
}

pub(super) fn put(draft: &mut Draft<'_>, entry: &ConnectionEntry) -> Result<(), Refused> {
    let name = name(entry);
    refuse_what_is_not_there_yet(&name, entry)?;
    let in_flight = entry.in_flight.unwrap_or(Connection::DEFAULT_IN_FLIGHT);
    if in_flight == 0 || in_flight > MAX_IN_FLIGHT {
        return Err(Refused::new(
            format!("connection '{name}': in_flight = {in_flight} is not between 1 and {MAX_IN_FLIGHT}"),
            format!("Microsoft serves {MAX_IN_FLIGHT} requests at once on a mailbox; 3 leaves one for others."),
        ));
    }
    let tenant = match &entry.tenant {
        Some(tenant) => {
            let tenants = &draft.settings.tenants;
            let missing = || {
                let refused = unknown("tenant", tenant, tenants.iter().map(|tenant| tenant.name.as_str()));
                Refused { what: format!("connection '{name}': {}", refused.what), ..refused }
            };
            Some(tenants.iter().find(|known| known.name == *tenant).ok_or_else(missing)?.id.clone())
        }
        None if entry.service.needs_tenant() => {
            return Err(Refused::new(
                format!("connection '{name}' names no tenant"),
                format!("{} belongs to a tenant: add tenant = \"...\".", entry.service.name()),
            ));
        }
        None => None,
    };
    let position = draft.settings.connections.iter().position(|connection| connection.name == name);
    let known = position.and_then(|index| draft.settings.connections.get(index));
    let id = known.map(|known| known.id.clone()).map_or_else(|| new_id(&name).map(ConnectionId), Ok)?;
    let connection = Connection {
        id,
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
    Ok(())
}

/// What would be stored and then not happen is refused instead.
fn refuse_what_is_not_there_yet(name: &str, entry: &ConnectionEntry) -> Result<(), Refused> {
    let (what, fix) = match entry {
        ConnectionEntry { service: Service::Exchange | Service::SmtpServer, .. } => {
            (format!("the service \"{}\"", entry.service.name()), format!("Use \"{}\".", Service::GraphApi.name()))
        }
        ConnectionEntry { permission: Permission::Delegated, .. } => {
            ("permission = \"delegated\"".to_owned(), "Use permission = \"application\".".to_owned())
        }
        ConnectionEntry { delivery: Delivery::Tracked, .. } => {
            ("delivery = \"tracked\"".to_owned(), "Use delivery = \"standard\".".to_owned())
        }
        _ => return Ok(()),
    };
    Err(Refused::new(format!("connection '{name}': {what} is not supported by this version"), fix))
}
