//! The key ring's rows, and the master key that wraps them.
//!
//! Changing the master key touches a file and the database, which cannot change at one instant. The order makes every
//! moment recoverable:
//!
//! 1. the new key is durable as `master.key.next`,
//! 2. the data keys wrapped with it are committed,
//! 3. `master.key.next` becomes `master.key`.
//!
//! Stopped after 1, the old key still unwraps and the next one is thrown away by the next change; stopped after 2, only
//! the next key unwraps, and opening the store does step 3.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::StoreError;
use crate::keyring::{Key, KeyRingError, MasterKey, TOKEN_KEY_ID, random_key};

pub(super) type Keys = Vec<(u32, Key)>;

impl From<KeyRingError> for StoreError {
    fn from(error: KeyRingError) -> Self {
        Self::Unavailable { detail: error.to_string() }
    }
}

/// The keys of the ring; on a store's first day, makes them.
pub(super) fn open(connection: &mut Connection, master_path: &Path) -> Result<Keys, StoreError> {
    // Held from before the first look, so that two processes on a new folder do not make two keys.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let wrapped = load_wrapped(&transaction)?;
    if wrapped.is_empty() {
        let master = MasterKey::read(master_path)?.map_or_else(|| MasterKey::create(master_path), Ok)?;
        for id in [TOKEN_KEY_ID, TOKEN_KEY_ID + 1] {
            insert(&transaction, &master, id, &random_key()?)?;
        }
    }
    let keys = load(&transaction, master_path)?;
    transaction.commit()?;
    Ok(keys)
}

/// The keys of the ring, unwrapped. Finishes a change of the master key that was interrupted.
pub(super) fn load(connection: &Connection, master_path: &Path) -> Result<Keys, StoreError> {
    let wrapped = load_wrapped(connection)?;
    let current = MasterKey::read(master_path)?;
    let first = current.as_ref().map(|master| unwrap_all(master, &wrapped));
    if let Some(Ok(keys)) = first {
        return Ok(keys);
    }
    if let Some(next) = MasterKey::read(&MasterKey::next_path(master_path))?
        && let Ok(keys) = unwrap_all(&next, &wrapped)
    {
        MasterKey::promote_next(master_path)?;
        return Ok(keys);
    }
    match first {
        Some(Err(error)) => Err(error.into()),
        _ => Err(StoreError::Unavailable {
            detail: format!("{} is missing: without it no secret in the database can be read", master_path.display()),
        }),
    }
}

fn load_wrapped(connection: &Connection) -> Result<Vec<(u32, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, wrapped FROM key_ring ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn unwrap_all(master: &MasterKey, wrapped: &[(u32, String)]) -> Result<Keys, KeyRingError> {
    wrapped.iter().map(|(id, text)| Ok((*id, master.unwrap_key(*id, text)?))).collect()
}

fn insert(connection: &Connection, master: &MasterKey, id: u32, key: &Key) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO key_ring (id, wrapped) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![id, master.wrap(id, key)?])?;
    Ok(())
}

/// Adds a data key, which seals from now on.
pub(super) fn rotate(connection: &Connection, master_path: &Path) -> Result<Keys, StoreError> {
    let mut keys = load(connection, master_path)?;
    let master = MasterKey::read(master_path)?.ok_or(KeyRingError::WrongMasterKey)?;
    let id = keys.iter().map(|(id, _)| *id).max().unwrap_or(TOKEN_KEY_ID) + 1;
    let key = random_key()?;
    insert(connection, &master, id, &key)?;
    keys.push((id, key));
    Ok(keys)
}

/// Steps 1 and 2 of changing the master key, inside a transaction.
pub(super) fn rewrap(connection: &Connection, master_path: &Path) -> Result<(), StoreError> {
    let keys = load(connection, master_path)?;
    let next = MasterKey::create(&MasterKey::next_path(master_path))?;
    for (id, key) in &keys {
        insert(connection, &next, *id, key)?;
    }
    Ok(())
}
