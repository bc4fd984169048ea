//! What is done to messages from outside the way of delivery.

use jiff::Timestamp;
use mail::MessageId;
use rusqlite::params;
use settings::RoutedTo;

use super::code::{length, state_code, time_code, to_json};
use super::deliver::attempted;
use super::row::{Outline, Stored, id, load, outline, progress_column};
use super::search::all;
use super::unit::{ATTEMPTS_PER_MESSAGE, Unit, attempt_id};
use crate::{
    Change, Explanation, LaneId, LanePause, MessageState, Operation, OutcomeKind, RecipientOutcome, RecipientState,
    StoreError,
};

pub(super) fn operate(
    unit: &mut Unit<'_>,
    id: MessageId,
    operation: Operation,
    actor: &str,
    detail: Option<&str>,
    now: Timestamp,
) -> Result<MessageState, StoreError> {
    let Stored { seq, record, mut progress } = load(unit.connection, id)?;
    let state = record.state.after(operation)?;
    for (recipient, status) in &mut progress {
        if operation.reopens(*recipient) {
            (*recipient, *status) = (RecipientState::Pending, None);
        }
    }
    unit.execute(
        "UPDATE message SET state = ?2, progress = ?3 WHERE seq = ?1",
        params![seq, state_code(state), progress_column(&progress)?],
    )?;
    if operation == Operation::Retry {
        unit.execute("UPDATE message SET due_at = ?2 WHERE seq = ?1", [seq, time_code(now)])?;
    }
    unit.event(seq, now, operation.name(), actor, detail)?;
    unit.moved(Some((record.state, record.lane)), Some((state, record.lane)));
    unit.announce(id, record.lane);
    Ok(state)
}

pub(super) fn hold_queued(
    unit: &mut Unit<'_>,
    actor: &str,
    reason: &str,
    limit: u32,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "SELECT seq, id, lane FROM message WHERE state IN (0, 1) AND state = 0 ORDER BY seq LIMIT ?1";
    let queued = all(unit.connection, sql, [limit], |row| {
        Ok((row.get(0)?, id(row, 1)?, row.get::<_, Option<i64>>(2)?.map(LaneId)))
    })?;
    for (seq, id, lane) in &queued {
        unit.set_state(*seq, MessageState::Held)?;
        unit.event(*seq, now, Operation::Hold.name(), actor, Some(reason))?;
        unit.moved(Some((MessageState::Queued, *lane)), Some((MessageState::Held, *lane)));
        unit.announce(*id, *lane);
    }
    Ok(length(&queued))
}

pub(super) fn fail(unit: &mut Unit<'_>, id: MessageId, reason: &Explanation, now: Timestamp) -> Result<(), StoreError> {
    let Stored { seq, record, mut progress } = load(unit.connection, id)?;
    record.state.check_may_fail()?;
    for (recipient, _) in &mut progress {
        if *recipient == RecipientState::Pending {
            *recipient = RecipientState::Failed;
        }
    }
    unit.execute(
        "UPDATE message SET state = ?2, progress = ?3, last_error = ?4 WHERE seq = ?1",
        params![seq, state_code(MessageState::Failed), progress_column(&progress)?, to_json(reason)?],
    )?;
    unit.event(seq, now, "failed", "system", Some(&reason.what))?;
    unit.moved(Some((record.state, record.lane)), Some((MessageState::Failed, record.lane)));
    unit.ended(now, MessageState::Failed);
    unit.tell(id, OutcomeKind::Failed, now);
    unit.announce(id, record.lane);
    Ok(())
}

pub(super) fn quarantine(
    unit: &mut Unit<'_>,
    id: MessageId,
    reason: &Explanation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Outline { seq, state, lane, .. } = outline(unit.connection, id)?;
    state.check_may_be_quarantined()?;
    if state == MessageState::Sending {
        end_unsent(unit, seq, reason, now)?;
    }
    unit.execute(
        "UPDATE message SET state = ?2, last_error = ?3 WHERE seq = ?1",
        params![seq, state_code(MessageState::Quarantined), to_json(reason)?],
    )?;
    unit.event(seq, now, "quarantined", "system", Some(&reason.what))?;
    unit.moved(Some((state, lane)), Some((MessageState::Quarantined, lane)));
    unit.tell(id, OutcomeKind::Quarantined, now);
    unit.announce(id, lane);
    Ok(())
}

/// Ends the attempt under way: nothing left, for the body was found unreadable before its first octet was sent.
fn end_unsent(unit: &Unit<'_>, seq: i64, reason: &Explanation, now: Timestamp) -> Result<(), StoreError> {
    let number = unit.row("SELECT attempts FROM message WHERE seq = ?1", [seq], |row| row.get(0))?.unwrap_or_default();
    let outcomes = vec![RecipientOutcome::Deferred; attempted(unit, seq, number)?.len()];
    unit.execute(
        "UPDATE attempt SET ended_at = ?2, outcomes = ?3, explanation = ?4 WHERE id = ?1",
        params![attempt_id(seq, number), time_code(now), to_json(&outcomes)?, to_json(reason)?],
    )?;
    Ok(())
}

/// Returns the name of the spool file that is nobody's now.
pub(super) fn delete(unit: &mut Unit<'_>, id: MessageId) -> Result<Option<String>, StoreError> {
    let found = outline(unit.connection, id)?;
    found.state.check_may_be_deleted()?;
    remove(unit, id, &found)?;
    Ok(found.spool)
}

/// Deletes those of `ids` that are (still) in that settled state; returns how many, and their spool files.
pub(super) fn purge(
    unit: &mut Unit<'_>,
    state: MessageState,
    ids: &[MessageId],
) -> Result<(u64, Vec<String>), StoreError> {
    let (mut count, mut files) = (0, Vec::new());
    for id in ids {
        match outline(unit.connection, *id) {
            Ok(found) if found.state == state => {
                remove(unit, *id, &found)?;
                files.extend(found.spool);
                count += 1;
            }
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((count, files))
}

fn remove(unit: &mut Unit<'_>, id: MessageId, found: &Outline) -> Result<(), StoreError> {
    let first = attempt_id(found.seq, 0);
    unit.execute("DELETE FROM attempt WHERE id BETWEEN ?1 AND ?2", [first, first + ATTEMPTS_PER_MESSAGE - 1])?;
    unit.execute("DELETE FROM event WHERE message = ?1", [found.seq])?;
    unit.execute("DELETE FROM body WHERE seq = ?1", [found.seq])?;
    unit.execute("DELETE FROM message WHERE seq = ?1", [found.seq])?;
    super::indexer::forget(unit, found.seq)?;
    unit.moved(Some((found.state, found.lane)), None);
    unit.changes.push(Change::Message(id));
    Ok(())
}

pub(super) fn reroute(unit: &mut Unit<'_>, routes: &[(MessageId, Option<RoutedTo>)]) -> Result<(), StoreError> {
    for (id, key) in routes {
        let found = match outline(unit.connection, *id) {
            Ok(found) if found.state.may_be_rerouted() => found,
            Ok(_) | Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        let lane = key.as_ref().map(|key| unit.lane_for(key)).transpose()?;
        if lane == found.lane {
            continue;
        }
        unit.execute("UPDATE message SET lane = ?2 WHERE seq = ?1", params![found.seq, lane.map(|lane| lane.0)])?;
        unit.moved(Some((found.state, found.lane)), Some((found.state, lane)));
        unit.announce(*id, lane);
    }
    Ok(())
}

pub(super) fn pause_lane(unit: &mut Unit<'_>, lane: LaneId, pause: Option<&LanePause>) -> Result<(), StoreError> {
    let json = pause.map(to_json).transpose()?;
    if unit.execute("UPDATE lane SET pause = ?2 WHERE id = ?1", params![lane.0, json])? == 0 {
        return Err(StoreError::NotFound { what: format!("lane {}", lane.0) });
    }
    unit.announce_lane(lane);
    Ok(())
}
