//! The durable start of attempts.

use jiff::Timestamp;
use rusqlite::params;

use super::lease::holder;
use super::turn::Round;
use super::{Found, hour, select, set_aside};
use crate::sqlite::code::{PRIORITIES, length, signed, state_code, time_code, to_json, unreadable};
use crate::sqlite::row::{COLUMNS, SOURCE, Stored};
use crate::sqlite::unit::{Unit, attempt_id};
use crate::{Appetite, AttemptId, Claim, Lease, MessageState, RecipientState, StoreError};

pub(in crate::sqlite) fn claim(
    unit: &mut Unit<'_>,
    lease: &Lease,
    appetite: Appetite,
    now: Timestamp,
) -> Result<Vec<Claim>, StoreError> {
    let holder = holder(unit, lease.lane)?;
    let is_held = holder.node.as_deref() == Some(lease.node.0.as_str()) && holder.epoch == lease.epoch;
    if !is_held || holder.until <= now {
        return Err(StoreError::LeaseLost);
    }
    let mut claims = Vec::new();
    let is_paused = holder.paused_until.is_some_and(|until| until > now);
    if appetite.recipients == 0 || (is_paused && !appetite.through_pause) {
        return Ok(claims);
    }
    let max_messages = usize::try_from(appetite.messages).unwrap_or(usize::MAX);
    for priority in PRIORITIES.into_iter().filter(|priority| *priority <= appetite.at_least) {
        if claims.len() >= max_messages {
            break;
        }
        let mut round = Round::resume(unit, lease.lane, priority, appetite.max_bytes)?;
        while claims.len() < max_messages
            && let Some(seq) = round.next(unit, now)?
        {
            match load_due(unit, seq)? {
                Found::Readable(stored) => claims.push(start_attempt(unit, lease, *stored, appetite.recipients, now)?),
                Found::Unreadable(seq, id, error) => {
                    set_aside(unit, (MessageState::Queued, lease.lane), (seq, id), &error, now)?;
                }
            }
        }
        round.remember(unit)?;
    }
    let recipients: u64 = claims.iter().map(|claim| length(&claim.recipients)).sum();
    if recipients > 0 {
        unit.execute(
            "INSERT INTO lane_hour (lane, hour, recipients) VALUES (?1, ?2, ?3) \
             ON CONFLICT (lane, hour) DO UPDATE SET recipients = recipients + excluded.recipients",
            [lease.lane.0, hour(now), signed(recipients)],
        )?;
    }
    Ok(claims)
}

fn load_due(unit: &Unit<'_>, seq: i64) -> Result<Found, StoreError> {
    let found = select(unit, &format!("SELECT {COLUMNS} FROM {SOURCE} WHERE m.seq = ?1"), [seq])?.pop();
    found.ok_or_else(|| unreadable(format!("an index names a message {seq} that is not there")))
}

fn start_attempt(
    unit: &mut Unit<'_>,
    lease: &Lease,
    stored: Stored,
    max_recipients: u32,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    let Stored { seq, record: mut message, progress } = stored;
    let is_pending = |recipient: &(RecipientState, _)| recipient.0 == RecipientState::Pending;
    let pending = progress.iter().enumerate().filter(|(_, recipient)| is_pending(recipient)).map(|(index, _)| index);
    let recipients: Vec<usize> = pending.take(usize::try_from(max_recipients).unwrap_or(usize::MAX)).collect();
    message.state = MessageState::Sending;
    message.due_at = None;
    message.attempts = message.attempts.saturating_add(1);
    let attempt = attempt_id(seq, message.attempts);
    unit.execute(
        "INSERT INTO attempt (id, lane, recipients, started_at) VALUES (?1, ?2, ?3, ?4)",
        params![attempt, lease.lane.0, to_json(&recipients)?, time_code(now)],
    )?;
    unit.execute(
        "UPDATE message SET state = ?2, attempts = ?3 WHERE seq = ?1",
        params![seq, state_code(MessageState::Sending), message.attempts],
    )?;
    let lane = Some(lease.lane);
    unit.moved(Some((MessageState::Queued, lane)), Some((MessageState::Sending, lane)));
    unit.changes.push(crate::Change::Message(message.id));
    Ok(Claim { attempt: AttemptId(attempt), lease: lease.clone(), message, recipients })
}
