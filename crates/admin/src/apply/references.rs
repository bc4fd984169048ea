//! What points at what: the names behind it, and nothing left pointing nowhere.

use settings::{Connection, ConnectionId, Settings, Tenant, TenantId};

use crate::Refused;

/// By name, as people write it, or by id.
pub(crate) fn tenant<'a>(settings: &'a Settings, name: &str) -> Result<&'a Tenant, Refused> {
    let tenants = &settings.tenants;
    let found = tenants.iter().find(|it| it.name == name).or_else(|| tenants.iter().find(|it| it.id.0 == name));
    found.ok_or_else(|| unknown("tenant", name, tenants.iter().map(|it| it.name.as_str())))
}

/// By name, as people write it, or by id.
pub(crate) fn connection<'a>(settings: &'a Settings, name: &str) -> Result<&'a Connection, Refused> {
    let all = &settings.connections;
    let found = all.iter().find(|it| it.name == name).or_else(|| all.iter().find(|it| it.id.0 == name));
    found.ok_or_else(|| unknown("connection", name, all.iter().map(|it| it.name.as_str())))
}

/// Who uses the tenant, in words.
pub(crate) fn users_of_tenant(settings: &Settings, id: &TenantId) -> Vec<String> {
    let users = settings.connections.iter().filter(|connection| connection.tenant.as_ref() == Some(id));
    users.map(|connection| format!("connection '{}'", connection.name)).collect()
}

/// Who uses the connection, in words.
pub(crate) fn users_of_connection(settings: &Settings, id: &ConnectionId) -> Vec<String> {
    let emails = (settings.emails.service_connection.as_ref() == Some(id)).then(|| "the Emails settings".to_owned());
    let routes = settings.routes.iter().filter(|it| it.service_connection == *id || it.fallback.contains(id));
    emails.into_iter().chain(routes.map(|route| format!("route '{}'", route.name))).collect()
}

/// What stays must not point at what goes.
pub(super) fn check(settings: &Settings) -> Result<(), Refused> {
    for connection in &settings.connections {
        if connection.tenant.as_ref().is_some_and(|tenant| settings.tenant(tenant).is_none()) {
            return Err(dangling(&format!("connection '{}'", connection.name), "its tenant"));
        }
    }
    for route in &settings.routes {
        if settings.connection(&route.service_connection).is_none() {
            return Err(dangling(&format!("route '{}'", route.name), "its connection"));
        }
    }
    if settings.emails.service_connection.as_ref().is_some_and(|id| settings.connection(id).is_none()) {
        return Err(dangling("the Emails settings", "their Service Connection"));
    }
    Ok(())
}

fn dangling(who: &str, what: &str) -> Refused {
    Refused::new(format!("{who} would lose {what}: prune removes it"), "Name both in the file, or neither.")
}

/// "there is no X called 'a'; there are: b, c".
fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Refused {
    let known: Vec<&str> = known.collect();
    let fix = if known.is_empty() {
        format!("There is no {kind} yet: describe it first.")
    } else {
        format!("Correct the name, or describe it first. There are: {}.", known.join(", "))
    };
    Refused::new(format!("there is no {kind} called '{name}'"), fix)
}
