//! Starts what this crate does, and ends it.

use std::sync::Arc;

use store::{Change, Store, StoreError};
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::TellingConfig;
use crate::alarms::Alarms;
use crate::bounces::Bounces;
use crate::delays::note_delayed;
use crate::forget::forget_outcomes;
use crate::letters::IdSource;
use crate::reports::Reports;
use crate::webhooks::Webhooks;

/// What the parts share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: TellingConfig,
    pub(crate) ids: Arc<IdSource>,
    /// Alarms were raised or cleared.
    pub(crate) alarm_news: Arc<watch::Sender<()>>,
    pub(crate) stop: CancellationToken,
}

impl Shared {
    pub(crate) fn now(&self) -> jiff::Timestamp {
        (self.config.clock)()
    }

    /// Waits; `false`: it is time to stop.
    pub(crate) async fn pause(&self, wait: std::time::Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

#[derive(Debug)]
pub struct Telling;

/// A running [`Telling`]. Dropping it does not stop it; [`Running::shutdown`] does.
#[derive(Debug)]
pub struct Running {
    tasks: JoinHandle<()>,
    stop: CancellationToken,
}

impl Telling {
    /// Starts telling. Whatever happens once this returned is told: start it before what makes things happen.
    pub async fn start(store: Arc<dyn Store>, config: TellingConfig) -> Result<Running, StoreError> {
        let stop = CancellationToken::new();
        let shared = Shared {
            store,
            config,
            ids: Arc::default(),
            alarm_news: Arc::new(watch::Sender::new(())),
            stop: stop.clone(),
        };
        let reports = Reports::open(shared.clone()).await?;
        let webhooks = Webhooks::open(shared.clone()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(reports.run());
        tasks.spawn(webhooks.run());
        tasks.spawn(Alarms::new(shared.clone()).run());
        tasks.spawn(Bounces::new(shared.clone()).run());
        tasks.spawn(look_after(shared));
        Ok(Running { tasks: tokio::spawn(watch_over(tasks)), stop })
    }
}

impl Running {
    /// What is on its way is broken off: whoever was being told is told again at the next start.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let _cancelled = self.tasks.await;
    }

    /// Ends at once, as a crash would.
    pub async fn abort(self) {
        self.tasks.abort();
        let _cancelled = self.tasks.await;
    }
}

/// A bug in one of them ends that one, is said at once, and leaves the others at work.
async fn watch_over(mut tasks: JoinSet<()>) {
    while let Some(end) = tasks.join_next().await {
        if let Err(error) = end {
            tracing::error!(event = "telling_task_crashed", %error);
        }
    }
}

/// What time does.
async fn look_after(shared: Shared) {
    loop {
        let done = async {
            note_delayed(&*shared.store, shared.now()).await?;
            forget_outcomes(&*shared.store).await
        };
        if let Err(error) = done.await {
            tracing::error!(event = "telling_housekeeping_failed", %error);
        }
        if !shared.pause(shared.config.limits.look).await {
            return;
        }
    }
}

/// Waits for news that `concerns`; `false`: there will be none any more.
pub(crate) async fn wait_for(news: &mut broadcast::Receiver<Change>, concerns: impl Fn(&Change) -> bool) -> bool {
    loop {
        match news.recv().await {
            Ok(change) if concerns(&change) => return true,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return true,
            Err(broadcast::error::RecvError::Closed) => return false,
        }
    }
}

pub(crate) fn is_outcome(change: &Change) -> bool {
    matches!(change, Change::Outcomes | Change::Everything)
}
