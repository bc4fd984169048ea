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

/// What the connections are called, in order; one that is gone by its id.
pub(crate) fn names(settings: &Settings, ids: &[ConnectionId]) -> Vec<String> {
    ids.iter().map(|id| settings.connection(id).map_or_else(|| id.0.clone(), |it| it.name.clone())).collect()
}

/// Who uses the tenant, in words.
pub(crate) fn users_of_tenant(settings: &Settings, id: &TenantId) -> Vec<String> {
    let users = settings.connections.iter().filter(|connection| connection.tenant.as_ref() == Some(id));
    users.map(|connection| format!("connection '{}'", connection.name)).collect()
}

/// Who uses the connection, in words.
pub(crate) fn users_of_connection(settings: &Settings, id: &ConnectionId) -> Vec<String> {
    let emails = &settings.emails;
    let by_emails = emails.service_connection.as_ref() == Some(id) || emails.fallback.contains(id);
    let by_alarms = settings.notices.alarms.connection.as_ref() == Some(id);
    let routes = settings.routes.iter().filter(|it| it.service_connection == *id || it.fallback.contains(id));
    let emails = by_emails.then(|| "the Emails settings".to_owned()).into_iter();
    emails
        .chain(routes.map(|route| format!("route '{}'", route.name)))
        .chain(by_alarms.then(|| "the alarms".to_owned()))
        .collect()
}

/// What stays must not point at what goes.
pub(super) fn check(settings: &Settings) -> Result<(), Refused> {
    let is_gone = |id: &ConnectionId| settings.connection(id).is_none();
    for connection in &settings.connections {
        if connection.tenant.as_ref().is_some_and(|tenant| settings.tenant(tenant).is_none()) {
            return Err(dangling(&format!("connection '{}'", connection.name), "its tenant"));
        }
    }
    for route in &settings.routes {
        if is_gone(&route.service_connection) || route.fallback.iter().any(is_gone) {
            return Err(dangling(&format!("route '{}'", route.name), "its connection"));
        }
    }
    let emails = &settings.emails;
    if emails.service_connection.iter().chain(&emails.fallback).any(is_gone) {
        return Err(dangling("the Emails settings", "their Service Connection"));
    }
    if settings.notices.alarms.connection.as_ref().is_some_and(is_gone) {
        return Err(dangling("the alarms", "their connection"));
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
