//! Changing service connections, and what there is to choose from.

use jiff::Timestamp;
use serde::Serialize;
use settings::{Connection, ConnectionId, Permission, Service, Settings};
use store::Store;

use crate::apply::{connections, references};
use crate::change::{check_name, gone, refuse_if_used, save};
use crate::{Actor, AdminError, ConnectionEntry, Refused, Saved};

/// The name a form proposes for a new connection.
pub fn suggest_connection_name(service: Service, tenant: Option<&str>) -> String {
    connections::suggested_name(service, tenant)
}

/// A kind of upstream, with what it can do.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceView {
    pub service: Service,
    pub name: &'static str,
    pub authentication: &'static str,
    pub needs_tenant: bool,
    pub permissions: Vec<Permission>,
    pub capabilities: Vec<Capability>,
    /// Connections of this service can be made in this version.
    pub is_available: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Capability {
    pub name: &'static str,
    /// In this version.
    pub is_available: bool,
}

/// Every service, those of later versions too: a form shows what is to come, and cannot choose it.
pub fn list_services() -> Vec<ServiceView> {
    let can = |name| Capability { name, is_available: true };
    let view = |service: Service| {
        let (authentication, permissions, capabilities) = match service {
            Service::GraphApi => (
                "OAuth 2.0",
                vec![Permission::Application, Permission::Delegated],
                vec![can("Send mail"), can("Large messages"), can("Tracked delivery")],
            ),
            Service::Exchange => {
                let permissions = vec![Permission::Application, Permission::Delegated];
                ("OAuth 2.0", permissions, vec![can("Send mail"), can("Large messages")])
            }
            Service::SmtpServer => {
                ("User name and password, or none", Vec::new(), vec![can("Send mail"), can("Large messages")])
            }
        };
        ServiceView {
            service,
            name: service.name(),
            authentication,
            needs_tenant: service.needs_tenant(),
            permissions,
            is_available: capabilities.iter().any(|capability| capability.is_available),
            capabilities,
        }
    };
    Service::ALL.into_iter().map(view).collect()
}

/// Without a name in the entry, it gets the one that is proposed.
pub async fn create_connection(
    store: &dyn Store,
    actor: &Actor,
    entry: &ConnectionEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "connection_created", expected_version, now, |draft| {
        let name = connections::name(entry);
        check_name("connection", &name, draft.settings.connections.iter().map(|it| it.name.as_str()))?;
        Ok(connections::put(draft, None, entry)?.0)
    })
    .await
}

/// Replaces all but the identity. A delegated connection that stops being one, or gets another tenant, forgets what was
/// granted.
pub async fn update_connection(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    entry: &ConnectionEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "connection_changed", expected_version, now, |draft| {
        let known = with_id(&draft.settings, id)?.id.clone();
        let others = draft.settings.connections.iter().filter(|it| it.id != known);
        check_name("connection", &connections::name(entry), others.map(|it| it.name.as_str()))?;
        Ok(connections::put(draft, Some(known), entry)?.0)
    })
    .await
}

/// Refused while the Emails settings or a route use it.
pub async fn remove_connection(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "connection_removed", expected_version, now, |draft| {
        let connection = with_id(&draft.settings, id)?;
        let users = references::users_of_connection(&draft.settings, &connection.id);
        refuse_if_used("connection", &connection.name, &users)?;
        draft.settings.connections.retain(|it| it.id.0 != id);
        Ok(id.to_owned())
    })
    .await
}

pub(crate) fn with_id<'a>(settings: &'a Settings, id: &str) -> Result<&'a Connection, Refused> {
    settings.connection(&ConnectionId(id.to_owned())).ok_or_else(|| gone("connection", id))
}
