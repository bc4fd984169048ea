//! From settings and a setup file to the changes between them. Nothing is written here.

use std::collections::HashSet;
use std::sync::Arc;

use settings::{Emails, Settings};
use store::{KeyRing, SettingsChange};

use super::{accounts, connections, routes, tenants};
use crate::diff::{DiffLine, diff};
use crate::{Refused, SecretSource, SetupFile};

pub(super) struct Plan {
    pub changes: Vec<SettingsChange>,
    pub diff: Vec<DiffLine>,
}

/// What entries are worked out against: the settings as they will be, and where secrets come from and go to.
pub(super) struct Draft<'a> {
    pub settings: Settings,
    pub secrets: &'a SecretSource,
    pub keys: &'a Arc<KeyRing>,
}

pub(super) fn plan(
    current: &Settings,
    file: &SetupFile,
    secrets: &SecretSource,
    keys: &Arc<KeyRing>,
) -> Result<Plan, Refused> {
    refuse_repeated_names(file)?;
    let mut draft = Draft { settings: current.clone(), secrets, keys };
    for entry in &file.tenant {
        tenants::put(&mut draft, entry)?;
    }
    for entry in &file.connection {
        connections::put(&mut draft, entry)?;
    }
    if file.prune {
        prune(&mut draft.settings, file);
    }
    if let Some(entry) = &file.emails {
        draft.settings.emails = routes::emails(&draft.settings, entry)?;
    } else if file.prune {
        draft.settings.emails = Emails::default();
    }
    routes::put_all(&mut draft.settings, file)?;
    for entry in &file.account {
        accounts::put(&mut draft, entry)?;
    }
    check_references(&draft.settings)?;
    Ok(Plan { changes: changes(current, &draft.settings), diff: diff(current, &draft.settings) })
}

/// Routes are pruned by `routes::put_all`: their order is part of their meaning.
fn prune(settings: &mut Settings, file: &SetupFile) {
    settings.tenants.retain(|tenant| file.tenant.iter().any(|entry| entry.name == tenant.name));
    let named: HashSet<String> = file.connection.iter().map(connections::name).collect();
    settings.connections.retain(|connection| named.contains(&connection.name));
    settings.accounts.retain(|account| file.account.iter().any(|entry| entry.name == account.name));
}

fn refuse_repeated_names(file: &SetupFile) -> Result<(), Refused> {
    let connections: Vec<String> = file.connection.iter().map(connections::name).collect();
    let kinds: [(&str, Vec<&str>); 4] = [
        ("tenants", file.tenant.iter().map(|entry| entry.name.as_str()).collect()),
        ("connections", connections.iter().map(String::as_str).collect()),
        ("routes", file.route.iter().map(|entry| entry.name.as_str()).collect()),
        ("accounts", file.account.iter().map(|entry| entry.name.as_str()).collect()),
    ];
    for (kind, names) in kinds {
        let mut seen = HashSet::new();
        if let Some(name) = names.into_iter().find(|name| name.trim().is_empty() || !seen.insert(*name)) {
            return Err(Refused::new(
                format!("the file has an empty name or two {kind} called '{name}'"),
                "Names are keys: give each thing its own.",
            ));
        }
    }
    Ok(())
}

/// What stays must not point at what goes.
fn check_references(settings: &Settings) -> Result<(), Refused> {
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

fn changes(old: &Settings, new: &Settings) -> Vec<SettingsChange> {
    let mut changes = Vec::new();
    changes.extend(new.tenants.iter().filter(|t| !old.tenants.contains(t)).cloned().map(SettingsChange::PutTenant));
    changes.extend(
        new.connections.iter().filter(|c| !old.connections.contains(c)).cloned().map(SettingsChange::PutConnection),
    );
    if old.emails != new.emails {
        changes.push(SettingsChange::PutEmails(new.emails.clone()));
    }
    if old.routes != new.routes {
        changes.push(SettingsChange::SetRoutes(new.routes.clone()));
    }
    changes.extend(new.accounts.iter().filter(|a| !old.accounts.contains(a)).cloned().map(SettingsChange::PutAccount));
    let gone = |id: &settings::AccountId| new.account(id).is_none();
    changes.extend(old.accounts.iter().filter(|a| gone(&a.id)).map(|a| SettingsChange::RemoveAccount(a.id.clone())));
    let gone = |id: &settings::ConnectionId| new.connection(id).is_none();
    changes
        .extend(old.connections.iter().filter(|c| gone(&c.id)).map(|c| SettingsChange::RemoveConnection(c.id.clone())));
    let gone = |id: &settings::TenantId| new.tenant(id).is_none();
    changes.extend(old.tenants.iter().filter(|t| gone(&t.id)).map(|t| SettingsChange::RemoveTenant(t.id.clone())));
    changes
}

/// An identity for something new: its name where that can be read, and enough chance to be alone.
pub(super) fn new_id(name: &str) -> Result<String, Refused> {
    let mut random = [0_u8; 5];
    getrandom::fill(&mut random)
        .map_err(|error| Refused::new(format!("the system gives no random numbers: {error}"), "Look at the system."))?;
    let readable = name.to_lowercase();
    let words = readable.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(4);
    let chance = format!("{:010x}", random.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)));
    let id = words.chain([chance.as_str()]).collect::<Vec<_>>().join("-");
    Ok(id)
}

/// "there is no X called 'a'; there are: b, c".
pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Refused {
    let known: Vec<&str> = known.collect();
    let fix = if known.is_empty() {
        format!("There is no {kind} yet: describe it in the file.")
    } else {
        format!("Correct the name, or describe it in the file. There are: {}.", known.join(", "))
    };
    Refused::new(format!("there is no {kind} called '{name}'"), fix)
}
