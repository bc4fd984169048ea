//! A budget of 24 hours that outlives the process: the recipients of a mailbox, the external recipients of a tenant.
//!
//! Promise: over restarts, too, no 24 hours hold more than the limit. What an attempt may use is charged in the store before
//! its first byte leaves, a block ahead, so that not every attempt costs a write; what is left of a block at the end of its
//! hour, or when the process dies, counts as used.
//!
//! Left to others: processes that send from the same mailbox at the same time. Each counts what it does itself, and what
//! others had done when it began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use store::{Priority, Store, StoreError};
use tokio::sync::{Mutex as Gate, watch};

use super::budget::Budget;
use crate::retry::after;

pub(super) const DAY: Duration = Duration::from_hours(24);
const MICROSECONDS_PER_HOUR: i64 = 3_600_000_000;

/// The hour in which 24 hours ago lies, and one for what ended late.
const HOURS_BACK: i64 = 25;

/// How long after the end of its hour an attempt may still have been under way when its process died.
const LATE: Duration = Duration::from_mins(10);

/// When to look again if all that there is is held by what is under way.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// A block is this part of the limit.
const BLOCK_PART: u64 = 100;

#[derive(Debug)]
pub(super) struct Day {
    /// What the store knows it by.
    key: String,
    state: Mutex<State>,
    /// Held from the look at what there is room for until that is taken, by all who share the mailbox.
    pub(super) gate: Arc<Gate<()>>,
    /// There may be room again.
    pub(super) news: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    /// `None`: not limited, and not counted.
    budget: Option<Budget>,
    block: Block,
    promised: Promised,
}

/// Charged and not used yet, in that hour.
#[derive(Debug, Default)]
struct Block {
    hour: i64,
    left: u64,
}

/// Room that messages were told to come back for, so that they do not all come back for the first of it.
#[derive(Debug, Default)]
struct Promised {
    amount: u64,
    from: Option<Timestamp>,
}

impl Day {
    /// With what was charged in the last 24 hours.
    pub(super) async fn load(
        store: &dyn Store,
        key: String,
        limit: Option<u32>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut budget = limit.map(|limit| Budget::new(u64::from(limit), DAY));
        if let Some(budget) = &mut budget {
            for (used_by, charged) in charged_by_hour(store, &key, now).await? {
                budget.assume(charged, used_by.min(now));
            }
        }
        let state = State { budget, block: Block::default(), promised: Promised::default() };
        Ok(Self { key, state: Mutex::new(state), gate: Arc::default(), news: watch::Sender::new(()) })
    }

    /// A limit that is new counts from now on; whether anything changed.
    pub(super) fn change_limit(&self, limit: Option<u32>) {
        let mut state = self.state();
        match (&mut state.budget, limit) {
            (Some(budget), Some(limit)) => budget.change_limit(u64::from(limit)),
            (budget, limit) => *budget = limit.map(|limit| Budget::new(u64::from(limit), DAY)),
        }
        drop(state);
        self.news.send_replace(());
    }

    /// `None`: no limit.
    pub(super) fn room(&self, priority: Priority, now: Timestamp) -> Option<u64> {
        self.state().budget.as_mut().map(|budget| budget.room(priority, now))
    }

    /// When there is room for one more; `None`: not before something under way has ended.
    pub(super) fn room_at(&self, priority: Priority, now: Timestamp) -> Option<Timestamp> {
        self.state().budget.as_mut().map_or(Some(now), |budget| budget.room_at(1, priority, now))
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.state().budget.as_ref().map(Budget::limit)
    }

    /// Holds that much, if there is room for it, or says when to come back.
    pub(super) fn take(&self, amount: u64, priority: Priority, now: Timestamp) -> Result<(), Option<Timestamp>> {
        let mut state = self.state();
        let State { budget: Some(budget), promised, .. } = &mut *state else { return Ok(()) };
        if budget.has_room(amount, priority, now) {
            budget.hold(amount);
            return Ok(());
        }
        if promised.from.is_none_or(|from| from <= now) {
            *promised = Promised::default();
        }
        promised.amount = promised.amount.saturating_add(amount);
        let until = budget.room_at(promised.amount, priority, now);
        promised.from = promised.from.or(until);
        Err(until)
    }

    /// The same where the room was looked for before.
    pub(super) fn hold(&self, amount: u64) {
        if let Some(budget) = &mut self.state().budget {
            budget.hold(amount);
        }
    }

    /// Has the store remember what was taken. A store that fails is told to the log: this process keeps to it all the same.
    pub(super) async fn charge(&self, store: &dyn Store, amount: u64, now: Timestamp) {
        let Some(block) = self.next_block(amount, now) else { return };
        if let Err(error) = store.charge(&self.key, block, now).await {
            tracing::error!(event = "budget_not_stored", budget = self.key, amount = block, %error);
        }
    }

    /// Takes the amount out of the block; `Some`: a new block must be charged first.
    fn next_block(&self, amount: u64, now: Timestamp) -> Option<u64> {
        let mut state = self.state();
        let limit = state.budget.as_ref()?.limit();
        if amount == 0 {
            return None;
        }
        let hour = hour(now);
        if state.block.hour != hour {
            state.block = Block { hour, left: 0 };
        }
        if let Some(left) = state.block.left.checked_sub(amount) {
            state.block.left = left;
            return None;
        }
        let missing = amount.saturating_sub(state.block.left);
        let room = state.budget.as_mut().map_or(0, |budget| budget.room(Priority::High, now));
        let charged = missing.saturating_add((limit / BLOCK_PART).min(room));
        state.block.left = charged.saturating_sub(missing);
        Some(charged)
    }

    /// Of what was held since `since`, so much was used.
    pub(super) fn settle(&self, held: u64, used: u64, since: Timestamp, now: Timestamp) {
        let mut state = self.state();
        if let Some(budget) = &mut state.budget {
            budget.settle(held, used, now);
        }
        // What was charged in an hour that is over cannot be used in this one: it would be forgotten too early.
        if state.block.hour == hour(since) {
            state.block.left = state.block.left.saturating_add(held.saturating_sub(used));
        }
        drop(state);
        self.news.send_replace(());
    }

    pub(super) fn is_unused(&self, now: Timestamp) -> bool {
        self.state().budget.as_mut().is_none_or(|budget| budget.is_unused(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was charged in each hour, oldest first, and when the last of it can have been used.
async fn charged_by_hour(store: &dyn Store, key: &str, now: Timestamp) -> Result<Vec<(Timestamp, u64)>, StoreError> {
    let this_hour = hour(now);
    let oldest = this_hour.saturating_sub(HOURS_BACK);
    let mut newer = store.charged(key, start_of(oldest)).await?;
    let mut charged = Vec::new();
    for hour in oldest..=this_hour {
        if newer == 0 {
            break;
        }
        let next = start_of(hour.saturating_add(1));
        let later = if hour == this_hour { 0 } else { store.charged(key, next).await? };
        charged.push((after(next, LATE), newer.saturating_sub(later)));
        newer = later;
    }
    Ok(charged)
}

fn hour(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(MICROSECONDS_PER_HOUR)
}

fn start_of(hour: i64) -> Timestamp {
    Timestamp::from_microsecond(hour.saturating_mul(MICROSECONDS_PER_HOUR)).unwrap_or(Timestamp::MAX)
}
