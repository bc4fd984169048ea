//! Service connections.

mod smtp_server;

use settings::{Connection, ConnectionId, Delivery, GRAPH_MIME_MAX_BYTES, Permission, Service, TenantId};

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
    refuse_what_is_not_there_yet(&name, entry)?;
    let in_flight = in_flight(&name, entry)?;
    let mime_max_bytes = mime_max_bytes(&name, entry)?;
    let tenant = tenant(draft, &name, entry)?;
    let position = draft.settings.connections.iter().position(|it| Some(&it.id) == known.as_ref());
    let known_server = position.and_then(|index| draft.settings.connections.get(index)?.smtp.clone());
    let id = known.map_or_else(|| new_id(&name).map(ConnectionId), Ok)?;
    let smtp = smtp_server::read(draft, &id, &name, entry, known_server)?;
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
        large_max_bytes: None,
        network: None,
        pace: settings::Pace::default(),
        read_bounces: false,
        smtp,
    };
    match position.and_then(|index| draft.settings.connections.get_mut(index)) {
        Some(place) => *place = connection,
        None => draft.settings.connections.push(connection),
    }
    Ok(id)
}

/// Below this nearly every message would be taken apart.
const MIME_MAX_BYTES_AT_LEAST: u64 = 64 * 1024;

fn mime_max_bytes(name: &str, entry: &ConnectionEntry) -> Result<Option<u64>, Refused> {
    let Some(bytes) = entry.mime_max_bytes else { return Ok(None) };
    if entry.service == Service::GraphApi && (MIME_MAX_BYTES_AT_LEAST..=GRAPH_MIME_MAX_BYTES).contains(&bytes) {
        return Ok(Some(bytes));
    }
    let range = format!("{MIME_MAX_BYTES_AT_LEAST} and {GRAPH_MIME_MAX_BYTES}");
    let what = format!("connection '{name}': mime_max_bytes = {bytes} is not between {range}, for Microsoft Graph");
    let fix = "Graph takes 4 MiB of base64 in one request, which is 3 MiB of message; leave it out for that.";
    Err(Refused::new(what, fix).at("mime_max_bytes"))
}

fn in_flight(name: &str, entry: &ConnectionEntry) -> Result<u32, Refused> {
    let (in_flight, max) =
        (entry.in_flight.unwrap_or(entry.service.default_in_flight()), entry.service.max_in_flight());
    if (1..=max).contains(&in_flight) {
        return Ok(in_flight);
    }
    let fix = match entry.service {
        Service::GraphApi => "Microsoft serves 4 requests at once on a mailbox; 3 leaves one for others.",
        Service::Exchange => "Exchange Online takes 3 connections of a mailbox.",
        Service::SmtpServer => "More sessions at once make no server faster.",
    };
    let what = format!("connection '{name}': in_flight = {in_flight} is not between 1 and {max}");
    Err(Refused::new(what, fix).at("in_flight"))
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
        ConnectionEntry { delivery: Delivery::Tracked, service, .. } if *service != Service::GraphApi => {
            let what = "delivery = \"tracked\" for another service than Microsoft Graph";
            ("delivery", what.to_owned(), "Use delivery = \"standard\".".to_owned())
        }
        _ => return Ok(()),
    };
    Err(Refused::new(format!("connection '{name}': {what} is not supported by this version"), fix).at(field))
}
