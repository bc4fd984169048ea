//! A relay on the in-memory store, and an upstream that enforces Microsoft's limits to the letter, on a clock that moves by
//! itself. What it counts, it counts in the plainest way, so that it can judge.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use relay::{Cost, Delivery, LaneVerdict, Relay, RelayConfig, Running, Transport, UpstreamError, Upstreams, Verdict};
use settings::{AccountId, Connection, ConnectionId, Emails, FromPolicy, OnUncertain, RoutedTo, Tenant};
use store::model::ModelStore;
use store::{AuditEntry, NewMessage, NodeId, Priority, RecipientOutcome, SettingsChange, Store, Via};
use tokio::time::Instant;

/// One request, or several at once, as the other side saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) connection: String,
    pub(crate) mailbox: String,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// Of a message that was accepted by it.
    pub(crate) recipients: Vec<String>,
    pub(crate) priority: Priority,
    pub(crate) waited: Duration,
}

/// What the other side enforces of one mailbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enforced {
    pub(crate) at_once: usize,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) recipients: u64,
}

pub(crate) const REQUESTS_SPAN: Duration = Duration::from_mins(10);
pub(crate) const BYTES_SPAN: Duration = Duration::from_mins(5);
pub(crate) const DAY: Duration = Duration::from_hours(24);

impl Default for Enforced {
    fn default() -> Self {
        Self { at_once: 4, requests: 10_000, bytes: 150_000_000, recipients: 10_000 }
    }
}

/// The upstream.
pub(crate) struct Strict {
    pub(crate) enforced: Enforced,
    pub(crate) in_flight: u32,
    /// Phases of a message, each so many requests.
    pub(crate) phases: u64,
    pub(crate) requests_a_phase: u64,
    /// Of each phase, besides what its octets take.
    pub(crate) latency: Duration,
    pub(crate) bytes_per_second: u64,
    pub(crate) epoch: Instant,
    pub(crate) seen: Mutex<Vec<Seen>>,
    pub(crate) refused: Mutex<Vec<(Instant, &'static str)>>,
    pub(crate) at_once: Mutex<HashMap<String, usize>>,
    pub(crate) most_at_once: Mutex<HashMap<String, usize>>,
    pub(crate) news: tokio::sync::watch::Sender<usize>,
}

impl Default for Strict {
    fn default() -> Self {
        Self {
            enforced: Enforced::default(),
            in_flight: 3,
            phases: 1,
            requests_a_phase: 1,
            latency: Duration::from_millis(150),
            bytes_per_second: 10_000_000,
            epoch: Instant::now(),
            seen: Mutex::default(),
            refused: Mutex::default(),
            at_once: Mutex::default(),
            most_at_once: Mutex::default(),
            news: tokio::sync::watch::Sender::default(),
        }
    }
}

impl std::fmt::Debug for Strict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("strict upstream")
    }
}

impl Strict {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn refused(&self) -> Vec<(Instant, &'static str)> {
        self.refused.lock().unwrap().clone()
    }

    /// Messages accepted.
    pub(crate) fn accepted(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.recipients.is_empty()).collect()
    }

    pub(crate) async fn until_accepted(&self, count: usize) {
        let mut news = self.news.subscribe();
        let arrived = news.wait_for(|accepted| *accepted >= count);
        tokio::time::timeout(7 * DAY, arrived).await.expect("as many are accepted").unwrap();
    }

    pub(crate) fn cost_of(&self, message_bytes: u64) -> Cost {
        Cost { requests: self.phases * self.requests_a_phase, upload_bytes: message_bytes.div_ceil(3) * 4 }
    }

    /// How long a phase takes.
    pub(crate) fn takes(&self, bytes: u64) -> Duration {
        self.latency + Duration::from_millis(bytes.saturating_mul(1_000) / self.bytes_per_second)
    }

    /// Lets a request in, or says when to come back.
    fn enter(&self, seen: Seen) -> Result<(), Duration> {
        if let Some((limit, wait)) = self.broken_limit(&seen) {
            self.refused.lock().unwrap().push((seen.at, limit));
            return Err(wait);
        }
        let mut at_once = self.at_once.lock().unwrap();
        let now = at_once.entry(seen.mailbox.clone()).or_default();
        *now += 1;
        let mut most = self.most_at_once.lock().unwrap();
        let most = most.entry(seen.mailbox.clone()).or_default();
        *most = (*most).max(*now);
        self.seen.lock().unwrap().push(seen);
        Ok(())
    }

    fn broken_limit(&self, new: &Seen) -> Option<(&'static str, Duration)> {
        let all = self.seen.lock().unwrap();
        // Newest first; what is older than a day counts nowhere.
        let sum = |span: Duration, amount: fn(&Seen) -> u64| -> u64 {
            let recent = all.iter().rev().take_while(|seen| new.at - seen.at < span);
            recent.filter(|seen| seen.mailbox == new.mailbox).map(amount).sum::<u64>() + amount(new)
        };
        let second = Duration::from_secs(1);
        if self.at_once.lock().unwrap().get(&new.mailbox).is_some_and(|now| *now >= self.enforced.at_once) {
            return Some(("at once", second));
        }
        if sum(REQUESTS_SPAN, |seen| seen.requests) > self.enforced.requests {
            return Some(("requests", 10 * second));
        }
        if sum(BYTES_SPAN, |seen| seen.bytes) > self.enforced.bytes {
            return Some(("bytes", 10 * second));
        }
        if !new.recipients.is_empty() && sum(DAY, recipients) > self.enforced.recipients {
            return Some(("recipients", 60 * second));
        }
        None
    }

    fn leave(&self, mailbox: &str) {
        *self.at_once.lock().unwrap().get_mut(mailbox).unwrap() -= 1;
    }
}

pub(crate) fn recipients(seen: &Seen) -> u64 {
    u64::try_from(seen.recipients.len()).unwrap()
}

/// The most that any span of that length held, for one mailbox: looked for from each request.
pub(crate) fn most_in(seen: &[Seen], mailbox: &str, span: Duration, amount: fn(&Seen) -> u64) -> u64 {
    let of_mailbox: Vec<&Seen> = seen.iter().filter(|seen| seen.mailbox == mailbox).collect();
    let from = |first: usize| -> u64 {
        let begins = of_mailbox[first].at;
        of_mailbox[first..].iter().take_while(|seen| seen.at - begins < span).map(|seen| amount(seen)).sum()
    };
    (0..of_mailbox.len()).map(from).max().unwrap_or_default()
}

#[derive(Debug)]
struct Handle(Arc<Strict>, String);

impl Upstreams for Handle {
    fn transport(&self, connection: &ConnectionId) -> Result<Arc<dyn Transport>, UpstreamError> {
        Ok(Arc::new(Self(Arc::clone(&self.0), connection.0.clone())))
    }

    fn header_from_policy(&self) -> FromPolicy {
        FromPolicy::Keep
    }
}

#[async_trait]
impl Transport for Handle {
    async fn deliver(&self, delivery: Delivery<'_>) -> Verdict {
        let (upstream, message) = (&self.0, &delivery.claim.message);
        let mailbox = message.routed_to.as_ref().unwrap().mailbox.to_string();
        let to: Vec<String> = delivery.claim.addresses().map(ToString::to_string).collect();
        let count = to.len();
        for phase in 1..=upstream.phases {
            let bytes = if phase == 1 { upstream.cost_of(message.size_bytes).upload_bytes } else { 0 };
            let at = Instant::now();
            let seen = Seen {
                at,
                connection: self.1.clone(),
                mailbox: mailbox.clone(),
                requests: upstream.requests_a_phase,
                bytes,
                recipients: if phase == upstream.phases { to.clone() } else { Vec::new() },
                priority: message.priority,
                waited: since(upstream.epoch, at, message.received_at),
            };
            if let Err(wait) = upstream.enter(seen) {
                return Verdict::all(count, RecipientOutcome::Deferred, LaneVerdict::Throttled(Some(wait)));
            }
            tokio::time::sleep(upstream.takes(bytes)).await;
            upstream.leave(&mailbox);
        }
        upstream.news.send_modify(|accepted| *accepted += 1);
        Verdict::all(count, RecipientOutcome::Accepted, LaneVerdict::Go)
    }

    fn in_flight(&self) -> u32 {
        self.0.in_flight
    }

    fn max_recipients(&self) -> u32 {
        500
    }

    fn on_uncertain(&self) -> OnUncertain {
        OnUncertain::Retry
    }

    fn cost(&self, message_bytes: u64, _is_repeated: bool) -> Cost {
        self.0.cost_of(message_bytes)
    }
}

/// A message as a test hands it in.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) connection: &'static str,
    pub(crate) mailbox: String,
    pub(crate) to: Vec<String>,
    pub(crate) bytes: usize,
    pub(crate) priority: Priority,
    pub(crate) account: Option<&'static str>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            connection: "c",
            mailbox: "noreply@contoso.test".into(),
            to: vec!["a@x.test".into()],
            bytes: 1_000,
            priority: Priority::Normal,
            account: None,
        }
    }
}

pub(crate) struct Paced {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upstream: Arc<Strict>,
    pub(crate) config: RelayConfig,
    running: Option<Running>,
}

fn at(epoch: Instant, now: Instant) -> Timestamp {
    let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    start + SignedDuration::try_from(now - epoch).unwrap()
}

fn since(epoch: Instant, now: Instant, then: Timestamp) -> Duration {
    at(epoch, now).duration_since(then).unsigned_abs()
}

impl Paced {
    pub(crate) async fn new(upstream: Strict, tenants: Vec<Tenant>, connections: Vec<Connection>) -> Self {
        Self::with(upstream, tenants, connections, |_| {}).await
    }

    pub(crate) async fn with(
        upstream: Strict,
        tenants: Vec<Tenant>,
        connections: Vec<Connection>,
        configure: impl FnOnce(&mut RelayConfig),
    ) -> Self {
        let mut config = RelayConfig::new(NodeId("node".into()));
        let epoch = upstream.epoch;
        config.clock = Arc::new(move || at(epoch, Instant::now()));
        configure(&mut config);
        let store: Arc<dyn Store> = Arc::new(ModelStore::default());
        let mut paced = Self { store, upstream: Arc::new(upstream), config, running: None };
        let emails = Emails {
            enabled: true,
            mailbox: Some("noreply@contoso.test".parse().unwrap()),
            service_connection: connections.first().map(|connection| connection.id.clone()),
            ..Emails::default()
        };
        let tenants = tenants.into_iter().map(SettingsChange::PutTenant);
        let changes = tenants.chain(connections.into_iter().map(SettingsChange::PutConnection));
        paced.change(changes.chain([SettingsChange::PutEmails(emails)]).collect()).await;
        paced.start().await;
        paced
    }

    pub(crate) async fn start(&mut self) {
        let upstreams: Arc<dyn Upstreams> = Arc::new(Handle(Arc::clone(&self.upstream), String::new()));
        self.running = Some(Relay::start(Arc::clone(&self.store), upstreams, self.config.clone()).await.unwrap());
    }

    /// The process is gone without a word.
    pub(crate) async fn crash(&mut self) {
        self.running.take().unwrap().abort().await;
        self.upstream.at_once.lock().unwrap().clear();
    }

    pub(crate) async fn shut_down(&mut self) {
        self.running.take().unwrap().shutdown().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    pub(crate) async fn change(&self, changes: Vec<SettingsChange>) {
        let version = self.store.settings().borrow().version;
        let (actor, action) = ("test".into(), "change".into());
        let audit = AuditEntry { at: self.now(), actor, action, detail: serde_json::Value::Null };
        self.store.change_settings(version, changes, audit).await.unwrap();
    }

    pub(crate) async fn hand_in(&self, mail: Mail) -> MessageId {
        static RANDOM: AtomicU64 = AtomicU64::new(1);
        let now = self.now();
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap();
        let id = MessageId::new(milliseconds, u128::from(RANDOM.fetch_add(1, Ordering::Relaxed)));
        let mut body = self.store.stage_body().await.unwrap();
        body.write(&vec![b'x'; mail.bytes]).await.unwrap();
        let sender: Address = "app@contoso.test".parse().unwrap();
        let mut envelope = Envelope::new(sender.clone());
        mail.to.iter().for_each(|to| envelope.add(to.parse::<Address>().unwrap()));
        let message = NewMessage {
            id,
            envelope,
            body: body.finish().await.unwrap(),
            added_header: String::new(),
            header_from: Some(sender),
            subject: None,
            internet_message_id: None,
            routed_to: Some(RoutedTo {
                connection: ConnectionId(mail.connection.into()),
                mailbox: mail.mailbox.parse().unwrap(),
            }),
            hold: None,
            priority: mail.priority,
            send_at: None,
            received_at: now,
            expires_at: now + SignedDuration::from_hours(24 * 14),
            account: mail.account.map(|account| AccountId(account.into())),
            via: Via::Smtp,
            peer: None,
            idempotency: None,
            metadata: None,
        };
        self.store.enqueue(message).await.unwrap();
        id
    }

    pub(crate) async fn hand_in_many(&self, count: usize, mail: &Mail) {
        for _ in 0..count {
            self.hand_in(mail.clone()).await;
        }
    }
}
