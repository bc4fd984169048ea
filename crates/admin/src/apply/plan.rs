//! From settings and a setup file to the changes between them. Nothing is written here.

use std::collections::HashSet;
use std::sync::Arc;

use settings::{Emails, Settings};
use store::{KeyRing, SettingsChange};

use super::{accounts, connections, references, routes, tenants};
use crate::diff::{DiffLine, diff};
use crate::{Refused, SecretSource, SetupFile};

pub(crate) struct Plan {
    pub changes: Vec<SettingsChange>,
    pub diff: Vec<DiffLine>,
}

/// What entries are worked out against: the settings as they will be, and where secrets come from and go to.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub settings: Settings,
    pub secrets: &'a SecretSource,
    pub keys: &'a Arc<KeyRing>,
}

/// What `edit` makes of the settings.
pub(crate) fn plan<T>(
    current: &Settings,
    secrets: &SecretSource,
    keys: &Arc<KeyRing>,
    edit: impl FnOnce(&mut Draft<'_>) -> Result<T, Refused>,
) -> Result<(Plan, T), Refused> {
    let mut draft = Draft { settings: current.clone(), secrets, keys };
    let outcome = edit(&mut draft)?;
    references::check(&draft.settings)?;
    Ok((Plan { changes: changes(current, &draft.settings), diff: diff(current, &draft.settings) }, outcome))
}

/// Everything that the file says.
pub(super) fn put_all(draft: &mut Draft<'_>, file: &SetupFile) -> Result<(), Refused> {
    refuse_repeated_names(file)?;
    for entry in &file.tenant {
        let known = draft.settings.tenants.iter().find(|it| it.name == entry.name).map(|it| it.id.clone());
        tenants::put(draft, known.as_ref(), entry)?;
    }
    for entry in &file.connection {
        let name = connections::name(entry);
        let known = draft.settings.connections.iter().find(|it| it.name == name).map(|it| it.id.clone());
        connections::put(draft, known, entry)?;
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
        let known = draft.settings.account_named(&entry.name).map(|it| it.id.clone());
        accounts::put(draft, known.as_ref(), entry)?;
    }
    Ok(())
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
pub(crate) fn new_id(name: &str) -> Result<String, Refused> {
    let mut random = [0_u8; 5];
    getrandom::fill(&mut random)
        .map_err(|error| Refused::new(format!("the system gives no random numbers: {error}"), "Look at the system."))?;
    let readable = name.to_lowercase();
    let words = readable.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(4);
    let chance = format!("{:010x}", random.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)));
    let id = words.chain([chance.as_str()]).collect::<Vec<_>>().join("-");
    Ok(id)
}
