//! The rest a lane takes when its upstream asks for one, or cannot work before an administrator acts.
//!
//! Invariant: a rest is known to the lane, and on disk, before the message that caused it can be claimed again. So
//! neither the lane's other attempts nor a restart break a promise made to the upstream.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use store::{Explanation, LaneId, LanePause, Store, StoreError};

use crate::retry::after;
use crate::{LaneVerdict, Limits};

#[derive(Debug)]
pub(crate) struct Rest {
    lane: LaneId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pause: Option<LanePause>,
    /// Rests in a row without an accepted attempt between.
    failures: u32,
    /// Grows with every change made here, after the store has it.
    generation: u64,
}

impl Rest {
    pub(crate) fn new(lane: LaneId, pause: Option<LanePause>) -> Self {
        Self { lane, state: Mutex::new(State { pause, ..State::default() }) }
    }

    /// When the rest ends; `None`: the lane works.
    pub(crate) fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.state().pause.as_ref().map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Takes over what the store says, which an administrator or a change of settings may have changed.
    pub(crate) async fn read_again(&self, store: &dyn Store) -> Result<(), StoreError> {
        let before = self.state().generation;
        let pause = store.lane(self.lane).await?.pause;
        let mut state = self.state();
        if state.generation == before {
            state.pause = pause;
        }
        Ok(())
    }

    /// It waits for an administrator.
    pub(crate) fn needs_administrator(&self) -> bool {
        self.state().pause.as_ref().is_some_and(|pause| pause.needs_administrator)
    }

    /// Ends it, whatever it was for.
    pub(crate) async fn give_up(&self, store: &dyn Store) {
        self.change(store, None).await;
    }

    /// Draws the consequence of an attempt for the lane.
    pub(crate) async fn take_in(
        &self,
        store: &dyn Store,
        limits: &Limits,
        verdict: LaneVerdict,
        explanation: Option<&Explanation>,
        now: Timestamp,
    ) {
        let wait = match verdict {
            LaneVerdict::Go => return self.end(store, now).await,
            LaneVerdict::MessageOnly => return,
            LaneVerdict::Throttled(Some(wait)) => wait,
            LaneVerdict::Throttled(None) => {
                limits.lane_backoff.wait(self.state().failures.saturating_add(1), rand::random::<f64>())
            }
            LaneVerdict::QuotaUsedUp(wait) => wait.unwrap_or(limits.quota_rest),
            LaneVerdict::NeedsAdministrator => limits.configuration_rest,
        };
        let needs_administrator = verdict == LaneVerdict::NeedsAdministrator;
        self.begin(store, wait, explanation.cloned().unwrap_or_default(), needs_administrator, now).await;
    }

    /// Rests at least that long; a longer rest that is under way stays.
    pub(crate) async fn begin(
        &self,
        store: &dyn Store,
        wait: Duration,
        explanation: Explanation,
        needs_administrator: bool,
        now: Timestamp,
    ) {
        let until = after(now, wait);
        {
            let mut state = self.state();
            state.failures = state.failures.saturating_add(1);
            if state.pause.as_ref().is_some_and(|pause| pause.until >= until) {
                return;
            }
        }
        tracing::warn!(
            event = "lane_paused", lane = self.lane.0, %until, needs_administrator,
            what = explanation.what, code = explanation.code, fix = explanation.fix
        );
        self.change(store, Some(LanePause { until, explanation, needs_administrator })).await;
    }

    /// The upstream works again. A rest that is still under way stays: the attempt that succeeded was started before the
    /// one that was told to wait.
    async fn end(&self, store: &dyn Store, now: Timestamp) {
        let is_over = {
            let mut state = self.state();
            if state.pause.as_ref().is_some_and(|pause| pause.until > now) {
                return;
            }
            state.failures = 0;
            state.pause.is_some()
        };
        if is_over {
            self.change(store, None).await;
        }
    }

    /// The store first: whoever reads it between the two sees what is about to hold, not what held before.
    async fn change(&self, store: &dyn Store, pause: Option<LanePause>) {
        if let Err(error) = store.pause_lane(self.lane, pause.clone()).await {
            // This process keeps to it all the same; only a restart would not.
            tracing::error!(event = "lane_pause_not_stored", lane = self.lane.0, %error);
        }
        let mut state = self.state();
        state.pause = pause;
        state.generation += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a plain assignment: a panic elsewhere cannot leave it half made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
