//! Small facts of others: what budgets were charged, and whatever has a key.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::code::{from_json, signed, to_json, unsigned};
use super::deliver::hour;
use super::row::text;
use super::unit::Unit;
use crate::StoreError;
use crate::store::HOURS_CHARGED;

pub(super) fn charge(unit: &Unit<'_>, budget: &str, amount: u64, now: Timestamp) -> Result<(), StoreError> {
    unit.execute("DELETE FROM charge WHERE hour < ?1", [hour(now) - HOURS_CHARGED])?;
    unit.execute(
        "INSERT INTO charge (budget, hour, amount) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
        params![budget, hour(now), signed(amount)],
    )?;
    Ok(())
}

pub(super) fn charged(connection: &Connection, budget: &str, since: Timestamp) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(SUM(amount), 0) FROM charge WHERE budget = ?1 AND hour >= ?2";
    Ok(unsigned(connection.prepare_cached(sql)?.query_row(params![budget, hour(since)], |row| row.get(0))?))
}

pub(super) fn kept(connection: &Connection, key: &str) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT value FROM kept WHERE key = ?1";
    let value: Option<String> = connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?;
    value.as_deref().map(from_json).transpose()
}

pub(super) fn keep(unit: &Unit<'_>, key: &str, value: Option<&Value>) -> Result<(), StoreError> {
    match value {
        Some(value) => {
            unit.execute("INSERT OR REPLACE INTO kept (key, value) VALUES (?1, ?2)", [key, &to_json(value)?])?
        }
        None => unit.execute("DELETE FROM kept WHERE key = ?1", [key])?,
    };
    Ok(())
}

pub(super) fn kept_under(connection: &Connection, prefix: &str) -> Result<Vec<(String, Value)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM kept WHERE key >= ?1 ORDER BY key")?;
    let mut rows = statement.query([prefix])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push((key, from_json(text(row, 1)?)?));
    }
    Ok(found)
}
