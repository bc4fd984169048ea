//! The model's leases, claims and attempts.

use jiff::Timestamp;
use mail::MessageId;

use super::past::Happened;
use super::{State, by_the_system};
use crate::{
    Attempt, AttemptId, AttemptReport, Change, Claim, Explanation, LaneId, Lease, MessageState, NodeId,
    RecipientOutcome, RecipientState, StoreError,
};

pub(super) fn hour(time: Timestamp) -> i64 {
    time.as_microsecond().div_euclid(3_600_000_000)
}

impl State {
    pub(super) fn lease_lane(
        &mut self,
        id: LaneId,
        node: &NodeId,
        held: Option<&Lease>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Lease>, StoreError> {
        let lane = self.lane_mut(id)?;
        let is_ours = lane.holder.as_ref().is_some_and(|(holder, _)| holder == node);
        if !is_ours && lane.holder.as_ref().is_some_and(|(_, until)| *until > now) {
            return Ok(None);
        }
        lane.holder = Some((node.clone(), until));
        let renews = is_ours && held.is_some_and(|held| held.lane == id && held.epoch == lane.epoch);
        if !renews {
            lane.epoch += 1;
        }
        let lease = Lease { lane: id, node: node.clone(), epoch: lane.epoch, until };
        if !renews {
            self.doubt_what_was_being_sent(id, now);
        }
        Ok(Some(lease))
    }

    fn doubt_what_was_being_sent(&mut self, lane: LaneId, now: Timestamp) {
        let sent_there =
            |held: &super::Held| held.record.state == MessageState::Sending && held.record.lane == Some(lane);
        for id in self.ids(sent_there, u32::MAX) {
            let Some(held) = self.messages.get_mut(&id) else { continue };
            for index in &held.attempted {
                if let Some(recipient) = held.recipients.get_mut(*index) {
                    (recipient.state, recipient.status) = (RecipientState::Uncertain, None);
                }
            }
            held.record.state = MessageState::Uncertain;
            held.record.may_be_duplicated = true;
            held.record.last_error = Some(Explanation {
                what: "Postern was interrupted while it sent this message".into(),
                why: "whether the message was delivered is not known".into(),
                ..Explanation::default()
            });
            held.events.push(by_the_system(now, "attempt_lost", None));
            self.announce(id);
        }
    }

    pub(super) fn claim(
        &mut self,
        lease: &Lease,
        max_messages: u32,
        max_recipients: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let lane = self.lane_mut(lease.lane)?;
        let is_held = lane.epoch == lease.epoch
            && lane.holder.as_ref().is_some_and(|(node, until)| *node == lease.node && *until > now);
        if !is_held {
            return Err(StoreError::LeaseLost);
        }
        if max_recipients == 0 || lane.pause.as_ref().is_some_and(|pause| pause.until > now) {
            return Ok(Vec::new());
        }
        let is_due = |held: &&super::Held| {
            held.record.lane == Some(lease.lane) && held.shown().due_at.is_some_and(|due| due <= now)
        };
        let mut due: Vec<_> = self.messages.values().filter(is_due).collect();
        due.sort_by_key(|held| (held.record.priority, held.due_at, held.arrival));
        let limit = usize::try_from(max_messages).unwrap_or(usize::MAX);
        let due: Vec<MessageId> = due.into_iter().take(limit).map(|held| held.record.id).collect();
        due.into_iter().map(|id| self.start_attempt(id, lease, max_recipients, now)).collect()
    }

    fn start_attempt(
        &mut self,
        id: MessageId,
        lease: &Lease,
        max_recipients: u32,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        self.attempts += 1;
        let attempt = AttemptId(self.attempts);
        let key = self.lane_mut(lease.lane)?.key.clone();
        let held = self.message_mut(id)?;
        let pending = held.recipients.iter().enumerate().filter(|(_, it)| it.state == RecipientState::Pending);
        let limit = usize::try_from(max_recipients).unwrap_or(usize::MAX);
        let (indices, chosen): (Vec<usize>, Vec<_>) =
            pending.take(limit).map(|(index, recipient)| (index, recipient.address.clone())).unzip();
        held.record.state = MessageState::Sending;
        held.record.attempts += 1;
        held.attempted.clone_from(&indices);
        held.attempts.push(Attempt {
            id: attempt,
            connection: key.connection,
            mailbox: key.mailbox,
            recipients: chosen,
            started_at: now,
            ended_at: None,
            outcomes: Vec::new(),
            explanation: None,
            request_id: None,
        });
        let claim = Claim { attempt, lease: lease.clone(), message: held.shown(), recipients: indices };
        let count = u64::try_from(claim.recipients.len()).unwrap_or(u64::MAX);
        *self.hours.entry((lease.lane, hour(now))).or_default() += count;
        self.news.push(Change::Message(id));
        Ok(claim)
    }

    pub(super) fn finish_attempt(
        &mut self,
        claim: &Claim,
        report: AttemptReport,
        now: Timestamp,
    ) -> Result<MessageState, StoreError> {
        let id = claim.message.id;
        let held = self.message_mut(id)?;
        let is_latest = held.attempts.last().is_some_and(|attempt| attempt.id == claim.attempt);
        let attempt = held.attempts.iter_mut().find(|attempt| attempt.id == claim.attempt);
        let attempt = attempt.ok_or_else(|| StoreError::NotFound { what: format!("attempt {}", claim.attempt.0) })?;
        if attempt.ended_at.is_some() {
            return Err(StoreError::Conflict { reason: "the attempt has ended already".into() });
        }
        if held.record.state != MessageState::Sending || !is_latest {
            return Err(StoreError::LeaseLost);
        }
        if report.outcomes.len() != attempt.recipients.len() {
            return Err(StoreError::Conflict { reason: "an outcome for each recipient, please".into() });
        }
        attempt.ended_at = Some(now);
        attempt.outcomes.clone_from(&report.outcomes);
        attempt.explanation.clone_from(&report.explanation);
        attempt.request_id = report.request_id;
        for (index, outcome) in held.attempted.iter().zip(&report.outcomes) {
            let Some(recipient) = held.recipients.get_mut(*index) else { continue };
            recipient.state = outcome.state();
            recipient.status = None;
            match outcome {
                RecipientOutcome::Refused(status) => recipient.status = Some(*status),
                RecipientOutcome::Uncertain => {
                    held.record.may_be_duplicated = true;
                    if report.retry_uncertain {
                        recipient.state = RecipientState::Pending;
                    }
                }
                RecipientOutcome::Accepted | RecipientOutcome::Deferred => {}
            }
        }
        let state = MessageState::after_attempt(held.recipients.iter().map(|recipient| recipient.state));
        held.record.state = state;
        held.due_at = report.due_at;
        if state == MessageState::Sent {
            held.record.last_error = None;
        } else if report.explanation.is_some() {
            held.record.last_error = report.explanation;
        }
        match state {
            MessageState::Sent => self.remember(now, Happened::Sent),
            MessageState::Failed => self.remember(now, Happened::Failed),
            _ => {}
        }
        self.announce(id);
        Ok(state)
    }
}
