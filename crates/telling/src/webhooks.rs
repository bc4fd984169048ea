//! Webhooks: news as signed POSTs (Standard Webhooks).
//!
//! Promise: each webhook is told everything it wants at least once and in order, from the moment it exists; what it did
//! not take for a day is dropped, loudly. A receiver can tell repetitions by `webhook-id`. A webhook that is slow or gone
//! delays nobody: each has a courier of its own, and outcomes wait in the store, not in memory.
//!
//! Left to others: which webhooks there are (`admin`), where they may be (`https`, or this machine).

mod body;
mod courier;
mod progress;
mod signature;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use settings::{Webhook, WebhookId};
use store::{Change, StoreError};
use tokio::task::JoinHandle;

use crate::running::{Shared, wait_for};
use courier::Courier;

pub(crate) use progress::{PROGRESS, Progress};
pub use signature::sign;

const STORE_RETRY: Duration = Duration::from_secs(1);

/// The name of its position among the outcomes.
pub(crate) fn reader(id: &WebhookId) -> String {
    format!("webhook/{id}")
}

/// Has a courier at work for each webhook that is switched on.
pub(crate) struct Webhooks {
    shared: Shared,
    couriers: HashMap<WebhookId, (Webhook, JoinHandle<()>)>,
    /// One pool of connections for all; made with the first webhook, since it reads the system's certificates.
    client: Option<reqwest::Client>,
}

impl Webhooks {
    /// Every webhook there is has its position when this returns.
    pub(crate) async fn open(shared: Shared) -> Result<Self, StoreError> {
        for webhook in shared.store.settings().borrow().clone().webhooks.iter().filter(|it| !it.disabled) {
            progress::begin(&*shared.store, &webhook.id).await?;
        }
        Ok(Self { shared, couriers: HashMap::new(), client: None })
    }

    pub(crate) async fn run(mut self) {
        let mut news = self.shared.store.subscribe();
        loop {
            if let Err(error) = self.follow_settings().await {
                tracing::error!(event = "webhooks_wait_for_store", %error);
                if self.shared.pause(STORE_RETRY).await {
                    continue;
                }
                break;
            }
            let concerns = |change: &Change| matches!(change, Change::Settings { .. } | Change::Everything);
            tokio::select! {
                is_open = wait_for(&mut news, concerns) => if !is_open { break },
                () = self.shared.stop.cancelled() => break,
            }
        }
        for (_, (_, courier)) in self.couriers {
            courier.abort();
            let _cancelled = courier.await;
        }
    }

    /// A changed webhook gets a new courier, which goes on where the old one was: a call that is broken off is made again.
    async fn follow_settings(&mut self) -> Result<(), StoreError> {
        let settings = self.shared.store.settings().borrow().clone();
        let gone = |webhook: &Webhook| settings.webhook(&webhook.id).is_none_or(|now| now != webhook || now.disabled);
        let leaving: Vec<WebhookId> =
            self.couriers.iter().filter(|(_, (webhook, _))| gone(webhook)).map(|(id, _)| id.clone()).collect();
        for id in leaving {
            if let Some((_, courier)) = self.couriers.remove(&id) {
                courier.abort();
                let _cancelled = courier.await;
            }
        }
        progress::forget_all_but(&*self.shared.store, |id| settings.webhook(id).is_some_and(|it| !it.disabled)).await?;
        for webhook in settings.webhooks.iter().filter(|it| !it.disabled) {
            if self.couriers.contains_key(&webhook.id) {
                continue;
            }
            progress::begin(&*self.shared.store, &webhook.id).await?;
            let Some(client) = self.client() else { return Ok(()) };
            let courier = Courier::new(self.shared.clone(), webhook.clone(), client);
            self.couriers.insert(webhook.id.clone(), (webhook.clone(), tokio::spawn(courier.run())));
        }
        Ok(())
    }

    fn client(&mut self) -> Option<reqwest::Client> {
        if self.client.is_none() {
            match self.shared.config.network.client() {
                Ok(client) => self.client = Some(client),
                Err(error) => tracing::error!(event = "webhooks_without_network", %error),
            }
        }
        self.client.clone()
    }
}
