//! Sessions and grants.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use settings::{ConnectionId, Sealed, UserId};

use super::code::{from_json, time_code, time_of, to_json, unreadable};
use super::unit::Unit;
use crate::{Change, Grant, Session, StoreError};

const COLUMNS: &str = "digest, user, created_at, last_seen_at, authenticated_at, peer, user_agent";

pub(super) fn put_session(unit: &Unit<'_>, session: &Session) -> Result<(), StoreError> {
    unit.execute(
        &format!("INSERT OR REPLACE INTO session ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        params![
            session.digest,
            session.user.0,
            time_code(session.created_at),
            time_code(session.last_seen_at),
            time_code(session.authenticated_at),
            session.peer.map(|peer| peer.to_string()),
            session.user_agent,
        ],
    )?;
    Ok(())
}

pub(super) fn session(connection: &Connection, digest: &str) -> Result<Option<Session>, StoreError> {
    Ok(found(connection, "digest = ?1", Some(digest))?.pop())
}

pub(super) fn touch_session(unit: &Unit<'_>, digest: &str, now: Timestamp) -> Result<(), StoreError> {
    let seen = params![digest, time_code(now)];
    unit.execute("UPDATE session SET last_seen_at = ?2 WHERE digest = ?1", seen)?;
    Ok(())
}

pub(super) fn sessions(connection: &Connection, user: Option<&UserId>) -> Result<Vec<Session>, StoreError> {
    found(connection, "?1 IS NULL OR user = ?1", user.map(|user| user.0.as_str()))
}

fn found(connection: &Connection, wanted: &str, argument: Option<&str>) -> Result<Vec<Session>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM session WHERE {wanted} ORDER BY last_seen_at DESC, digest");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([argument])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<Session, StoreError> {
    let peer: Option<String> = row.get(5)?;
    let peer = peer.map(|peer| peer.parse().map_err(|_| unreadable(format!("a session's peer {peer:?}"))));
    Ok(Session {
        digest: row.get(0)?,
        user: UserId(row.get(1)?),
        created_at: time_of(row.get(2)?)?,
        last_seen_at: time_of(row.get(3)?)?,
        authenticated_at: time_of(row.get(4)?)?,
        peer: peer.transpose()?,
        user_agent: row.get(6)?,
    })
}

pub(super) fn remove_sessions(unit: &Unit<'_>, digests: &[String]) -> Result<(), StoreError> {
    for digest in digests {
        unit.execute("DELETE FROM session WHERE digest = ?1", [digest])?;
    }
    Ok(())
}

pub(super) fn purge_sessions(
    unit: &Unit<'_>,
    idle_since: Timestamp,
    created_before: Timestamp,
) -> Result<u64, StoreError> {
    let ended = unit.execute(
        "DELETE FROM session WHERE last_seen_at < ?1 OR created_at < ?2",
        [time_code(idle_since), time_code(created_before)],
    )?;
    Ok(u64::try_from(ended).unwrap_or(u64::MAX))
}

pub(super) fn grant(connection: &Connection, id: &ConnectionId) -> Result<Option<Grant>, StoreError> {
    let sql = "SELECT data FROM connection_grant WHERE connection = ?1";
    let data: Option<String> = connection.prepare_cached(sql)?.query_row([&id.0], |row| row.get(0)).optional()?;
    data.as_deref().map(from_json).transpose()
}

pub(super) fn put_grant(unit: &mut Unit<'_>, id: &ConnectionId, grant: Option<&Grant>) -> Result<(), StoreError> {
    match grant {
        Some(grant) => unit.execute(
            "INSERT OR REPLACE INTO connection_grant (connection, data) VALUES (?1, ?2)",
            params![id.0, to_json(grant)?],
        )?,
        None => unit.execute("DELETE FROM connection_grant WHERE connection = ?1", [&id.0])?,
    };
    unit.changes.push(Change::Grant(id.clone()));
    Ok(())
}

pub(super) fn put_grant_if(
    unit: &mut Unit<'_>,
    id: &ConnectionId,
    expected: &Sealed,
    grant: &Grant,
) -> Result<bool, StoreError> {
    // A unit reads what no other can change before it is committed.
    let Some(known) = self::grant(unit.connection, id)?.filter(|known| known.refresh_token == *expected) else {
        return Ok(false);
    };
    unit.execute("UPDATE connection_grant SET data = ?2 WHERE connection = ?1", params![id.0, to_json(grant)?])?;
    if grant.is_news_after(&known) {
        unit.changes.push(Change::Grant(id.clone()));
    }
    Ok(true)
}
