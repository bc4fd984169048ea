//! Moving mail away from a lane that cannot carry it.

use jiff::Timestamp;
use mail::MessageId;
use rusqlite::params;
use settings::RoutedTo;

use super::code::{state_code, time_code};
use super::unit::Unit;
use crate::{Event, LaneId, MessageState, StoreError};

pub(super) fn divert(
    unit: &mut Unit<'_>,
    ids: &[MessageId],
    way: &RoutedTo,
    due_by: Timestamp,
    event: &Event,
) -> Result<Vec<MessageId>, StoreError> {
    let lane = unit.lane_for(way)?;
    let mut moved = Vec::new();
    for id in ids {
        let found = unit.row(
            "SELECT seq, lane FROM message WHERE id = ?1 AND state = ?2 AND due_at <= ?3 AND may_be_duplicated = 0",
            params![id.to_bytes().as_slice(), state_code(MessageState::Queued), time_code(due_by)],
            |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(LaneId))),
        )?;
        let Some((seq, from)) = found else { continue };
        if from == Some(lane) {
            continue;
        }
        unit.execute(
            "UPDATE message SET lane = ?2, due_at = MIN(due_at, ?3) WHERE seq = ?1",
            [seq, lane.0, time_code(event.at)],
        )?;
        unit.event(seq, event.at, &event.kind, &event.actor, event.detail.as_deref())?;
        unit.moved(Some((MessageState::Queued, from)), Some((MessageState::Queued, Some(lane))));
        unit.announce(*id, Some(lane));
        moved.push(*id);
    }
    Ok(moved)
}
