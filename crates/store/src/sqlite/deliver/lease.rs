//! Who works on a lane.

use jiff::Timestamp;
use rusqlite::params;

use super::{Found, attempted, hour, select, set_aside};
use crate::sqlite::code::{from_json, signed, state_code, time_code, time_of, to_json, unsigned};
use crate::sqlite::row::{COLUMNS, SOURCE, Stored, progress_column};
use crate::sqlite::unit::Unit;
use crate::{Explanation, LaneId, LanePause, Lease, MessageState, NodeId, OutcomeKind, RecipientState, StoreError};

/// Hours that `recipients_attempted` can still be asked about.
const HOURS_KEPT: i64 = 32 * 24;

/// Who holds the lane, and until when, as the row says.
pub(super) struct Holder {
    pub(super) node: Option<String>,
    pub(super) epoch: u64,
    pub(super) until: Timestamp,
    pub(super) paused_until: Option<Timestamp>,
}

pub(super) fn holder(unit: &Unit<'_>, lane: LaneId) -> Result<Holder, StoreError> {
    let found =
        unit.row("SELECT lease_node, lease_epoch, lease_until, pause FROM lane WHERE id = ?1", [lane.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<String>>(3)?))
        })?;
    let (node, epoch, until, pause) = found.ok_or_else(|| StoreError::NotFound { what: format!("lane {}", lane.0) })?;
    let pause: Option<LanePause> = pause.as_deref().map(from_json).transpose()?;
    Ok(Holder { node, epoch: unsigned(epoch), until: time_of(until)?, paused_until: pause.map(|pause| pause.until) })
}

pub(in crate::sqlite) fn lease_lane(
    unit: &mut Unit<'_>,
    lane: LaneId,
    node: &NodeId,
    held: Option<&Lease>,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    let holder = holder(unit, lane)?;
    let is_ours = holder.node.as_deref() == Some(node.0.as_str());
    let renews = is_ours && held.is_some_and(|held| held.lane == lane && held.epoch == holder.epoch);
    if !is_ours && holder.until > now {
        return Ok(None);
    }
    let epoch = if renews { holder.epoch } else { holder.epoch.saturating_add(1) };
    unit.execute(
        "UPDATE lane SET lease_node = ?2, lease_epoch = ?3, lease_until = ?4 WHERE id = ?1",
        params![lane.0, node.0, signed(epoch), time_code(until)],
    )?;
    if !renews {
        doubt_what_was_being_sent(unit, lane, now)?;
    }
    Ok(Some(Lease { lane, node: node.clone(), epoch, until }))
}

/// The owner of these attempts is gone: whether they reached anybody is not known.
fn doubt_what_was_being_sent(unit: &mut Unit<'_>, lane: LaneId, now: Timestamp) -> Result<(), StoreError> {
    unit.execute("DELETE FROM lane_hour WHERE lane = ?1 AND hour < ?2", [lane.0, hour(now) - HOURS_KEPT])?;
    let sql =
        format!("SELECT {COLUMNS} FROM {SOURCE} WHERE m.state = 1 AND m.state <> 0 AND m.lane = ?1 ORDER BY m.seq");
    for found in select(unit, &sql, params![lane.0])? {
        match found {
            Found::Readable(stored) => doubt(unit, lane, *stored, now)?,
            Found::Unreadable(seq, id, error) => {
                set_aside(unit, (MessageState::Sending, lane), (seq, id), &error, now)?;
            }
        }
    }
    Ok(())
}

fn doubt(unit: &mut Unit<'_>, lane: LaneId, stored: Stored, now: Timestamp) -> Result<(), StoreError> {
    let Stored { seq, record, mut progress } = stored;
    for index in attempted(unit, seq, record.attempts)? {
        if let Some(recipient) = progress.get_mut(index) {
            *recipient = (RecipientState::Uncertain, None);
        }
    }
    let doubt = Explanation {
        what: "Postern was interrupted while it sent this message".into(),
        why: "whether the message was delivered is not known".into(),
        ..Explanation::default()
    };
    unit.execute(
        "UPDATE message SET state = ?2, may_be_duplicated = 1, progress = ?3, last_error = ?4 WHERE seq = ?1",
        params![seq, state_code(MessageState::Uncertain), progress_column(&progress)?, to_json(&doubt)?],
    )?;
    unit.event(seq, now, "attempt_lost", "system", None)?;
    unit.moved(Some((MessageState::Sending, Some(lane))), Some((MessageState::Uncertain, Some(lane))));
    unit.tell(record.id, OutcomeKind::Uncertain, now);
    unit.announce(record.id, Some(lane));
    Ok(())
}
