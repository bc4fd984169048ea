//! The way out: leases, claims and what became of attempts.

use jiff::Timestamp;
use mail::MessageId;
use rusqlite::params;

use super::code::{PRIORITIES, length, priority_code, signed, state_code, time_code, time_of, to_json, unsigned};
use super::row::{COLUMNS, Progress, SOURCE, Stored, load, progress_column, read};
use super::unit::{Unit, attempt_id};
use crate::{
    AttemptId, AttemptReport, Claim, Explanation, LaneId, Lease, MessageState, NodeId, RecipientOutcome,
    RecipientState, StoreError,
};

const MICROSECONDS_PER_HOUR: i64 = 3_600_000_000;
/// Hours that `recipients_attempted` can still be asked about.
const HOURS_KEPT: i64 = 32 * 24;

pub(super) fn hour(time: Timestamp) -> i64 {
    time_code(time).div_euclid(MICROSECONDS_PER_HOUR)
}

/// Who holds the lane, and until when, as the row says.
struct Holder {
    node: Option<String>,
    epoch: u64,
    until: Timestamp,
    paused_until: Option<Timestamp>,
}

fn holder(unit: &Unit<'_>, lane: LaneId) -> Result<Holder, StoreError> {
    let found =
        unit.row("SELECT lease_node, lease_epoch, lease_until, pause FROM lane WHERE id = ?1", [lane.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<String>>(3)?))
        })?;
    let (node, epoch, until, pause) = found.ok_or_else(|| StoreError::NotFound { what: format!("lane {}", lane.0) })?;
    let pause: Option<crate::LanePause> = pause.as_deref().map(super::code::from_json).transpose()?;
    Ok(Holder { node, epoch: unsigned(epoch), until: time_of(until)?, paused_until: pause.map(|pause| pause.until) })
}

pub(super) fn lease_lane(
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
    unit.announce(record.id, Some(lane));
    Ok(())
}

/// Whom the attempt is for, as indices into the envelope.
pub(super) fn attempted(unit: &Unit<'_>, seq: i64, number: u32) -> Result<Vec<usize>, StoreError> {
    let json = unit.row("SELECT recipients FROM attempt WHERE id = ?1", [attempt_id(seq, number)], |row| {
        row.get::<_, String>(0)
    })?;
    json.as_deref().map_or_else(|| Ok(Vec::new()), super::code::from_json)
}

pub(super) fn claim(
    unit: &mut Unit<'_>,
    lease: &Lease,
    max_messages: u32,
    max_recipients: u32,
    now: Timestamp,
) -> Result<Vec<Claim>, StoreError> {
    let holder = holder(unit, lease.lane)?;
    let is_held = holder.node.as_deref() == Some(lease.node.0.as_str()) && holder.epoch == lease.epoch;
    if !is_held || holder.until <= now {
        return Err(StoreError::LeaseLost);
    }
    let mut claims = Vec::new();
    if max_recipients == 0 || holder.paused_until.is_some_and(|until| until > now) {
        return Ok(claims);
    }
    for due in due_messages(unit, lease.lane, max_messages, now)? {
        match due {
            Found::Readable(stored) => claims.push(start_attempt(unit, lease, *stored, max_recipients, now)?),
            Found::Unreadable(seq, id, error) => {
                set_aside(unit, (MessageState::Queued, lease.lane), (seq, id), &error, now)?;
            }
        }
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

enum Found {
    Readable(Box<Stored>),
    Unreadable(i64, MessageId, StoreError),
}

fn select(unit: &Unit<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Found>, StoreError> {
    let mut statement = unit.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(match read(row) {
            Ok(stored) => Found::Readable(Box::new(stored)),
            Err(error) => Found::Unreadable(row.get(0)?, MessageId::from_bytes(row.get(1)?), error),
        });
    }
    Ok(found)
}

/// Best priority first, then oldest due, then oldest.
fn due_messages(unit: &Unit<'_>, lane: LaneId, limit: u32, now: Timestamp) -> Result<Vec<Found>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {SOURCE} WHERE m.state = 0 AND m.lane = ?1 AND m.priority = ?2 AND m.due_at <= ?3 \
         ORDER BY m.due_at, m.seq LIMIT ?4"
    );
    let mut found = Vec::new();
    for priority in PRIORITIES {
        let left = i64::from(limit).saturating_sub(signed(length(&found)));
        if left <= 0 {
            break;
        }
        found.extend(select(unit, &sql, [lane.0, priority_code(priority), time_code(now), left])?);
    }
    Ok(found)
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

/// One message that cannot be read must not stop the lane, and must not be lost either.
fn set_aside(
    unit: &mut Unit<'_>,
    (state, lane): (MessageState, LaneId),
    (seq, id): (i64, MessageId),
    error: &StoreError,
    now: Timestamp,
) -> Result<(), StoreError> {
    tracing::error!(event = "message_quarantined", message_id = %id, %error);
    unit.set_state(seq, MessageState::Quarantined)?;
    unit.event(seq, now, "quarantined", "system", Some(&error.to_string()))?;
    unit.moved(Some((state, Some(lane))), Some((MessageState::Quarantined, Some(lane))));
    unit.announce(id, Some(lane));
    Ok(())
}

pub(super) fn finish_attempt(
    unit: &mut Unit<'_>,
    claim: &Claim,
    report: &AttemptReport,
    now: Timestamp,
) -> Result<MessageState, StoreError> {
    let Stored { seq, record, mut progress } = load(unit.connection, claim.message.id)?;
    check_open(unit, claim, seq, &record)?;
    apply(&mut progress, &claim.recipients, report)?;
    let state = MessageState::after_attempt(progress.iter().map(|(state, _)| *state));
    let doubtful = report.outcomes.contains(&RecipientOutcome::Uncertain);
    let last_error = match state {
        MessageState::Sent => None,
        _ => report.explanation.as_ref().or(record.last_error.as_ref()).map(to_json).transpose()?,
    };
    unit.execute(
        "UPDATE attempt SET ended_at = ?2, outcomes = ?3, explanation = ?4, request_id = ?5 WHERE id = ?1",
        params![
            claim.attempt.0,
            time_code(now),
            to_json(&report.outcomes)?,
            report.explanation.as_ref().map(to_json).transpose()?,
            report.request_id,
        ],
    )?;
    unit.execute(
        "UPDATE message SET state = ?2, progress = ?3, may_be_duplicated = ?4, last_error = ?5, due_at = ?6 \
         WHERE seq = ?1",
        params![
            seq,
            state_code(state),
            progress_column(&progress)?,
            record.may_be_duplicated || doubtful,
            last_error,
            time_code(report.due_at),
        ],
    )?;
    unit.moved(Some((MessageState::Sending, record.lane)), Some((state, record.lane)));
    unit.ended(now, state);
    let lane = record.lane.filter(|_| state == MessageState::Queued);
    unit.announce(record.id, lane);
    Ok(state)
}

/// The attempt is the message's latest, and nobody has ended it.
fn check_open(unit: &Unit<'_>, claim: &Claim, seq: i64, record: &crate::MessageRecord) -> Result<(), StoreError> {
    if record.state == MessageState::Sending && attempt_id(seq, record.attempts) == claim.attempt.0 {
        return Ok(());
    }
    let ended = unit.row("SELECT ended_at FROM attempt WHERE id = ?1", [claim.attempt.0], |row| row.get(0))?;
    match ended {
        Some(None::<i64>) => Err(StoreError::LeaseLost),
        Some(Some(_)) => Err(StoreError::Conflict { reason: "the attempt has ended already".into() }),
        None => Err(StoreError::NotFound { what: format!("attempt {}", claim.attempt.0) }),
    }
}

fn apply(progress: &mut Progress, recipients: &[usize], report: &AttemptReport) -> Result<(), StoreError> {
    let outcomes = &report.outcomes;
    if recipients.len() != outcomes.len() {
        let reason = format!("an attempt for {} recipients has {} outcomes", recipients.len(), outcomes.len());
        return Err(StoreError::Conflict { reason });
    }
    for (index, outcome) in recipients.iter().zip(outcomes) {
        let status = match outcome {
            RecipientOutcome::Refused(status) => Some(*status),
            _ => None,
        };
        let recipient = progress.get_mut(*index);
        let recipient = recipient.ok_or_else(|| StoreError::Conflict { reason: format!("no recipient {index}") })?;
        *recipient = match outcome {
            RecipientOutcome::Uncertain if report.retry_uncertain => (RecipientState::Pending, None),
            _ => (outcome.state(), status),
        };
    }
    Ok(())
}
