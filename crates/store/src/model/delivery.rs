//! The model's leases, claims and attempts.

use jiff::Timestamp;
use mail::MessageId;

use super::past::Happened;
use super::{State, by_the_system};
use crate::{
    Appetite, Attempt, AttemptId, AttemptReport, Change, Claim, Explanation, LaneId, Lease, MessageState, NodeId,
    OutcomeKind, RecipientOutcome, RecipientState, StoreError,
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
            self.tell(id, OutcomeKind::Uncertain, now);
            self.announce(id);
        }
    }

    pub(super) fn claim(
        &mut self,
        lease: &Lease,
        appetite: Appetite,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let lane = self.lane_mut(lease.lane)?;
        let is_held = lane.epoch == lease.epoch
            && lane.holder.as_ref().is_some_and(|(node, until)| *node == lease.node && *until > now);
        if !is_held {
            return Err(StoreError::LeaseLost);
        }
        let is_paused = lane.pause.as_ref().is_some_and(|pause| pause.until > now);
        if appetite.recipients == 0 || (is_paused && !appetite.through_pause) {
            return Ok(Vec::new());
        }
        let mut claims = Vec::new();
        for _ in 0..appetite.messages {
            let Some(id) = self.whose_turn_it_is(lease.lane, appetite, now) else { break };
            claims.push(self.start_attempt(id, lease, appetite.recipients, now)?);
        }
        Ok(claims)
    }

    /// The next message to be sent, and notes the turn of its account.
    fn whose_turn_it_is(&mut self, lane: LaneId, appetite: Appetite, now: Timestamp) -> Option<MessageId> {
        let is_due =
            |held: &&super::Held| held.record.lane == Some(lane) && held.shown().due_at.is_some_and(|due| due <= now);
        let mut due: Vec<&super::Held> = self.messages.values().filter(is_due).collect();
        due.sort_by_key(|held| (held.due_at, held.arrival));
        let group = |held: &super::Held| (held.record.priority, held.record.account.clone());
        due.sort_by_key(|held| group(held));
        let of_one_account = due.chunk_by(|one, next| group(one) == group(next));
        let looked_at = of_one_account.flat_map(|due| due.iter().take(Appetite::PASSED_OVER_MAX.into()));
        let is_wanted = |held: &&&super::Held| {
            held.record.size_bytes <= appetite.max_bytes && held.record.priority <= appetite.at_least
        };
        let due: Vec<&&super::Held> = looked_at.filter(is_wanted).collect();
        let priority = due.iter().map(|held| held.record.priority).min()?;
        let last = self.turns.get(&(lane, priority));
        let place = |held: &&&&super::Held| {
            let account = &held.record.account;
            let comes_later_in_the_round = last.is_some_and(|last| account <= last);
            (comes_later_in_the_round, account.clone(), held.due_at, held.arrival)
        };
        let next = due.iter().filter(|held| held.record.priority == priority).min_by_key(place)?;
        let (id, account) = (next.record.id, next.record.account.clone());
        self.turns.insert((lane, priority), account);
        Some(id)
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
        let doubtful = report.outcomes.contains(&RecipientOutcome::Uncertain);
        for (index, outcome) in held.attempted.iter().zip(&report.outcomes) {
            let Some(recipient) = held.recipients.get_mut(*index) else { continue };
            recipient.state = outcome.state();
            recipient.status = None;
            match outcome {
                RecipientOutcome::Refused(status) => recipient.status = Some(*status),
                RecipientOutcome::Uncertain if report.retry_uncertain => recipient.state = RecipientState::Pending,
                RecipientOutcome::Uncertain | RecipientOutcome::Accepted | RecipientOutcome::Deferred => {}
            }
        }
        held.record.may_be_duplicated = (held.record.may_be_duplicated && !report.settles_doubt) || doubtful;
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
        if let Some(kind) = OutcomeKind::of_attempt(state) {
            self.tell(id, kind, now);
        }
        self.announce(id);
        Ok(state)
    }
}
