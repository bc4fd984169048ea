//! Service connections.

mod limits;
mod network;
mod smtp_server;

use settings::{Connection, ConnectionId, Delivery, Permission, Service, TenantId};

use super::plan::{Draft, new_id};
use super::references;
use crate::Refused;
use crate::setup_file::ConnectionEntry;

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
    refuse_what_is_graphs(&name, entry)?;
    let tenant = tenant(draft, &name, entry)?;
    let position = draft.settings.connections.iter().position(|it| Some(&it.id) == known.as_ref());
    let before = position.and_then(|index| draft.settings.connections.get(index)).cloned();
    let (known_server, known_network) = before.map(|before| (before.smtp, before.network)).unwrap_or_default();
    let id = known.map_or_else(|| new_id(&name).map(ConnectionId), Ok)?;
    let smtp = smtp_server::read(draft, &id, &name, entry, known_server)?;
    let network = network::read(draft, &id, &name, entry, known_network)?;
    let (in_flight, mime_max_bytes) = (limits::in_flight(&name, entry)?, limits::mime_max_bytes(&name, entry)?);
    let (large_max_bytes, pace) = (limits::large_max_bytes(&name, entry)?, limits::pace(&name, entry)?);
    let connection = Connection {
        id: id.clone(),
        name,
        service: entry.service,
        tenant,
        // A server of one's own knows users with passwords, and no permission.
        permission: if entry.service.needs_tenant() { entry.permission } else { Permission::default() },
        large_messages: entry.large_messages,
        delivery: entry.delivery,
        on_uncertain: entry.on_uncertain,
        in_flight,
        mime_max_bytes,
        large_max_bytes,
        network,
        pace,
        read_bounces: entry.read_bounces,
        smtp,
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
fn refuse_what_is_graphs(name: &str, entry: &ConnectionEntry) -> Result<(), Refused> {
    if entry.service == Service::GraphApi {
        return Ok(());
    }
    let (field, what, fix) = match entry {
        ConnectionEntry { delivery: Delivery::Tracked, .. } => {
            ("delivery", "delivery = \"tracked\" needs drafts", "Use delivery = \"standard\".")
        }
        ConnectionEntry { read_bounces: true, .. } => {
            ("read_bounces", "read_bounces needs to read the sending mailboxes", "Leave read_bounces out.")
        }
        _ => return Ok(()),
    };
    let graph = Service::GraphApi.name();
    let what = format!("connection '{name}': {what}, which only \"{graph}\" can do");
    Err(Refused::new(what, fix).at(field))
}
