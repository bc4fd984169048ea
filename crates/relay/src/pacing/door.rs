//! What one application may do at one mailbox of one service: attempts at once, requests, octets, messages.
//!
//! Promise: as [`Budget`]'s, for each of them, also over a restart: before more than a hundredth of a limit is used, the store
//! knows a ceiling of what is used, in hundredths. A process that starts takes the ceiling for used, and a hundredth where
//! nothing is written. So a mailbox with little mail costs no writes, one with much costs a hundred in a window, and a
//! process that is started again and again loses a hundredth each time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use store::{Store, StoreError};
use tokio::sync::watch;

use super::budget::Budget;
use super::concurrency::Concurrency;
use super::fit::{Ask, Budgets, Fit, fit};
use super::{Kind, Need, Shortage};
use crate::retry::after;
use crate::{LaneVerdict, Transport};

/// The longest window of a door.
pub(super) const WINDOW: Duration = Duration::from_mins(10);

/// Ceilings grow by this part of the limit.
const STEPS: u64 = 100;

#[derive(Debug)]
pub(super) struct Door {
    /// What the store knows it by.
    key: String,
    state: Mutex<State>,
    /// There may be room again.
    pub(super) news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    concurrency: Concurrency,
    budgets: Budgets,
    ceiling: Option<Ceiling>,
}

/// No more than this is used before `until`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Ceiling {
    until: Timestamp,
    used: BTreeMap<Kind, u64>,
}

/// What limits a door, and over which span.
pub(super) type DoorLimits = Vec<(Kind, u64, Duration)>;

impl Door {
    /// With what an earlier process may have used. `knows_all`: this one has run for so long that it would know.
    pub(super) async fn load(
        store: &dyn Store,
        key: String,
        limits: &DoorLimits,
        knows_all: bool,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut state = State::default();
        state.change_limits(limits);
        if !knows_all {
            let kept = store.kept(&key).await?.and_then(|kept| serde_json::from_value::<Ceiling>(kept).ok());
            let kept = kept.filter(|ceiling| after(ceiling.until, WINDOW) > now);
            for (kind, budget) in &mut state.budgets {
                let used = kept.as_ref().and_then(|ceiling| ceiling.used.get(kind)).copied();
                budget.assume(used.unwrap_or_default().max(budget.limit() / STEPS), now);
            }
        }
        Ok(Self { key, state: Mutex::new(state), news: watch::Sender::new(()) })
    }

    pub(super) fn change_limits(&self, limits: &DoorLimits) {
        self.state().change_limits(limits);
        self.news.send_replace(());
    }

    /// What of `ask` there is room for.
    pub(super) fn look(&self, ask: Ask, transport: &dyn Transport, now: Timestamp) -> Result<Fit, Shortage> {
        let mut state = self.state();
        let State { concurrency, budgets, .. } = &mut *state;
        fit(ask, concurrency, budgets, transport, now)
    }

    /// Holds what an attempt needs, and has the store know a new ceiling if that takes one. A store that fails is told to the
    /// log: this process keeps to its limits all the same.
    pub(super) async fn take(&self, store: &dyn Store, need: &Need, now: Timestamp) {
        let Some(ceiling) = self.hold(need, now) else { return };
        let kept = match serde_json::to_value(&ceiling) {
            Ok(value) => store.keep(&self.key, Some(value)).await,
            Err(error) => Err(StoreError::Unavailable { detail: error.to_string() }),
        };
        if let Err(error) = kept {
            tracing::error!(event = "budget_not_stored", budget = self.key, %error);
        }
    }

    fn hold(&self, need: &Need, now: Timestamp) -> Option<Ceiling> {
        let mut state = self.state();
        state.concurrency.begin(need.is_large);
        for (kind, budget) in &mut state.budgets {
            budget.hold(need.of(*kind));
        }
        let ceiling = state.next_ceiling(now)?;
        state.ceiling = Some(ceiling.clone());
        Some(ceiling)
    }

    /// An attempt has ended.
    pub(super) fn settle(&self, need: &Need, now: Timestamp) {
        let mut state = self.state();
        state.concurrency.end(need.is_large);
        for (kind, budget) in &mut state.budgets {
            budget.settle(need.of(*kind), need.of(*kind), now);
        }
        drop(state);
        self.news.send_replace(());
    }

    pub(super) fn learn(&self, verdict: LaneVerdict, in_flight: u32, started_at: Timestamp, now: Timestamp) {
        match verdict {
            LaneVerdict::Throttled(_) => self.state().concurrency.throttled(in_flight, started_at, now),
            LaneVerdict::Go => self.state().concurrency.accepted(in_flight),
            LaneVerdict::MessageOnly | LaneVerdict::QuotaUsedUp(_) | LaneVerdict::NeedsAdministrator => {}
        }
    }

    pub(super) fn limit(&self, kind: Kind) -> Option<u64> {
        self.state().budgets.get(&kind).map(Budget::limit)
    }

    /// Nothing under way, and nothing in a window that has to be remembered.
    pub(super) fn is_unused(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        state.concurrency.is_idle() && state.budgets.values_mut().all(|budget| budget.is_unused(now))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change_limits(&mut self, limits: &DoorLimits) {
        self.budgets.retain(|kind, _| limits.iter().any(|(limited, ..)| limited == kind));
        for (kind, limit, span) in limits {
            self.budgets.entry(*kind).or_insert_with(|| Budget::new(*limit, *span)).change_limit(*limit);
        }
    }

    /// `Some`: more may be used than the store knows.
    fn next_ceiling(&mut self, now: Timestamp) -> Option<Ceiling> {
        let kept = self.ceiling.as_ref().filter(|ceiling| ceiling.until > now);
        let known =
            |kind: &Kind, step: u64| kept.and_then(|it| it.used.get(kind)).copied().unwrap_or_default().max(step);
        let mut used = BTreeMap::new();
        let mut is_passed = false;
        for (kind, budget) in &mut self.budgets {
            let step = budget.limit() / STEPS;
            let now_used = budget.used(now);
            is_passed |= now_used > known(kind, step);
            // The next full step: an assumed ceiling must not grow by more than that with each restart.
            used.insert(*kind, (now_used / step.max(1)).saturating_add(1).saturating_mul(step.max(1)));
        }
        is_passed.then(|| Ceiling { until: after(now, WINDOW), used })
    }
}
