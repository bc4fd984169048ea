//! Tells one webhook, one call after the other.
//!
//! ```text
//!   alarms first, then outcomes ──► call ──2xx──► position saved ──► next
//!                                    │ └──410──► switched off
//!                                    └─ other ─► wait (longer each time) ──► the same again; after a day: dropped
//! ```

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use settings::Webhook;
use store::{AuditEntry, Change, MessageRecord, Outcome, OutcomeKind, SecretField, SettingsChange, StoreError, Via};
use tokio::sync::broadcast;

use super::body::{Told, of_alarm, of_message};
use super::progress::{self, Progress};
use super::{STORE_RETRY, reader, sign};
use crate::delays::is_not_due_yet;
use crate::running::{Shared, is_outcome, wait_for};
use crate::{news, position};

/// Outcomes read at once.
const PAGE: u32 = 100;

pub(super) struct Courier {
    shared: Shared,
    webhook: Webhook,
    client: Client,
}

/// What a call came to.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    /// 410: nobody wants to be told any more.
    Gone,
    Failed {
        trouble: String,
        retry_after: Option<Duration>,
    },
}

/// What became of one piece of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Told, or dropped: the next one.
    Over,
    SwitchedOff,
}

impl Courier {
    pub(super) fn new(shared: Shared, webhook: Webhook, client: Client) -> Self {
        Self { shared, webhook, client }
    }

    pub(super) async fn run(self) {
        let mut changes = self.shared.store.subscribe();
        let mut alarms = self.shared.alarm_news.subscribe();
        loop {
            match self.catch_up().await {
                Ok(End::Over) => {}
                // The settings change ends this task.
                Ok(End::SwitchedOff) => return,
                Err(error) => {
                    tracing::error!(event = "webhook_waits_for_store", webhook = %self.webhook.id, %error);
                    tokio::time::sleep(STORE_RETRY).await;
                    continue;
                }
            }
            if !self.wait(&mut changes, &mut alarms).await {
                return;
            }
        }
    }

    async fn wait(
        &self,
        changes: &mut broadcast::Receiver<Change>,
        alarms: &mut tokio::sync::watch::Receiver<()>,
    ) -> bool {
        tokio::select! {
            is_open = wait_for(changes, is_outcome) => is_open,
            changed = alarms.changed() => changed.is_ok(),
            () = self.shared.stop.cancelled() => false,
        }
    }

    /// Tells all there is to tell.
    async fn catch_up(&self) -> Result<End, StoreError> {
        let store = &*self.shared.store;
        loop {
            if self.tell_alarms().await? == End::SwitchedOff {
                return Ok(End::SwitchedOff);
            }
            let read = position::load(store, &reader(&self.webhook.id)).await?;
            let page = store.outcomes(read, PAGE).await?;
            let Some(last) = page.last().map(|outcome| outcome.number) else { return Ok(End::Over) };
            for outcome in page.iter().filter(|outcome| self.webhook.wants(outcome.kind.news())) {
                if self.tell_outcome(outcome).await? == End::SwitchedOff {
                    return Ok(End::SwitchedOff);
                }
                position::save(store, &reader(&self.webhook.id), outcome.number).await?;
            }
            position::save(store, &reader(&self.webhook.id), last).await?;
        }
    }

    async fn tell_alarms(&self) -> Result<End, StoreError> {
        let store = &*self.shared.store;
        let read = progress::load(store, &self.webhook.id).await?.alarms_read;
        for alarm in news::after(store, read).await? {
            if self.webhook.wants(alarm.news) && self.tell(&of_alarm(&alarm), alarm.at).await? == End::SwitchedOff {
                return Ok(End::SwitchedOff);
            }
            let progress = progress::load(store, &self.webhook.id).await?;
            progress::save(store, &self.webhook.id, &Progress { alarms_read: alarm.number, ..progress }).await?;
        }
        Ok(End::Over)
    }

    async fn tell_outcome(&self, outcome: &Outcome) -> Result<End, StoreError> {
        let progress = progress::load(&*self.shared.store, &self.webhook.id).await?;
        if self.is_hopeless(&progress) && self.is_stale(outcome.at) {
            return self.drop_news(progress).await.map(|()| End::Over);
        }
        let detail = match self.shared.store.message(outcome.message).await {
            Ok(detail) => detail,
            Err(StoreError::NotFound { .. }) => return Ok(End::Over),
            Err(error) => return Err(error),
        };
        if !is_news(outcome.kind, &detail.message, self.shared.now()) {
            return Ok(End::Over);
        }
        let settings = self.shared.store.settings().borrow().clone();
        self.tell(&of_message(&settings, outcome, &detail), outcome.at).await
    }

    /// Calls until the webhook took it, is gone, or it is too old to be tried again.
    async fn tell(&self, told: &Told, at: Timestamp) -> Result<End, StoreError> {
        let store = &*self.shared.store;
        loop {
            let progress = progress::load(store, &self.webhook.id).await?;
            self.wait_until(progress.not_before).await;
            match self.call(told).await {
                Answer::Taken => {
                    self.succeeded(progress).await?;
                    return Ok(End::Over);
                }
                Answer::Gone => {
                    self.switch_off().await?;
                    return Ok(End::SwitchedOff);
                }
                Answer::Failed { trouble, retry_after } => {
                    let progress = self.failed(progress, trouble, retry_after).await?;
                    if self.is_stale(at) {
                        self.drop_news(progress).await?;
                        return Ok(End::Over);
                    }
                }
            }
        }
    }

    async fn wait_until(&self, not_before: Option<Timestamp>) {
        let wait = not_before.map(|at| at.duration_since(self.shared.now())).filter(SignedDuration::is_positive);
        if let Some(wait) = wait {
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }

    async fn call(&self, told: &Told) -> Answer {
        let failed = |trouble: String| Answer::Failed { trouble, retry_after: None };
        // Whatever the settings came to hold.
        if !entra::is_private(&self.webhook.url) {
            return failed("the address is neither https nor of this machine".to_owned());
        }
        let place = SecretField::new("webhook", self.webhook.id.0.clone(), "secret");
        let Ok(secret) = self.shared.store.key_ring().open(&place, &self.webhook.secret) else {
            return failed("the secret cannot be opened: enter it again".to_owned());
        };
        let second = self.shared.now().as_second();
        let Some(signature) = sign(&secret, &told.id, second, &told.body) else {
            return failed("the secret is not whsec_ and a key in base64: enter it again".to_owned());
        };
        let call = self
            .client
            .post(self.webhook.url.clone())
            .timeout(self.shared.config.limits.webhook_deadline)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", told.id.as_str())
            .header("webhook-timestamp", second.to_string())
            .header("webhook-signature", signature)
            .body(told.body.clone());
        match call.send().await {
            Ok(answer) if answer.status().is_success() => Answer::Taken,
            Ok(answer) if answer.status() == StatusCode::GONE => Answer::Gone,
            Ok(answer) => Answer::Failed {
                trouble: format!("it answered {}", answer.status()),
                retry_after: retry_after(answer.headers()),
            },
            Err(error) => failed(innermost(&error)),
        }
    }

    async fn succeeded(&self, progress: Progress) -> Result<(), StoreError> {
        metrics::counter!("postern_webhook_calls_total", "result" => "taken").increment(1);
        if progress.failures == 0 && progress.dropped == 0 {
            return Ok(());
        }
        tracing::info!(event = "webhook_works_again", webhook = %self.webhook.id, dropped = progress.dropped);
        let well = Progress { alarms_read: progress.alarms_read, ..Progress::default() };
        progress::save(&*self.shared.store, &self.webhook.id, &well).await
    }

    async fn failed(
        &self,
        mut progress: Progress,
        trouble: String,
        retry_after: Option<Duration>,
    ) -> Result<Progress, StoreError> {
        metrics::counter!("postern_webhook_calls_total", "result" => "failed").increment(1);
        let (now, limits) = (self.shared.now(), &self.shared.config.limits);
        progress.failures = progress.failures.saturating_add(1);
        progress.failing_since.get_or_insert(now);
        let own = limits.webhook_backoff.wait(progress.failures, rand::random::<f64>());
        let asked = retry_after.unwrap_or_default().min(limits.webhook_retry_after_max);
        let wait = SignedDuration::try_from(own.max(asked)).unwrap_or(SignedDuration::MAX);
        progress.not_before = now.checked_add(wait).ok();
        tracing::warn!(
            event = "webhook_failed", webhook = %self.webhook.id, failures = progress.failures, trouble,
            next = progress.not_before.map(tracing::field::display)
        );
        progress.trouble = Some(trouble);
        progress::save(&*self.shared.store, &self.webhook.id, &progress).await?;
        Ok(progress)
    }

    fn is_stale(&self, at: Timestamp) -> bool {
        self.shared.now().duration_since(at) >= self.shared.config.limits.webhook_lifetime
    }

    /// It took nothing for as long as news is kept for it: what is older than that need not be tried one by one.
    fn is_hopeless(&self, progress: &Progress) -> bool {
        progress.failing_since.is_some_and(|since| self.is_stale(since))
    }

    async fn drop_news(&self, mut progress: Progress) -> Result<(), StoreError> {
        metrics::counter!("postern_webhook_calls_total", "result" => "dropped").increment(1);
        progress.dropped = progress.dropped.saturating_add(1);
        tracing::error!(event = "webhook_news_dropped", webhook = %self.webhook.id, dropped = progress.dropped);
        progress::save(&*self.shared.store, &self.webhook.id, &progress).await
    }

    /// Standard Webhooks: 410 means "never again". An administrator can switch it on again.
    async fn switch_off(&self) -> Result<(), StoreError> {
        let store = &*self.shared.store;
        tracing::warn!(event = "webhook_switched_off", webhook = %self.webhook.id, "it answered 410 Gone");
        loop {
            let settings = store.settings().borrow().clone();
            let Some(mut webhook) = settings.webhook(&self.webhook.id).cloned().filter(|it| !it.disabled) else {
                return Ok(());
            };
            webhook.disabled = true;
            let audit = AuditEntry {
                at: self.shared.now(),
                actor: "system".to_owned(),
                action: "webhook_switched_off".to_owned(),
                detail: serde_json::json!({"webhook": webhook.name, "reason": "it answered 410 Gone"}),
            };
            match store.change_settings(settings.version, vec![SettingsChange::PutWebhook(webhook)], audit).await {
                Ok(_) => return Ok(()),
                Err(StoreError::SettingsChanged { .. }) => tokio::task::yield_now().await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// That the gateway's own letters were sent is nobody's news, and what was handed in for later is not late.
fn is_news(kind: OutcomeKind, message: &MessageRecord, now: Timestamp) -> bool {
    match kind {
        OutcomeKind::Sent => message.via != Via::Gateway,
        OutcomeKind::Delayed => !is_not_due_yet(message, now),
        _ => true,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What broke, without the address, which may hold what only the receiver should know.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    if std::error::Error::source(error).is_none() { "the call failed".to_owned() } else { inner.to_string() }
}
