//! What budgets were charged.

use jiff::Timestamp;

use super::State;
use super::delivery::hour;
use crate::store::HOURS_CHARGED;

impl State {
    pub(super) fn charge(&mut self, budget: &str, amount: u64, now: Timestamp) {
        self.charges.retain(|(then, _), _| *then >= hour(now) - HOURS_CHARGED);
        let charged = self.charges.entry((hour(now), budget.to_owned())).or_default();
        *charged = charged.saturating_add(amount);
    }

    pub(super) fn charged(&self, budget: &str, since: Timestamp) -> u64 {
        let counts = |(then, of): &(i64, String)| *then >= hour(since) && of == budget;
        self.charges.iter().filter(|(key, _)| counts(key)).map(|(_, amount)| *amount).sum()
    }
}
