//! Alarms: what only an administrator can mend, told once when it begins and once when it is over.
//!
//! ```text
//!   reason there ──► raised: kept, told to webhooks, mailed ──► reason away for a while ──► cleared: told, mailed, forgotten
//!                      ▲                                           │
//!                      └────────── reason back before that ────────┘   (one alarm, not many)
//! ```
//!
//! Promise: durable. A restart neither repeats an alarm nor loses one, and each step has a name under which doing it again
//! changes nothing. Mail about a broken connection goes by another one.
//!
//! Left to others: judging that something is broken (`relay` rests a lane, `store` knows a dead grant).

mod condition;
mod letter;
mod raised;
mod way;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use settings::{News, Settings};
use store::{Change, Lane, Priority, StoreError};
use tokio::time::Instant;

use crate::letters::{self, Letter};
use crate::news;
use crate::running::{Shared, wait_for};
use condition::conditions;
use raised::Raised;

pub use condition::AlarmKind;
pub(crate) use condition::Condition;

/// Lanes looked at; more broken ones are the same alarms.
const LANES: u32 = 1_000;

pub(crate) struct Alarms {
    shared: Shared,
}

impl Alarms {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    pub(crate) async fn run(self) {
        let mut changes = self.shared.store.subscribe();
        loop {
            let looked = Instant::now();
            if let Err(error) = self.look().await {
                tracing::error!(event = "alarms_wait_for_store", %error);
            }
            if !self.wait(&mut changes, looked).await {
                return;
            }
        }
    }

    /// Until something may have changed, or time has.
    async fn wait(&self, changes: &mut tokio::sync::broadcast::Receiver<Change>, looked: Instant) -> bool {
        let concerns = |change: &Change| {
            matches!(change, Change::Lane(_) | Change::Settings { .. } | Change::Grant(_) | Change::Everything)
        };
        let limits = &self.shared.config.limits;
        let next: Duration = limits.look;
        let goes_on = tokio::select! {
            is_open = wait_for(changes, concerns) => is_open,
            () = tokio::time::sleep(next) => true,
            () = self.shared.stop.cancelled() => false,
        };
        goes_on && self.shared.pause(limits.look_at_once.saturating_sub(looked.elapsed())).await
    }

    /// Raises what is new, clears what is over.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let (store, now) = (&*self.shared.store, self.shared.now());
        let settings = store.settings().borrow().clone();
        let lanes = store.lanes(LANES).await?;
        let found = conditions(&self.shared, &settings, &lanes, now).await?;
        let mut known = raised::all(store).await?;
        for condition in &found {
            let position = known.iter().position(|raised| raised.is_about(condition));
            let mut raised = match position {
                Some(position) => known.swap_remove(position),
                None => self.raise(condition, now).await?,
            };
            if raised.absent_since.take().is_some() {
                raised::keep(store, &raised).await?;
            }
            self.tell_raised(&mut raised, &settings, &lanes, &found).await?;
        }
        for gone in known {
            self.clear(gone, &settings, &lanes, &found, now).await?;
        }
        set_gauges(&found);
        Ok(())
    }

    async fn raise(&self, condition: &Condition, now: Timestamp) -> Result<Raised, StoreError> {
        tracing::error!(
            event = "alarm_raised",
            kind = condition.kind.name(),
            subject = condition.subject,
            what = condition.what,
            fix = condition.fix
        );
        let raised = Raised::new(condition.clone(), now);
        raised::keep(&*self.shared.store, &raised).await?;
        Ok(raised)
    }

    /// Whoever has not been told yet.
    async fn tell_raised(
        &self,
        raised: &mut Raised,
        settings: &Settings,
        lanes: &[Lane],
        found: &[Condition],
    ) -> Result<(), StoreError> {
        let store = &*self.shared.store;
        if !raised.told {
            let data = data(raised, None);
            news::add(store, raised.name("raised"), News::AlarmRaised, raised.since, data).await?;
            raised.told = true;
            raised::keep(store, raised).await?;
            self.shared.alarm_news.send_replace(());
        }
        if !raised.mailed && self.mail(raised, None, settings, lanes, found).await? {
            raised.mailed = true;
            raised::keep(store, raised).await?;
        }
        Ok(())
    }

    async fn clear(
        &self,
        mut raised: Raised,
        settings: &Settings,
        lanes: &[Lane],
        found: &[Condition],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let store = &*self.shared.store;
        let Some(since) = raised.absent_since else {
            raised.absent_since = Some(now);
            return raised::keep(store, &raised).await;
        };
        if now.duration_since(since) < self.shared.config.limits.alarm_quiet {
            return Ok(());
        }
        let over = Some(since);
        news::add(store, raised.name("cleared"), News::AlarmCleared, since, data(&raised, over)).await?;
        self.shared.alarm_news.send_replace(());
        // Who was not told that it began need not hear that it is over.
        if raised.mailed {
            self.mail(&raised, over, settings, lanes, found).await?;
        }
        tracing::info!(
            event = "alarm_cleared",
            kind = raised.condition.kind.name(),
            subject = raised.condition.subject
        );
        raised::forget(store, &raised).await
    }

    /// `false`: there is nobody to mail, or no way that works; it is tried again at the next look.
    async fn mail(
        &self,
        raised: &Raised,
        over: Option<Timestamp>,
        settings: &Settings,
        lanes: &[Lane],
        found: &[Condition],
    ) -> Result<bool, StoreError> {
        let alarms = &settings.notices.alarms;
        if alarms.to.is_empty() {
            return Ok(false);
        }
        let Some(way) = way::working(settings, lanes, found) else {
            tracing::warn!(event = "alarm_not_mailed", kind = raised.condition.kind.name(), "no connection works");
            return Ok(false);
        };
        let now = self.shared.now();
        let id = self.shared.ids.next(now)?;
        let text =
            letter::Text { raised, over, from: &way.mailbox, to: &alarms.to, host: &self.shared.config.hostname };
        let letter = Letter {
            id,
            name: raised.name(if over.is_some() { "cleared" } else { "raised" }),
            kind: "alarm",
            about: None,
            to: alarms.to.clone(),
            subject: text.subject(),
            internet_message_id: text.message_id(id),
            mime: text.to_mime(id, now),
            from: way.mailbox.clone(),
            way: Some(way),
            priority: Priority::High,
        };
        letters::post(&*self.shared.store, letter, self.shared.config.queue_lifetime, now).await?;
        Ok(true)
    }
}

fn data(raised: &Raised, over: Option<Timestamp>) -> serde_json::Value {
    let Condition { kind, subject, name, what, why, fix, who } = &raised.condition;
    json!({
        "alarm": kind.name(), "subject": subject, "name": name, "what": what, "why": why, "fix": fix, "who": who,
        "raised_at": raised.since, "cleared_at": over,
    })
}

fn set_gauges(found: &[Condition]) {
    for kind in AlarmKind::ALL {
        let count = found.iter().filter(|condition| condition.kind == kind).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("postern_alarm", "kind" => kind.name()).set(f64::from(count));
    }
}
