//! The rest a lane takes when its upstream asks for one, or cannot work before an administrator acts.
//!
//! Invariant: a rest is known to the lane, and on disk, before the message that caused it can be claimed again. So
//! neither the lane's other attempts nor a restart break a promise made to the upstream. Answers that arrive together are
//! taken in one after the other, each with what the one before it has made durable.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use store::{Explanation, LaneId, LanePause, Store, StoreError};

use crate::failover::{breaks, mark};
use crate::pacing::USED_UP;
use crate::retry::after;
use crate::{LaneVerdict, Limits};

#[derive(Debug)]
pub(crate) struct Rest {
    lane: LaneId,
    /// Held from a decision until it is durable, so that the next one knows of it. Nothing is waited for meanwhile but
    /// the store.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pause: Option<LanePause>,
    /// Failures that asked for a rest, without an accepted attempt between.
    failures: u32,
    /// Rests in a row, each of which may have several failures.
    rests: u32,
    /// The end of the last of these. No attempt begins before it, so one that began earlier tells of the same trouble.
    counted_until: Option<Timestamp>,
    /// Mail takes a fallback while it rests, and one attempt at a time after that, until one is accepted.
    is_broken: bool,
    /// The pause is a wait for a budget that mail takes a fallback for. Nothing is broken: what has room still goes.
    waits_for_long: bool,
}

impl Rest {
    pub(crate) fn new(lane: LaneId, pause: Option<LanePause>, is_broken: bool) -> Self {
        let state = State { pause, is_broken, ..State::default() };
        Self { lane, turn: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// When the rest ends; `None`: the lane works, as far as its budgets go.
    pub(crate) fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.state();
        let rest = state.pause.as_ref().filter(|pause| !is_for_budget(pause));
        rest.map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Lets everybody see what the lane waits for. It may still send what its budgets have room for. `is_for_long`: mail
    /// should take a fallback.
    pub(crate) async fn show_budget(
        &self,
        store: &dyn Store,
        until: Timestamp,
        explanation: Explanation,
        is_for_long: bool,
        now: Timestamp,
    ) {
        let _turn = self.turn.lock().await;
        {
            let mut state = self.state();
            if let Some(shown) = state.pause.as_ref().filter(|pause| pause.until > now) {
                let is_rest = !is_for_budget(shown);
                if is_rest || shown.until >= until {
                    // Shown perhaps before a restart, which does not know for how long mail would wait.
                    state.waits_for_long |= is_for_long && !is_rest;
                    return;
                }
            }
        }
        tracing::info!(event = "lane_waits_for_budget", lane = self.lane.0, %until, what = explanation.what);
        self.change(store, Some(LanePause { until, explanation, needs_administrator: false })).await;
        self.state().waits_for_long = is_for_long;
    }

    /// The settings changed, and with them perhaps the budgets.
    pub(crate) async fn forget_budget(&self, store: &dyn Store) {
        let _turn = self.turn.lock().await;
        if self.state().pause.as_ref().is_some_and(is_for_budget) {
            self.change(store, None).await;
        }
    }

    /// The rest of a broken lane, or a long wait for a budget, while it lasts. Before its probe a broken lane may wait for
    /// a budget like any other.
    pub(crate) fn broken(&self, now: Timestamp) -> Option<LanePause> {
        let state = self.state();
        let is_reason = |pause: &LanePause| if is_for_budget(pause) { state.waits_for_long } else { state.is_broken };
        state.pause.clone().filter(|pause| pause.until > now && is_reason(pause))
    }

    /// Attempts under way at once: after a broken lane's rest a single one, the probe.
    pub(crate) fn in_flight(&self, most: u32) -> u32 {
        if self.state().is_broken { most.min(1) } else { most }
    }

    /// Takes over what the store says, which an administrator or a change of settings may have changed.
    pub(crate) async fn read_again(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let pause = store.lane(self.lane).await?.pause;
        self.state().take_over(pause);
        Ok(())
    }

    /// It waits for an administrator.
    pub(crate) fn needs_administrator(&self) -> bool {
        self.state().pause.as_ref().is_some_and(|pause| pause.needs_administrator)
    }

    /// Ends it, whatever it was for.
    pub(crate) async fn give_up(&self, store: &dyn Store) {
        let _turn = self.turn.lock().await;
        self.change(store, None).await;
    }

    /// Draws the consequence of an attempt, which `began` then and was answered `now`, for the lane.
    pub(crate) async fn take_in(
        &self,
        store: &dyn Store,
        limits: &Limits,
        verdict: LaneVerdict,
        explanation: Option<&Explanation>,
        (began, now): (Timestamp, Timestamp),
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
        self.begin(store, verdict, wait, explanation.cloned().unwrap_or_default(), (began, now)).await;
    }

    /// Rests at least that long, for something that `began` then; a longer rest that is under way stays.
    pub(crate) async fn begin(
        &self,
        store: &dyn Store,
        verdict: LaneVerdict,
        wait: Duration,
        explanation: Explanation,
        (began, now): (Timestamp, Timestamp),
    ) {
        let _turn = self.turn.lock().await;
        let until = after(now, wait);
        let (is_longer, has_broken) = self.note_failure(verdict, wait, (began, now));
        if has_broken {
            mark(store, self.lane, Some(now)).await;
        }
        if !is_longer {
            return;
        }
        let needs_administrator = verdict == LaneVerdict::NeedsAdministrator;
        tracing::warn!(
            event = "lane_paused", lane = self.lane.0, %until, needs_administrator,
            what = explanation.what, code = explanation.code, fix = explanation.fix
        );
        self.change(store, Some(LanePause { until, explanation, needs_administrator })).await;
    }

    /// Whether this rest is longer than the one under way, and whether the lane has broken by it.
    fn note_failure(&self, verdict: LaneVerdict, wait: Duration, (began, now): (Timestamp, Timestamp)) -> (bool, bool) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let rest = state.pause.as_ref().filter(|pause| !is_for_budget(pause));
        let under_way = rest.map(|pause| pause.until).filter(|until| *until > now);
        if state.counted_until.is_none_or(|until| until <= began) {
            state.rests = state.rests.saturating_add(1);
            state.counted_until = under_way.max(Some(after(now, wait)));
        }
        let has_broken = !state.is_broken && breaks(verdict, wait, state.rests);
        state.is_broken |= has_broken;
        (under_way.is_none_or(|until| until < after(now, wait)), has_broken)
    }

    /// The upstream works again. A rest that is still under way stays: the attempt that succeeded was started before the
    /// one that was told to wait. A wait for a budget says nothing of the upstream, and is shown until it is over.
    async fn end(&self, store: &dyn Store, now: Timestamp) {
        let _turn = self.turn.lock().await;
        let (is_over, was_broken) = {
            let mut state = self.state();
            let under_way = state.pause.as_ref().filter(|pause| pause.until > now);
            if under_way.is_some_and(|pause| !is_for_budget(pause)) {
                return;
            }
            let is_over = state.pause.is_some() && under_way.is_none();
            (state.failures, state.rests, state.counted_until) = (0, 0, None);
            (is_over, std::mem::take(&mut state.is_broken))
        };
        if was_broken {
            mark(store, self.lane, None).await;
        }
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
        self.state().take_over(pause);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a plain assignment: a panic elsewhere cannot leave it half made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_over(&mut self, pause: Option<LanePause>) {
        if pause.is_none() {
            // It may have ended before its time: what begins from now on tells of new trouble.
            self.counted_until = None;
        }
        self.waits_for_long &= pause.as_ref().is_some_and(is_for_budget);
        self.pause = pause;
    }
}

/// Nobody asked for it: the lane keeps a limit before it is enforced.
fn is_for_budget(pause: &LanePause) -> bool {
    pause.explanation.code.as_deref() == Some(USED_UP)
}

#[cfg(test)]
mod tests;
