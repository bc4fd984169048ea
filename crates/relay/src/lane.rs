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
use store::{Appetite, AttemptReport, Claim, Explanation, Lane, LaneId, Lease, NodeId, RecipientOutcome, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::attempt::{AttemptEnd, Deliverer};
use crate::failover::{self, Failover};
use crate::pacing::{LanePacer, Look, Pacing, Shortage, Taken, Ticket};
use crate::rest::Rest;
use crate::retry::{after, before};
use crate::uncertain::retry_uncertain;
use crate::{LaneVerdict, Transport, UpstreamError};

/// How long a lane waits before it asks a failing store again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// A wait for a budget that people are told of. Shorter ones are the budgets' daily work.
const SHOWN_FROM: Duration = Duration::from_secs(10);

pub(crate) struct LaneTask {
    pub(crate) id: LaneId,
    pub(crate) node: NodeId,
    pub(crate) deliverer: Deliverer,
    pub(crate) pacing: Arc<Pacing>,
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
    failover: Failover,
    pacer: LanePacer,
    /// What is due has no room in the budgets.
    no_room: Option<NoRoom>,
    /// No more may be under way: until something has ended, here or on other lanes.
    is_full: bool,
    /// One that was waited for.
    slot: Option<Slot>,
    /// A claim of several passed something over: a single one may have room.
    one_at_a_time: bool,
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
        let is_broken = failover::is_marked(&*self.deliverer.store, self.id).await?;
        Ok(Some(State {
            lease,
            pacer: self.pacing.of(&lane.key).await?,
            no_room: None,
            is_full: false,
            slot: None,
            one_at_a_time: false,
            connection: lane.key.connection,
            rest: Arc::new(Rest::new(self.id, lane.pause, is_broken)),
            failover: Failover::default(),
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
            state.slot = None;
            let (pause, now) = (state.rest.broken(self.now()), self.now());
            state.failover.move_on(&*self.deliverer.store, self.id, pause, now).await?;
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
        state.is_full = false;
        while self.may_claim(state) {
            let transport = match self.deliverer.upstreams.transport(&state.connection) {
                Ok(transport) => transport,
                Err(error) => {
                    self.rest_unusable(state, error).await;
                    return Ok(());
                }
            };
            if state.pacer.follow_settings(&self.pacing).await? {
                state.rest.forget_budget(&*self.deliverer.store).await;
            }
            if !self.claim_some(state, &transport).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn may_claim(&self, state: &mut State) -> bool {
        let now = self.now();
        state.no_room.take_if(|it| it.until.is_some_and(|until| until <= now));
        let is_due = state.look_at.is_some_and(|at| at <= now);
        is_due && state.no_room.is_none() && state.rest.ends_at(now).is_none()
    }

    /// Claims once what the budgets have room for; whether there may be more.
    async fn claim_some(&self, state: &mut State, transport: &Arc<dyn Transport>) -> Result<bool, StoreError> {
        let now = self.now();
        let most = state.rest.in_flight(transport.in_flight());
        let room = most.saturating_sub(u32::try_from(state.under_way.len()).unwrap_or(u32::MAX));
        let room = if std::mem::take(&mut state.one_at_a_time) { room.min(1) } else { room };
        state.is_full = room == 0;
        if state.is_full {
            return Ok(false);
        }
        let _gate = state.pacer.gate().await;
        let (appetite, rest_at) = match state.pacer.look(room, transport.in_flight(), &**transport, now) {
            Look::Claim { appetite, rest_at, shortage } => {
                self.show(state, shortage).await;
                (appetite, rest_at)
            }
            Look::Wait(shortage) => {
                state.no_room = Some(NoRoom::new(shortage.until, now));
                self.show(state, Some(shortage)).await;
                return Ok(false);
            }
        };
        let mut slots = self.take_slots(state, appetite.messages);
        let messages = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        state.is_full = messages == 0;
        if state.is_full {
            return Ok(false);
        }
        let claims = self.deliverer.store.claim_some(&state.lease, Appetite { messages, ..appetite }, now).await?;
        let exhausted = claims.len() < slots.len();
        let oldest = claims.iter().map(|claim| claim.message.received_at).min();
        for claim in claims {
            match state.pacer.take(&claim, &**transport, now).await {
                Taken::Begin(ticket) => self.start(state, transport, claim, (ticket, slots.pop())),
                Taken::Later(until, why) => self.put_back(&claim, until, why).await,
            }
        }
        if !exhausted {
            if state.pacer.must_know_of_larger(&appetite) {
                // What is older than what was claimed was passed over, unless it is less urgent, or not its account's turn.
                let next_due = self.deliverer.store.lane(self.id).await?.next_due;
                state.pacer.note_passed_over(next_due < oldest && next_due.is_some(), &appetite, now);
            }
            return Ok(true);
        }
        state.look_at = self.deliverer.store.lane(self.id).await?.next_due;
        if state.look_at.is_none_or(|at| at > now) {
            return Ok(false);
        }
        // Something was passed over: it is too large or not urgent enough for the room there is.
        if appetite.messages > 1 {
            state.one_at_a_time = true;
            return Ok(true);
        }
        state.pacer.note_passed_over(true, &appetite, now);
        let until = rest_at.or_else(|| state.under_way.is_empty().then(|| after(now, STORE_RETRY)));
        state.no_room = Some(NoRoom::new(until, now));
        Ok(false)
    }

    /// A wait that is long enough to be wondered at.
    async fn show(&self, state: &State, shortage: Option<Shortage>) {
        let now = self.now();
        if let Some(shortage) = shortage {
            let labels = [("connection", state.connection.to_string()), ("budget", shortage.kind.name().to_owned())];
            metrics::counter!("postern_budget_waits_total", &labels).increment(1);
        }
        let Some((shortage, until)) = shortage.and_then(|it| Some((it, it.until?))) else { return };
        if until < after(now, SHOWN_FROM) {
            return;
        }
        let explanation = state.pacer.explain(shortage);
        state.rest.show_budget(&*self.deliverer.store, until, explanation, shortage.is_for_long(now), now).await;
    }

    /// A claim that nothing was begun for.
    async fn put_back(&self, claim: &Claim, due_at: Timestamp, why: Explanation) {
        let report = AttemptReport {
            outcomes: vec![RecipientOutcome::Deferred; claim.recipients.len()],
            explanation: Some(why),
            request_id: None,
            due_at,
            retry_uncertain: false,
            settles_doubt: false,
        };
        self.deliverer.record(claim, report).await;
    }

    fn start(
        &self,
        state: &mut State,
        transport: &Arc<dyn Transport>,
        claim: Claim,
        (ticket, slot): (Ticket, Option<Slot>),
    ) {
        let deliverer = self.deliverer.clone();
        let transport = Arc::clone(transport);
        let rest = Arc::clone(&state.rest);
        state.under_way.spawn(async move {
            let end = deliverer.run(transport, claim, &rest).await;
            ticket.settle(&end);
            drop(slot);
            end
        });
    }

    /// Up to so many slots, as many as the process and the application have left. No lane takes more than half of all.
    fn take_slots(&self, state: &mut State, most: u32) -> Vec<Slot> {
        let half = (self.deliverer.limits.in_flight / 2).max(1);
        let most = most.min(half.saturating_sub(u32::try_from(state.under_way.len()).unwrap_or(u32::MAX)));
        let mut slots: Vec<Slot> = state.slot.take().into_iter().collect();
        while slots.len() < usize::try_from(most).unwrap_or(usize::MAX) {
            let application = match state.pacer.application().map(|all| Arc::clone(all).try_acquire_owned()) {
                None => None,
                Some(Ok(permit)) => Some(permit),
                Some(Err(_)) => break,
            };
            let Ok(process) = Arc::clone(&self.slots).try_acquire_owned() else { break };
            slots.push(Slot { _process: process, _application: application });
        }
        slots
    }

    /// Waits for the next thing that can change what the lane does.
    async fn wait(&self, state: &mut State) -> Result<(), StoreError> {
        let deadline = self.next_deadline(state);
        // Nothing of its own is under way whose end would wake it: only a free slot can.
        let starved = state.is_full && state.under_way.is_empty();
        let application = state.pacer.application().cloned();
        let has_no_room = state.no_room.is_some();
        tokio::select! {
            Some(end) = state.under_way.join_next() => match end {
                Ok(end) => Self::take_in(state, &end),
                // An attempt whose end is not even recorded is for the lane's next life to find uncertain.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = self.wake.notified() => {
                state.look_at = Some(self.now());
                state.no_room = None;
                state.rest.read_again(&*self.deliverer.store).await?;
            }
            // Kept for the look that follows: of several lanes that wait, the one that is served must not have to ask again.
            slot = self.next_slot(application), if starved => state.slot = slot,
            () = state.pacer.news(), if has_no_room => state.no_room = None,
            () = tokio::time::sleep_until(deadline) => {}
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }

    fn take_in(state: &mut State, end: &AttemptEnd) {
        state.look_at = [state.look_at, end.due_at].into_iter().flatten().min();
        state.idle_since = Instant::now();
        state.no_room = None;
    }

    async fn next_slot(&self, application: Option<Arc<Semaphore>>) -> Option<Slot> {
        // Closed by nobody.
        let application = match application {
            Some(all) => Some(all.acquire_owned().await.ok()?),
            None => None,
        };
        let process = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Slot { _process: process, _application: application })
    }

    async fn rest_unusable(&self, state: &State, error: UpstreamError) {
        let wait = self.deliverer.limits.configuration_rest;
        let (verdict, now) = (LaneVerdict::NeedsAdministrator, self.now());
        state.rest.begin(&*self.deliverer.store, verdict, wait, error.explanation(), (now, now)).await;
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

    /// The earliest of: something due (also since the last look), or the rest's end; the lease's half; the end of idling.
    fn next_deadline(&self, state: &State) -> Instant {
        let now = self.now();
        let renewal = after(now, Duration::ZERO).max(before(state.lease.until, self.deliverer.limits.lease / 2));
        let rest_ends = state.rest.ends_at(now).unwrap_or(now);
        let room_at = state.no_room.as_ref().map_or(Some(now), |it| it.until);
        let due = state.look_at.and_then(|at| Some(at.max(room_at?).max(rest_ends)));
        let due = due.filter(|at| *at > now || !state.is_full);
        let look_again = state.failover.look_again_at().map(|at| at.max(now));
        let earliest = [due, look_again].into_iter().flatten().min().map_or(renewal, |at| at.min(renewal));
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

/// For how long there is none; `None`: until something under way has ended.
struct NoRoom {
    until: Option<Timestamp>,
}

impl NoRoom {
    /// If there should be room already, and is none, it is not asked for without a pause.
    fn new(until: Option<Timestamp>, now: Timestamp) -> Self {
        Self { until: until.map(|at| if at > now { at } else { after(now, STORE_RETRY) }) }
    }
}

/// The right to have one attempt under way, given back when it is dropped.
struct Slot {
    _process: OwnedSemaphorePermit,
    _application: Option<OwnedSemaphorePermit>,
}

/// A lane as the supervisor starts it.
pub(crate) fn has_work(lane: &Lane) -> bool {
    lane.waiting > 0
}
