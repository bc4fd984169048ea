//! From settings and a setup file to the changes between them. Nothing is written here.

use std::collections::HashSet;
use std::sync::Arc;

use settings::{Emails, Notices, Settings};
use store::{KeyRing, SettingsChange};

use super::{accounts, connections, references, routes, telling, tenants};
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
    for entry in &file.webhook {
        let known = draft.settings.webhooks.iter().find(|it| it.name == entry.name).map(|it| it.id.clone());
        telling::put_webhook(draft, known.as_ref(), entry)?;
    }
    if let Some(entry) = &file.notices {
        draft.settings.notices = telling::notices(&draft.settings, entry)?;
    } else if file.prune {
        draft.settings.notices = Notices::default();
    }
    Ok(())
}

/// Routes are pruned by `routes::put_all`: their order is part of their meaning.
fn prune(settings: &mut Settings, file: &SetupFile) {
    settings.tenants.retain(|tenant| file.tenant.iter().any(|entry| entry.name == tenant.name));
    let named: HashSet<String> = file.connection.iter().map(connections::name).collect();
    settings.connections.retain(|connection| named.contains(&connection.name));
    settings.accounts.retain(|account| file.account.iter().any(|entry| entry.name == account.name));
    settings.webhooks.retain(|webhook| file.webhook.iter().any(|entry| entry.name == webhook.name));
}

fn refuse_repeated_names(file: &SetupFile) -> Result<(), Refused> {
    let connections: Vec<String> = file.connection.iter().map(connections::name).collect();
    let kinds: [(&str, Vec<&str>); 5] = [
        ("tenants", file.tenant.iter().map(|entry| entry.name.as_str()).collect()),
        ("connections", connections.iter().map(String::as_str).collect()),
        ("routes", file.route.iter().map(|entry| entry.name.as_str()).collect()),
        ("accounts", file.account.iter().map(|entry| entry.name.as_str()).collect()),
        ("webhooks", file.webhook.iter().map(|entry| entry.name.as_str()).collect()),
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

/// What is new or different is put before what is gone is removed: nothing points nowhere in between.
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
    changes.extend(new.webhooks.iter().filter(|w| !old.webhooks.contains(w)).cloned().map(SettingsChange::PutWebhook));
    if old.notices != new.notices {
        changes.push(SettingsChange::PutNotices(new.notices.clone()));
    }
    changes.extend(removals(old, new));
    changes
}

fn removals(old: &Settings, new: &Settings) -> Vec<SettingsChange> {
    let webhooks = old.webhooks.iter().filter(|it| new.webhook(&it.id).is_none());
    let accounts = old.accounts.iter().filter(|it| new.account(&it.id).is_none());
    let connections = old.connections.iter().filter(|it| new.connection(&it.id).is_none());
    let tenants = old.tenants.iter().filter(|it| new.tenant(&it.id).is_none());
    webhooks
        .map(|it| SettingsChange::RemoveWebhook(it.id.clone()))
        .chain(accounts.map(|it| SettingsChange::RemoveAccount(it.id.clone())))
        .chain(connections.map(|it| SettingsChange::RemoveConnection(it.id.clone())))
        .chain(tenants.map(|it| SettingsChange::RemoveTenant(it.id.clone())))
        .collect()
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
