//! What somebody may want to be told, and bounces.

use jiff::Timestamp;
use mail::{Address, EnhancedStatus, MessageId};

use super::{State, by_the_system, count};
use crate::{Change, Explanation, MessageState, Outcome, OutcomeKind, RecipientState, StoreError};

impl State {
    pub(super) fn tell(&mut self, message: MessageId, kind: OutcomeKind, at: Timestamp) {
        self.newest_outcome += 1;
        self.outcomes.push(Outcome { number: self.newest_outcome, message, kind, at });
        self.news.push(Change::Outcomes);
    }

    pub(super) fn outcomes(&self, after: u64, limit: u32) -> Vec<Outcome> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.outcomes.iter().filter(|outcome| outcome.number > after).take(limit).cloned().collect()
    }

    pub(super) fn purge_outcomes(&mut self, up_to: u64) -> u64 {
        let all = count(&self.outcomes);
        self.outcomes.retain(|outcome| outcome.number > up_to);
        all - count(&self.outcomes)
    }

    pub(super) fn note_delayed(&mut self, due_before: Timestamp, limit: u32, now: Timestamp) -> u64 {
        let waits_long = |held: &super::Held| {
            let record = &held.record;
            record.state == MessageState::Queued && held.starts_at < due_before && !self.noted.contains(&record.id)
        };
        let delayed = self.ids(waits_long, limit);
        for id in &delayed {
            self.noted.insert(*id);
            self.tell(*id, OutcomeKind::Delayed, now);
        }
        count(&delayed)
    }

    pub(super) fn mark_bounced(
        &mut self,
        id: MessageId,
        recipient: &Address,
        status: Option<EnhancedStatus>,
        explanation: Explanation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = self.message_mut(id)?;
        let mut known = held.recipients.iter_mut().filter(|known| known.address == *recipient);
        let Some(known) = known.find(|known| matches!(known.state, RecipientState::Sent | RecipientState::Bounced))
        else {
            return Ok(false);
        };
        if known.state == RecipientState::Bounced {
            return Ok(true);
        }
        (known.state, known.status) = (RecipientState::Bounced, status);
        held.record.bounced = true;
        held.events.push(by_the_system(now, "bounced", Some(explanation.what.clone())));
        held.record.last_error = Some(explanation);
        self.tell(id, OutcomeKind::Bounced, now);
        self.announce(id);
        Ok(true)
    }
}
