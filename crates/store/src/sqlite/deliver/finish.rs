//! What became of an attempt.

use jiff::Timestamp;
use rusqlite::params;

use crate::sqlite::code::{state_code, time_code, to_json};
use crate::sqlite::row::{Progress, Stored, load, progress_column};
use crate::sqlite::unit::{Unit, attempt_id};
use crate::{AttemptReport, Claim, MessageState, OutcomeKind, RecipientOutcome, RecipientState, StoreError};

pub(in crate::sqlite) fn finish_attempt(
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
            (record.may_be_duplicated && !report.settles_doubt) || doubtful,
            last_error,
            time_code(report.due_at),
        ],
    )?;
    unit.moved(Some((MessageState::Sending, record.lane)), Some((state, record.lane)));
    unit.ended(now, state);
    if let Some(kind) = OutcomeKind::of_attempt(state) {
        unit.tell(record.id, kind, now);
    }
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
