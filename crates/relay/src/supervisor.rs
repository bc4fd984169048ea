//! The relay as a whole: starts a task for each lane that has work and wakes it when there is news.

use std::collections::HashMap;
use std::sync::Arc;

use settings::ConnectionId;
use store::{Change, Lane, LaneId, Store, StoreError};
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::attempt::Deliverer;
use crate::failover::broken_lanes;
use crate::housekeeping::Housekeeping;
use crate::lane::{LaneTask, has_work};
use crate::pacing::Pacing;
use crate::uncertain::{note_cut_off, retry_uncertain};
use crate::{RelayConfig, Upstreams};

/// The way out of one process.
#[derive(Debug)]
pub struct Relay;

/// A running relay. Dropping it does not stop it; [`Running::shutdown`] does.
#[derive(Debug)]
pub struct Running {
    stop: CancellationToken,
    supervisor: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
}

impl Relay {
    /// Starts delivering. Returns once the lanes that have work are started.
    pub async fn start(
        store: Arc<dyn Store>,
        upstreams: Arc<dyn Upstreams>,
        config: RelayConfig,
    ) -> Result<Running, StoreError> {
        let stop = CancellationToken::new();
        let news = store.subscribe();
        let deliverer = Deliverer {
            store: Arc::clone(&store),
            upstreams: Arc::clone(&upstreams),
            limits: config.limits.clone(),
            clock: Arc::clone(&config.clock),
        };
        let slots = usize::try_from(config.limits.in_flight).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let mut supervisor = Supervisor {
            pacing: Arc::new(Pacing::new(
                Arc::clone(&store),
                Arc::clone(&config.clock),
                config.limits.in_flight_per_application,
            )),
            config: config.clone(),
            deliverer,
            slots: Arc::new(Semaphore::new(slots)),
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
            task_lanes: HashMap::new(),
            settings_version: None,
            stop: stop.clone(),
        };
        note_cut_off(&supervisor.deliverer).await?;
        supervisor.look_at_everything().await?;
        let housekeeping = Housekeeping { store, upstreams, config, stop: stop.clone() };
        Ok(Running {
            stop,
            supervisor: tokio::spawn(supervisor.run(news)),
            housekeeping: tokio::spawn(housekeeping.run()),
        })
    }
}

impl Running {
    /// Claims nothing more, waits for the attempts under way as long as `[limits] shutdown` allows, then ends.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for task in [self.supervisor, self.housekeeping] {
            if let Err(error) = task.await {
                tracing::error!(event = "relay_task_crashed", %error);
            }
        }
    }
}

impl Running {
    /// Ends at once, as a crash would: attempts under way are left without an end, to be found uncertain.
    pub async fn abort(self) {
        for task in [self.supervisor, self.housekeeping] {
            task.abort();
            let _cancelled = task.await;
        }
    }
}

struct Supervisor {
    config: RelayConfig,
    deliverer: Deliverer,
    pacing: Arc<Pacing>,
    slots: Arc<Semaphore>,
    /// Lanes with a running task.
    lanes: HashMap<LaneId, Arc<Notify>>,
    tasks: JoinSet<()>,
    task_lanes: HashMap<Id, LaneId>,
    /// The settings that the lanes know.
    settings_version: Option<u64>,
    stop: CancellationToken,
}

impl Supervisor {
    async fn run(mut self, mut news: broadcast::Receiver<Change>) {
        loop {
            tokio::select! {
                change = news.recv() => match change {
                    Ok(change) => self.take_in(change).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => self.take_in(Change::Everything).await,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                Some(end) = self.tasks.join_next_with_id() => self.lane_ended(end),
                () = self.stop.cancelled() => break,
            }
        }
        let limit = self.config.limits.shutdown;
        if tokio::time::timeout(limit, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!(event = "attempts_cut_off", seconds = limit.as_secs(), lanes = self.tasks.len());
            self.tasks.shutdown().await;
        }
    }

    async fn take_in(&mut self, change: Change) {
        match change {
            Change::Lane(lane) => self.wake(lane),
            Change::Message(_) | Change::Outcomes => {}
            Change::Grant(connection) => {
                self.deliverer.upstreams.notice_sign_ins().await;
                complain(self.try_again_on(&connection).await);
            }
            Change::Settings { .. } | Change::Everything => {
                // Another process may have signed somebody in; what it announced is not heard here.
                for connection in self.deliverer.upstreams.notice_sign_ins().await {
                    complain(self.try_again_on(&connection).await);
                }
                complain(self.look_at_everything().await);
            }
        }
    }

    /// Settings changed, news were missed, or the process just started: every lane gets a fresh look.
    async fn look_at_everything(&mut self) -> Result<(), StoreError> {
        let lanes = self.deliverer.store.lanes_with_work().await?;
        self.end_rests_of_old_settings(&lanes).await?;
        retry_uncertain(&self.deliverer, None).await?;
        for lane in lanes.iter().filter(|lane| has_work(lane)) {
            self.wake(lane.id);
        }
        let running: Vec<LaneId> = self.lanes.keys().copied().collect();
        running.into_iter().for_each(|lane| self.wake(lane));
        Ok(())
    }

    /// A lane that rests until an administrator acts is let go when the settings are other ones than it rested for.
    async fn end_rests_of_old_settings(&mut self, lanes: &[Lane]) -> Result<(), StoreError> {
        let version = self.deliverer.store.settings().borrow().version;
        if self.settings_version == Some(version) {
            return Ok(());
        }
        for lane in lanes.iter().chain(&self.emptied_lanes(lanes).await?).filter(|lane| needs_administrator(lane)) {
            self.deliverer.store.pause_lane(lane.id, None).await?;
        }
        self.settings_version = Some(version);
        Ok(())
    }

    /// Broken lanes all of whose mail has taken a fallback.
    async fn emptied_lanes(&self, with_work: &[Lane]) -> Result<Vec<Lane>, StoreError> {
        let mut emptied = Vec::new();
        for id in broken_lanes(&*self.deliverer.store).await? {
            if with_work.iter().all(|lane| lane.id != id) {
                emptied.push(self.deliverer.store.lane(id).await?);
            }
        }
        Ok(emptied)
    }

    /// Somebody signed in for this connection (or its grant ended, which its lanes find out by themselves).
    async fn try_again_on(&mut self, connection: &ConnectionId) -> Result<(), StoreError> {
        if self.deliverer.store.grant(connection).await?.is_none_or(|grant| grant.dead.is_some()) {
            return Ok(());
        }
        let lanes = self.deliverer.store.lanes_with_work().await?;
        let emptied = self.emptied_lanes(&lanes).await?;
        for lane in lanes.iter().chain(&emptied).filter(|lane| lane.key.connection == *connection) {
            if needs_administrator(lane) {
                self.deliverer.store.pause_lane(lane.id, None).await?;
            }
            self.wake(lane.id);
        }
        Ok(())
    }

    /// Wakes the lane's task, starting it if there is none.
    fn wake(&mut self, lane: LaneId) {
        if let Some(wake) = self.lanes.get(&lane) {
            wake.notify_one();
            return;
        }
        if self.stop.is_cancelled() {
            return;
        }
        let wake = Arc::new(Notify::new());
        let task = LaneTask {
            id: lane,
            node: self.config.node.clone(),
            deliverer: self.deliverer.clone(),
            pacing: Arc::clone(&self.pacing),
            slots: Arc::clone(&self.slots),
            wake: Arc::clone(&wake),
            stop: self.stop.clone(),
        };
        let handle = self.tasks.spawn(task.run());
        self.task_lanes.insert(handle.id(), lane);
        self.lanes.insert(lane, wake);
    }

    /// A lane that was woken while it was ending is started again, so that no news is lost between the two.
    fn lane_ended(&mut self, end: Result<(Id, ()), tokio::task::JoinError>) {
        let (task, crash) = match end {
            Ok((task, ())) => (task, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some(lane) = self.task_lanes.remove(&task) else { return };
        let woken = self.lanes.remove(&lane).is_some_and(|wake| was_woken(&wake));
        if let Some(error) = &crash {
            tracing::error!(event = "lane_crashed", lane = lane.0, %error);
        }
        if woken || crash.is_some() {
            self.wake(lane);
        }
    }
}

fn needs_administrator(lane: &Lane) -> bool {
    lane.pause.as_ref().is_some_and(|pause| pause.needs_administrator)
}

fn complain(looked: Result<(), StoreError>) {
    if let Err(error) = looked {
        tracing::error!(event = "lanes_not_read", %error);
    }
}

fn was_woken(wake: &Notify) -> bool {
    let notified = std::pin::pin!(wake.notified());
    futures_util::FutureExt::now_or_never(notified).is_some()
}
