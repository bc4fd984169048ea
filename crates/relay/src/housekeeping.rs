//! What time does: waiting messages expire, settled ones are forgotten after their retention, and what users granted is
//! kept from ending of disuse. In between, a testing environment's switch is watched.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use settings::Settings;
use store::{MessageState, Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::attempt::lifetime_over;
use crate::leftovers::clear_away;
use crate::testing::hold_if_switched_on;
use crate::{RelayConfig, Upstreams};

/// Messages moved in one transaction: small enough that deliveries do not notice.
const BATCH: u32 = 200;

/// Between two looks at grants that are not used.
const KEEP_ALIVE: SignedDuration = SignedDuration::from_hours(24);

/// A year and a day of figures: enough to compare with last year's.
const KEEP_HISTORY: SignedDuration = SignedDuration::from_hours(366 * 24);

pub(crate) struct Housekeeping {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upstreams: Arc<dyn Upstreams>,
    pub(crate) config: RelayConfig,
    pub(crate) stop: CancellationToken,
}

impl Housekeeping {
    pub(crate) async fn run(self) {
        let mut settings = self.store.settings();
        let mut kept_alive_at: Option<Timestamp> = None;
        self.hold_if_switched_on().await;
        loop {
            let now = (self.config.clock)();
            if kept_alive_at.is_none_or(|at| now.duration_since(at) >= KEEP_ALIVE) {
                kept_alive_at = Some(now);
                tokio::select! {
                    () = self.upstreams.keep_alive(self.config.limits.grant_idle, now) => {}
                    () = self.stop.cancelled() => return,
                }
            }
            if let Err(error) = self.once().await {
                tracing::error!(event = "housekeeping_failed", %error);
            }
            tokio::select! {
                () = self.clear_away() => {}
                () = self.stop.cancelled() => return,
            }
            tokio::select! {
                () = self.until_next_time(&mut settings) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// What the settings say about testing takes effect at once.
    async fn until_next_time(&self, settings: &mut watch::Receiver<Arc<Settings>>) {
        let next = tokio::time::sleep(self.config.limits.housekeeping);
        tokio::pin!(next);
        loop {
            tokio::select! {
                () = &mut next => return,
                Ok(()) = settings.changed() => self.hold_if_switched_on().await,
            }
        }
    }

    async fn clear_away(&self) {
        if let Err(error) = clear_away(&self.store, &*self.upstreams, (self.config.clock)()).await {
            tracing::error!(event = "housekeeping_failed", %error);
        }
    }

    async fn hold_if_switched_on(&self) {
        if let Err(error) = hold_if_switched_on(&*self.store, (self.config.clock)()).await {
            tracing::error!(event = "waiting_messages_not_held", %error);
        }
    }

    async fn once(&self) -> Result<(), StoreError> {
        let now = (self.config.clock)();
        // Where that failed when the settings changed.
        hold_if_switched_on(&*self.store, now).await?;
        self.fail_expired(now).await?;
        let retention = self.config.retention;
        for (state, keep) in [
            (MessageState::Sent, retention.sent),
            (MessageState::Failed, retention.failed),
            (MessageState::Cancelled, retention.failed),
        ] {
            self.forget(state, keep, now).await?;
        }
        if let Ok(before) = now.checked_sub(KEEP_HISTORY) {
            self.store.purge_history(before).await?;
        }
        Ok(())
    }

    /// A paused or unrouted lane claims nothing, so its messages' lifetime is watched here.
    async fn fail_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let expired = self.store.expired(now, BATCH).await?;
            if expired.is_empty() || self.stop.is_cancelled() {
                return Ok(());
            }
            for id in expired {
                self.fail(id, now).await?;
            }
        }
    }

    async fn fail(&self, id: mail::MessageId, now: Timestamp) -> Result<(), StoreError> {
        let last = self.store.message(id).await?.message.last_error;
        match self.store.fail(id, lifetime_over(last.as_ref()), now).await {
            Ok(()) => {
                tracing::warn!(event = "message_expired", message_id = %id);
                Ok(())
            }
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(()), // it moved meanwhile
            Err(error) => Err(error),
        }
    }

    async fn forget(&self, state: MessageState, keep: Option<Duration>, now: Timestamp) -> Result<(), StoreError> {
        let Some(before) = keep.and_then(|keep| now.checked_sub(SignedDuration::try_from(keep).ok()?).ok()) else {
            return Ok(());
        };
        while self.store.purge(state, before, BATCH).await? == u64::from(BATCH) && !self.stop.is_cancelled() {}
        Ok(())
    }
}
