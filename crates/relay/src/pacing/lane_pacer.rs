//! The budgets of one lane: what it may ask for, and what each of its attempts takes.

use std::sync::Arc;

use jiff::Timestamp;
use settings::{ExternalLimit, RoutedTo};
use store::{Appetite, Claim, Explanation, Priority, Store, StoreError};
use tokio::sync::{OwnedMutexGuard, Semaphore, watch};

use super::day::Day;
use super::door::Door;
use super::fit::{ANY_BYTES, Ask, Fit, LARGE_FROM_BYTES};
use super::ticket::Ticket;
use super::{Kind, Need, Pacing, Shortage, words};
use crate::{Clock, Transport};

pub(crate) struct LanePacer {
    /// The settings it was made of.
    settings_version: u64,
    key: RoutedTo,
    store: Arc<dyn Store>,
    clock: Clock,
    shared: Shared,
    /// A larger message than that was passed over, since then.
    passed_over: Option<(u64, Timestamp)>,
    news: (watch::Receiver<()>, watch::Receiver<()>),
}

/// While larger ones than this fit, nobody who sends mail waits for octets.
const NARROW_BYTES: u64 = 16 * 1024 * 1024;

/// A larger message that waits has as much of the octets kept back for it, of a thousand, after as long.
const KEEP_BACK_AT_MOST: i64 = 500;
const KEEP_BACK_AFTER_SECONDS: i64 = 300;

/// What other lanes may use, too.
pub(super) struct Shared {
    pub(super) door: Arc<Door>,
    pub(super) recipients: Arc<Day>,
    pub(super) external: Option<(Arc<Day>, ExternalLimit)>,
    pub(super) app: Option<Arc<Semaphore>>,
}

/// What a lane may do now.
#[derive(Debug)]
pub(crate) enum Look {
    /// Ask for that. What the store passes over for it may have room at `rest_at`; `None`: when an attempt has ended.
    Claim {
        appetite: Appetite,
        rest_at: Option<Timestamp>,
        shortage: Option<Shortage>,
    },
    Wait(Shortage),
}

/// Whether an attempt may begin.
pub(crate) enum Taken {
    Begin(Ticket),
    /// It must go back to the queue until then.
    Later(Timestamp, Explanation),
}

impl LanePacer {
    pub(super) fn new(
        settings_version: u64,
        key: &RoutedTo,
        store: Arc<dyn Store>,
        clock: Clock,
        shared: Shared,
    ) -> Self {
        let news = (shared.door.news.subscribe(), shared.recipients.news.subscribe());
        Self { settings_version, key: key.clone(), store, clock, shared, passed_over: None, news }
    }

    /// Held from a look until all of it is taken: lanes that share the mailbox come one after the other.
    pub(crate) async fn gate(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.recipients.gate).lock_owned().await
    }

    /// What all mailboxes of the application may have under way together; `None`: nothing is said.
    pub(crate) fn application(&self) -> Option<&Arc<Semaphore>> {
        self.shared.app.as_ref()
    }

    /// Takes over what the settings say now; whether they are others than before.
    pub(crate) async fn follow_settings(&mut self, pacing: &Pacing) -> Result<bool, StoreError> {
        let is_new = self.store.settings().borrow().version != self.settings_version;
        if is_new {
            *self = pacing.of(&self.key).await?;
        }
        Ok(is_new)
    }

    /// There may be room that the last look did not see.
    pub(crate) async fn news(&mut self) {
        let (door, recipients) = &mut self.news;
        tokio::select! {
            // Both live as long as this does.
            _ = door.changed() => {}
            _ = recipients.changed() => {}
        }
    }

    /// What there is room for, up to so many attempts.
    pub(crate) fn look(&mut self, messages: u32, in_flight: u32, transport: &dyn Transport, now: Timestamp) -> Look {
        self.news.0.mark_unchanged();
        self.news.1.mark_unchanged();
        let ask = Ask { messages, in_flight, priority: Priority::Bulk, kept_back: 0 };
        let shortage = match self.look_around(ask, transport, now) {
            Ok((appetite, rest_at)) => return Look::Claim { appetite, rest_at, shortage: None },
            Err(shortage) => shortage,
        };
        match self.look_for(Ask { priority: Priority::High, ..ask }, transport, now) {
            Ok((appetite, rest_at)) => {
                let rest_at = [rest_at, shortage.until].into_iter().flatten().min();
                Look::Claim { appetite, rest_at, shortage: Some(shortage) }
            }
            // What is urgent has room first.
            Err(urgent) => Look::Wait(Shortage { until: urgent.until, ..shortage }),
        }
    }

    /// Whether it matters if that appetite passed something over: then the one who asked should find out.
    pub(crate) fn must_know_of_larger(&self, appetite: &Appetite) -> bool {
        appetite.at_least == Priority::Bulk && (self.passed_over.is_some() || appetite.max_bytes < NARROW_BYTES)
    }

    /// Whether something due was too large for the room there was.
    pub(crate) fn note_passed_over(&mut self, is_passed_over: bool, appetite: &Appetite, now: Timestamp) {
        let since = self.passed_over.map_or(now, |(_, since)| since);
        self.passed_over = is_passed_over.then_some((appetite.max_bytes, since));
    }

    /// While a larger message waits, the others leave more and more of the room to it, so that it has its turn however
    /// much of them there is. It comes first as soon as it fits, since it has waited longest.
    fn look_around(
        &mut self,
        ask: Ask,
        transport: &dyn Transport,
        now: Timestamp,
    ) -> Result<(Appetite, Option<Timestamp>), Shortage> {
        let Some((tried, since)) = self.passed_over else { return self.look_for(ask, transport, now) };
        let alone = self.look_for(Ask { messages: ask.messages.min(1), ..ask }, transport, now)?;
        if alone.0.max_bytes >= tried.saturating_mul(2) || alone.0.max_bytes == ANY_BYTES {
            return Ok(alone);
        }
        let waited = now.duration_since(since).as_secs().clamp(0, KEEP_BACK_AFTER_SECONDS);
        let kept_back = u16::try_from(waited * KEEP_BACK_AT_MOST / KEEP_BACK_AFTER_SECONDS).unwrap_or_default();
        self.look_for(Ask { kept_back, ..ask }, transport, now)
    }

    fn look_for(
        &self,
        ask: Ask,
        transport: &dyn Transport,
        now: Timestamp,
    ) -> Result<(Appetite, Option<Timestamp>), Shortage> {
        let Fit { mut messages, max_bytes, larger_at } = self.shared.door.look(ask, transport, now)?;
        let mut recipients = transport.max_recipients();
        if let Some(room) = self.shared.recipients.room(ask.priority, now) {
            if room == 0 {
                let until = self.shared.recipients.room_at(ask.priority, now);
                return Err(Shortage { kind: Kind::Recipients, until });
            }
            // At the end of the day's recipients a message may go in parts.
            if u64::from(messages).saturating_mul(u64::from(recipients)) > room {
                messages = 1;
                recipients = recipients.min(u32::try_from(room).unwrap_or(u32::MAX));
            }
        }
        let appetite = Appetite { messages, recipients, max_bytes, at_least: ask.priority, through_pause: true };
        Ok((appetite, larger_at))
    }

    /// Takes what the claim needs, durably.
    pub(crate) async fn take(&self, claim: &Claim, transport: &dyn Transport, now: Timestamp) -> Taken {
        let is_external: Vec<bool> = claim.addresses().map(|address| self.is_external(address.domain())).collect();
        let need = need(claim, &is_external, transport);
        let priority = claim.message.priority;
        let external = self.shared.external.as_ref().map(|(day, _)| Arc::clone(day));
        if let Some(day) = &external
            && let Err(until) = day.take(need.external, priority, now)
        {
            let until = until.unwrap_or(crate::retry::after(now, super::day::BUSY));
            return Taken::Later(until, self.explain(Shortage { kind: Kind::External, until: Some(until) }));
        }
        // There is room: it was looked for before the claim.
        self.shared.recipients.hold(need.recipients);
        let ticket = Ticket {
            connection: self.key.connection.clone(),
            door: Arc::clone(&self.shared.door),
            recipients: Arc::clone(&self.shared.recipients),
            external,
            is_external,
            need,
            mailed: need.recipients,
            mailed_outside: need.external,
            in_flight: transport.in_flight(),
            started_at: now,
            clock: Arc::clone(&self.clock),
        };
        self.shared.door.take(&*self.store, &need, now).await;
        self.shared.recipients.charge(&*self.store, need.recipients, now).await;
        if let Some(day) = &ticket.external {
            day.charge(&*self.store, need.external, now).await;
        }
        Taken::Begin(ticket)
    }

    fn is_external(&self, domain: &str) -> bool {
        self.shared.external.as_ref().is_some_and(|(_, limit)| limit.is_external(domain))
    }

    /// A shortage in words for the lane's page.
    pub(crate) fn explain(&self, shortage: Shortage) -> Explanation {
        let limit = match shortage.kind {
            Kind::InFlight => None,
            Kind::Requests | Kind::Upload | Kind::Messages => self.shared.door.limit(shortage.kind),
            Kind::Recipients => self.shared.recipients.limit(),
            Kind::External => self.shared.external.as_ref().and_then(|(day, _)| day.limit()),
        };
        words::used_up(shortage.kind, limit, &self.key.mailbox)
    }
}

fn need(claim: &Claim, is_external: &[bool], transport: &dyn Transport) -> Need {
    let added = u64::try_from(claim.message.added_header.len()).unwrap_or(u64::MAX);
    let bytes = claim.message.size_bytes.saturating_add(added);
    let cost = transport.cost(bytes, claim.message.attempts > 1);
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Need {
        requests: cost.requests,
        upload_bytes: cost.upload_bytes,
        recipients: count(claim.recipients.len()),
        external: count(is_external.iter().filter(|external| **external).count()),
        is_large: claim.message.size_bytes >= LARGE_FROM_BYTES,
    }
}
