//! The settings: one row a thing, one version for all.

use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::{Emails, Notices, Settings, SignIn};

use super::code::{from_json, signed, time_code, time_of, to_json, unreadable, unsigned};
use super::row::text;
use super::search::tally;
use super::unit::Unit;
use crate::{AuditEntry, AuditRecord, SettingsChange, StoreError};

const TENANT: &str = "tenant";
const CONNECTION: &str = "connection";
const EMAILS: &str = "emails";
const ROUTE: &str = "route";
const ACCOUNT: &str = "account";
const USER: &str = "user";
const API_TOKEN: &str = "api_token";
const SIGN_IN: &str = "sign_in";
const WEBHOOK: &str = "webhook";
const NOTICES: &str = "notices";

/// All settings as of now. One that cannot be read fails all: what is half understood is not acted upon.
pub(super) fn load(connection: &Connection) -> Result<Settings, StoreError> {
    let version = tally(connection, "settings_version")?;
    let emails: Vec<Emails> = list(connection, EMAILS)?;
    let sign_in: Vec<SignIn> = list(connection, SIGN_IN)?;
    let notices: Vec<Notices> = list(connection, NOTICES)?;
    Ok(Settings {
        version: unsigned(version),
        tenants: list(connection, TENANT)?,
        connections: list(connection, CONNECTION)?,
        emails: emails.into_iter().next().unwrap_or_default(),
        routes: list(connection, ROUTE)?,
        accounts: list(connection, ACCOUNT)?,
        users: list(connection, USER)?,
        api_tokens: list(connection, API_TOKEN)?,
        sign_in: sign_in.into_iter().next().unwrap_or_default(),
        webhooks: list(connection, WEBHOOK)?,
        notices: notices.into_iter().next().unwrap_or_default(),
    })
}

/// In order of position, then id.
fn list<T: DeserializeOwned>(connection: &Connection, kind: &str) -> Result<Vec<T>, StoreError> {
    let sql = "SELECT id, data FROM setting WHERE kind = ?1 ORDER BY position, id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([kind])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let named = |error: StoreError| match error {
            StoreError::Unreadable { detail } => {
                let id: String = row.get(0).unwrap_or_default();
                unreadable(format!("the setting {kind} {id}: {detail}"))
            }
            other => other,
        };
        found.push(text(row, 1).and_then(from_json).map_err(named)?);
    }
    Ok(found)
}

/// Returns the settings as they are after the change.
pub(super) fn change(
    unit: &Unit<'_>,
    base_version: u64,
    changes: &[SettingsChange],
    audit: &AuditEntry,
) -> Result<Settings, StoreError> {
    let current = unsigned(unit.tally("settings_version")?);
    if current != base_version {
        return Err(StoreError::SettingsChanged { current });
    }
    for change in changes {
        apply(unit, change)?;
    }
    let version = signed(current.saturating_add(1));
    unit.execute("UPDATE tally SET value = ?1 WHERE name = 'settings_version'", [version])?;
    record(unit, audit)?;
    load(unit.connection)
}

pub(super) fn record(unit: &Unit<'_>, audit: &AuditEntry) -> Result<(), StoreError> {
    unit.execute(
        "INSERT INTO audit (at, actor, action, detail) VALUES (?1, ?2, ?3, ?4)",
        params![time_code(audit.at), audit.actor, audit.action, to_json(&audit.detail)?],
    )?;
    Ok(())
}

fn apply(unit: &Unit<'_>, change: &SettingsChange) -> Result<(), StoreError> {
    match change {
        SettingsChange::PutTenant(tenant) => put(unit, TENANT, &tenant.id.0, 0, tenant),
        SettingsChange::RemoveTenant(id) => remove(unit, TENANT, &id.0),
        SettingsChange::PutConnection(connection) => put(unit, CONNECTION, &connection.id.0, 0, connection),
        SettingsChange::RemoveConnection(id) => remove(unit, CONNECTION, &id.0),
        SettingsChange::PutEmails(emails) => put(unit, EMAILS, "", 0, emails),
        SettingsChange::SetRoutes(routes) => {
            unit.execute("DELETE FROM setting WHERE kind = ?1", [ROUTE])?;
            for (position, route) in (0..).zip(routes) {
                put(unit, ROUTE, &route.id.0, position, route)?;
            }
            Ok(())
        }
        SettingsChange::PutAccount(account) => put(unit, ACCOUNT, &account.id.0, 0, account),
        SettingsChange::RemoveAccount(id) => remove(unit, ACCOUNT, &id.0),
        SettingsChange::PutUser(user) => put(unit, USER, &user.id.0, 0, user),
        SettingsChange::RemoveUser(id) => remove(unit, USER, &id.0),
        SettingsChange::PutApiToken(token) => put(unit, API_TOKEN, &token.id.0, 0, token),
        SettingsChange::RemoveApiToken(id) => remove(unit, API_TOKEN, &id.0),
        SettingsChange::PutSignIn(sign_in) => put(unit, SIGN_IN, "", 0, sign_in),
        SettingsChange::PutWebhook(webhook) => put(unit, WEBHOOK, &webhook.id.0, 0, webhook),
        SettingsChange::RemoveWebhook(id) => remove(unit, WEBHOOK, &id.0),
        SettingsChange::PutNotices(notices) => put(unit, NOTICES, "", 0, notices),
    }
}

fn put<T: Serialize>(unit: &Unit<'_>, kind: &str, id: &str, position: i64, data: &T) -> Result<(), StoreError> {
    unit.execute(
        "INSERT OR REPLACE INTO setting (kind, id, position, data) VALUES (?1, ?2, ?3, ?4)",
        params![kind, id, position, to_json(data)?],
    )?;
    Ok(())
}

/// What is gone already is as it should be.
fn remove(unit: &Unit<'_>, kind: &str, id: &str) -> Result<(), StoreError> {
    unit.execute("DELETE FROM setting WHERE kind = ?1 AND id = ?2", [kind, id])?;
    Ok(())
}

pub(super) fn audit(connection: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = "SELECT id, at, actor, action, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![before.unwrap_or(i64::MAX), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let detail = from_json(text(row, 4)?)?;
        let entry = AuditEntry { at: time_of(row.get(1)?)?, actor: row.get(2)?, action: row.get(3)?, detail };
        found.push(AuditRecord { number: row.get(0)?, entry });
    }
    Ok(found)
}
