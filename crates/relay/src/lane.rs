//! One lane's work: claim what is due, keep a few attempts under way, rest when the upstream asks for it.
//!
//! ```text
//!            ┌──────── wake, due time, end of rest ────────┐
//!            ▼                                             │
//!   claim ─► attempts under way ─► outcome ─► go on ───────┤
//!                                      └────► rest ────────┘
//!   nothing waiting for `lane_idle` ─► the task ends
//! ```
//!
//! Invariant: at most one task a lane and process, and it claims only while it holds the lease.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use settings::ConnectionId;
use store::{Claim, Lane, LaneId, Lease, NodeId, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptEnd, Deliverer};
use crate::rest::Rest;
use crate::retry::{after, before};
use crate::uncertain::retry_uncertain;
use crate::{Transport, UpstreamError};

/// How long a lane waits before it asks a failing store again.
const STORE_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct LaneTask {
    pub(crate) id: LaneId,
    pub(crate) node: NodeId,
    pub(crate) deliverer: Deliverer,
    /// Attempts under way at once over all lanes.
    pub(crate) slots: Arc<Semaphore>,
    /// Something about this lane is new: due messages, a changed pause, changed settings.
    pub(crate) wake: Arc<Notify>,
    pub(crate) stop: CancellationToken,
}

/// What the lane knows between two claims.
struct State {
    lease: Lease,
    connection: ConnectionId,
    rest: Arc<Rest>,
    /// When something may be due; `None`: nothing waits.
    look_at: Option<Timestamp>,
    idle_since: Instant,
    under_way: JoinSet<AttemptEnd>,
}

impl LaneTask {
    /// Runs until the lane is idle, the lease is lost or `stop` is called. Attempts under way are always waited for.
    pub(crate) async fn run(self) {
        let mut state = match self.open().await {
            Ok(Some(state)) => state,
            // Another node works on it. Should that node die, its lease runs out within this time.
            Ok(None) => return self.come_back_after(self.deliverer.limits.lease).await,
            Err(error) => {
                tracing::error!(event = "lane_not_opened", lane = self.id.0, %error);
                return self.come_back_after(STORE_RETRY).await;
            }
        };
        if let Err(error) = self.work(&mut state).await {
            tracing::error!(event = "lane_stopped", lane = self.id.0, %error);
            // Also after a lost lease: a process that was suspended takes its lane back, unless another node has it.
            self.come_back_after(STORE_RETRY).await;
        }
        while state.under_way.join_next().await.is_some() {}
    }

    /// Waits, and has the supervisor start the lane again once this task has ended.
    async fn come_back_after(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => self.wake.notify_one(),
            () = self.stop.cancelled() => {}
        }
    }

    async fn open(&self) -> Result<Option<State>, StoreError> {
        let now = self.now();
        let Some(lease) = self.lease(None, now).await? else { return Ok(None) };
        retry_uncertain(&self.deliverer, Some(self.id)).await?;
        let lane = self.deliverer.store.lane(self.id).await?;
        Ok(Some(State {
            lease,
            connection: lane.key.connection,
            rest: Arc::new(Rest::new(self.id, lane.pause)),
            look_at: Some(now),
            idle_since: Instant::now(),
            under_way: JoinSet::new(),
        }))
    }

    async fn work(&self, state: &mut State) -> Result<(), StoreError> {
        loop {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.renew_lease(state).await?;
            self.claim_due(state).await?;
            if state.look_at.is_none()
                && state.under_way.is_empty()
                && state.idle_since.elapsed() >= self.deliverer.limits.lane_idle
            {
                return Ok(());
            }
            self.wait(state).await?;
        }
    }

    /// Claims as much as there is room for and starts the attempts.
    async fn claim_due(&self, state: &mut State) -> Result<(), StoreError> {
        loop {
            let now = self.now();
            if state.look_at.is_none_or(|at| at > now) || state.rest.ends_at(now).is_some() {
                return Ok(());
            }
            let transport = match self.deliverer.upstreams.transport(&state.connection) {
                Ok(transport) => transport,
                Err(error) => {
                    self.rest_unusable(state, error).await;
                    return Ok(());
                }
            };
            let mut permits = self.take_slots(transport.in_flight(), state.under_way.len());
            if permits.is_empty() {
                return Ok(());
            }
            let room = u32::try_from(permits.len()).unwrap_or(u32::MAX);
            let claims = self.deliverer.store.claim(&state.lease, room, transport.max_recipients(), now).await?;
            let exhausted = claims.len() < permits.len();
            for claim in claims {
                self.start(state, &transport, claim, permits.pop());
            }
            if exhausted {
                state.look_at = self.deliverer.store.lane(self.id).await?.next_due;
            }
        }
    }

    fn start(
        &self,
        state: &mut State,
        transport: &Arc<dyn Transport>,
        claim: Claim,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let deliverer = self.deliverer.clone();
        let transport = Arc::clone(transport);
        let rest = Arc::clone(&state.rest);
        state.under_way.spawn(async move {
            let end = deliverer.run(transport, claim, &rest).await;
            drop(permit);
            end
        });
    }

    /// As many slots as the lane has room for and the process has left.
    fn take_slots(&self, in_flight: u32, under_way: usize) -> Vec<OwnedSemaphorePermit> {
        let room = usize::try_from(in_flight).unwrap_or(usize::MAX).saturating_sub(under_way);
        std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok()).take(room).collect()
    }

    /// Waits for the next thing that can change what the lane does.
    async fn wait(&self, state: &mut State) -> Result<(), StoreError> {
        let deadline = self.next_deadline(state);
        let starved = self.is_starved(state);
        tokio::select! {
            Some(end) = state.under_way.join_next() => match end {
                Ok(end) => Self::take_in(state, &end),
                // An attempt whose end is not even recorded is for the lane's next life to find uncertain.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = self.wake.notified() => {
                state.look_at = Some(self.now());
                state.rest.read_again(&*self.deliverer.store).await?;
            }
            // Another lane gave a slot back: hold it no longer than it takes to wake up.
            _ = self.slots.acquire(), if starved => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }

    /// Due work, no rest, and nothing under way of its own whose end would wake it: only a free slot can.
    fn is_starved(&self, state: &State) -> bool {
        let now = self.now();
        state.under_way.is_empty() && state.look_at.is_some_and(|at| at <= now) && state.rest.ends_at(now).is_none()
    }

    fn take_in(state: &mut State, end: &AttemptEnd) {
        state.look_at = [state.look_at, end.due_at].into_iter().flatten().min();
        state.idle_since = Instant::now();
    }

    async fn rest_unusable(&self, state: &State, error: UpstreamError) {
        let wait = self.deliverer.limits.configuration_rest;
        state.rest.begin(&*self.deliverer.store, wait, error.explanation(), true, self.now()).await;
    }

    async fn renew_lease(&self, state: &mut State) -> Result<(), StoreError> {
        let now = self.now();
        if after(now, self.deliverer.limits.lease / 2) < state.lease.until {
            return Ok(());
        }
        state.lease = self.lease(Some(&state.lease), now).await?.ok_or(StoreError::LeaseLost)?;
        Ok(())
    }

    async fn lease(&self, held: Option<&Lease>, now: Timestamp) -> Result<Option<Lease>, StoreError> {
        let until = after(now, self.deliverer.limits.lease);
        self.deliverer.store.lease_lane(self.id, &self.node, held, until, now).await
    }

    /// The earliest of: something due (or the rest's end, when resting), the lease's half, the end of idling.
    fn next_deadline(&self, state: &State) -> Instant {
        let now = self.now();
        let renewal = after(now, Duration::ZERO).max(before(state.lease.until, self.deliverer.limits.lease / 2));
        let rest_ends = state.rest.ends_at(now);
        let due = state.look_at.map(|at| rest_ends.map_or(at, |ends| at.max(ends))).filter(|at| *at > now);
        let earliest = due.map_or(renewal, |due| due.min(renewal));
        let mut wait = earliest.duration_since(now).unsigned_abs();
        if state.look_at.is_none() && state.under_way.is_empty() {
            wait = wait.min(self.deliverer.limits.lane_idle.saturating_sub(state.idle_since.elapsed()));
        }
        Instant::now() + wait
    }

    fn now(&self) -> Timestamp {
        (self.deliverer.clock)()
    }
}

/// A lane as the supervisor starts it.
pub(crate) fn has_work(lane: &Lane) -> bool {
    lane.waiting > 0
}
