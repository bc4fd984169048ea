//! A relay on the in-memory store whose upstream does what the test says.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, EnhancedStatus, Envelope, MessageId};
use relay::{Delivery, LaneVerdict, Relay, RelayConfig, Running, Transport, UpstreamError, Upstreams, Verdict};
use settings::{Connection, ConnectionId, Emails, FromPolicy, OnUncertain};
use settings::{RoutedTo, Service};
use store::model::ModelStore;
use store::{
    AuditEntry, MessageDetail, MessageState, NewMessage, NodeId, Operation, Priority, RecipientOutcome, SettingsChange,
    Store, Via,
};
use tokio::time::Instant;

pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upstream: Arc<Upstream>,
    running: Option<Running>,
    epoch: Instant,
    look_takes: Duration,
}

/// Starts where the paused tokio clock starts, and moves with it, and by `look_takes` with every look at it.
fn clock_since(epoch: Instant, look_takes: Duration) -> relay::Clock {
    let looks = AtomicU32::new(0);
    Arc::new(move || at(epoch, Instant::now() + look_takes * looks.fetch_add(1, Ordering::Relaxed)))
}

fn at(epoch: Instant, now: Instant) -> Timestamp {
    let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    start + SignedDuration::try_from(now - epoch).unwrap()
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::on_a_machine_whose_look_takes(Duration::ZERO).await
    }

    /// Between two looks at the clock so much time passes.
    pub(crate) async fn on_a_machine_whose_look_takes(look_takes: Duration) -> Self {
        let store: Arc<dyn Store> = Arc::new(ModelStore::default());
        let epoch = Instant::now();
        let bench = Self { store, upstream: Arc::default(), running: None, epoch, look_takes };
        let connection = Connection::new(ConnectionId("c".into()), "Contoso Graph", Service::GraphApi);
        bench.change(vec![SettingsChange::PutConnection(connection), SettingsChange::PutEmails(Self::emails())]).await;
        bench.start().await
    }

    async fn start(mut self) -> Self {
        let mut config = RelayConfig::new(NodeId("node".into()));
        config.clock = clock_since(self.epoch, self.look_takes);
        let upstreams: Arc<dyn Upstreams> = Arc::new(Handle(Arc::clone(&self.upstream), String::new()));
        self.running = Some(Relay::start(Arc::clone(&self.store), upstreams, config).await.unwrap());
        self
    }

    /// The process is gone without a word; another one starts on the same store.
    pub(crate) async fn crash_and_start_again(mut self) -> Self {
        self.running.take().unwrap().abort().await;
        self.upstream.take(Duration::ZERO);
        self.start().await
    }

    pub(crate) async fn start_again(self) -> Self {
        self.start().await
    }

    /// Another node takes the lane for that long, claims what is due, and is never heard of again.
    pub(crate) async fn claim_as_another_node(&self, until: Duration) {
        let now = self.now();
        let lane = self.store.lanes_with_work().await.unwrap().remove(0).id;
        // Our own lease may still run; the other node comes after it.
        let later = now + SignedDuration::from_mins(10);
        let until = now + SignedDuration::try_from(until).unwrap();
        let other = NodeId("another".into());
        let taken = self.store.lease_lane(lane, &other, None, later + SignedDuration::from_mins(1), later).await;
        let lease = taken.unwrap().unwrap();
        self.store.claim(&lease, 1, 500, now).await.unwrap();
        self.store.lease_lane(lane, &other, Some(&lease), until, later).await.unwrap().unwrap();
    }

    pub(crate) async fn shut_down(mut self) -> Self {
        self.running.take().unwrap().shutdown().await;
        self
    }

    pub(crate) fn emails() -> Emails {
        Emails {
            enabled: true,
            mailbox: Some("noreply@contoso.test".parse().unwrap()),
            service_connection: Some(ConnectionId("c".into())),
            ..Emails::default()
        }
    }

    pub(crate) async fn change_emails(&self, emails: Emails) {
        self.change(vec![SettingsChange::PutEmails(emails)]).await;
    }

    pub(crate) async fn change(&self, changes: Vec<SettingsChange>) {
        let version = self.store.settings().borrow().version;
        let audit = AuditEntry {
            at: self.now(),
            actor: "test".into(),
            action: "change".into(),
            detail: serde_json::Value::Null,
        };
        self.store.change_settings(version, changes, audit).await.unwrap();
    }

    pub(crate) async fn enqueue(&self, draft: Draft) -> MessageId {
        static RANDOM: AtomicU32 = AtomicU32::new(1);
        let now = self.now();
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap();
        let id = MessageId::new(milliseconds, u128::from(RANDOM.fetch_add(1, Ordering::Relaxed)));
        let mut body = self.store.stage_body().await.unwrap();
        body.write(b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        let sender: Address = "app@contoso.test".parse().unwrap();
        let mut envelope = Envelope::new(sender.clone());
        draft.recipients.into_iter().for_each(|recipient| envelope.add(recipient));
        let message = NewMessage {
            id,
            envelope,
            body: body.finish().await.unwrap(),
            added_header: String::new(),
            header_from: Some(sender),
            subject: None,
            internet_message_id: None,
            routed_to: Some(RoutedTo { connection: ConnectionId("c".into()), mailbox: draft.mailbox }),
            hold: None,
            priority: draft.priority,
            send_at: draft.after.map(|after| now + SignedDuration::try_from(after).unwrap()),
            received_at: now,
            expires_at: now + SignedDuration::from_hours(48),
            account: None,
            via: Via::Smtp,
            peer: None,
            idempotency: None,
            metadata: None,
        };
        self.store.enqueue(message).await.unwrap();
        id
    }

    pub(crate) async fn detail(&self, id: MessageId) -> MessageDetail {
        self.store.message(id).await.unwrap()
    }

    pub(crate) async fn state(&self, id: MessageId) -> MessageState {
        self.detail(id).await.message.state
    }

    pub(crate) async fn operate(&self, id: MessageId, operation: Operation) {
        self.store.operate(id, operation, "test", None, self.now()).await.unwrap();
    }

    /// Waits for that state; gives up after a week of the test's own time.
    pub(crate) async fn until_state(&self, id: MessageId, state: MessageState) {
        let mut news = self.store.subscribe();
        let arrived = async {
            while self.state(id).await != state {
                news.recv().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_hours(24 * 7), arrived).await.expect("the state is reached");
    }

    /// Waits for so many attempts on that connection.
    pub(crate) async fn until_sends_by(&self, connection: &str, count: usize) {
        let mut sends = self.upstream.started.subscribe();
        let arrived = sends.wait_for(|_| self.upstream.sends_by(connection) >= count);
        tokio::time::timeout(Duration::from_hours(1), arrived).await.expect("as many sends").unwrap();
    }

    pub(crate) async fn until_sends(&self, count: usize) {
        let mut sends = self.upstream.started.subscribe();
        let arrived = sends.wait_for(|sends| *sends >= count);
        tokio::time::timeout(Duration::from_hours(1), arrived).await.expect("as many sends").unwrap();
    }

    fn now(&self) -> Timestamp {
        at(self.epoch, Instant::now())
    }
}

pub(crate) struct Draft {
    recipients: Vec<Address>,
    mailbox: Address,
    priority: Priority,
    after: Option<Duration>,
}

pub(crate) fn message_to(recipients: &[&str]) -> Draft {
    let recipients = recipients.iter().map(|text| text.parse().unwrap()).collect();
    Draft { recipients, mailbox: "noreply@contoso.test".parse().unwrap(), priority: Priority::Normal, after: None }
}

impl Draft {
    pub(crate) fn out_of(mut self, mailbox: &str) -> Self {
        self.mailbox = mailbox.parse().unwrap();
        self
    }

    /// To leave so much later.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.after = Some(wait);
        self
    }

    pub(crate) fn bulk(mut self) -> Self {
        self.priority = Priority::Bulk;
        self
    }

    pub(crate) fn high(mut self) -> Self {
        self.priority = Priority::High;
        self
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) at: Instant,
    pub(crate) connection: String,
    pub(crate) recipients: Vec<String>,
}

type Rule = Box<dyn Fn(usize) -> Verdict + core::marker::Send + Sync>;

/// Accepts everything, unless told otherwise.
#[derive(Default)]
pub(crate) struct Upstream {
    script: Mutex<VecDeque<Verdict>>,
    always: Mutex<Option<Rule>>,
    by_connection: Mutex<HashMap<String, Rule>>,
    delays: Mutex<HashMap<usize, Duration>>,
    takes: Mutex<Duration>,
    panic_on: Mutex<Option<usize>>,
    sends: Mutex<Vec<Send>>,
    started: tokio::sync::watch::Sender<usize>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    max_recipients: AtomicU32,
    holds: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("scripted upstream")
    }
}

impl Upstream {
    pub(crate) fn script(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        self.script.lock().unwrap().extend(verdicts);
    }

    pub(crate) fn always(&self, rule: impl Fn(usize) -> Verdict + core::marker::Send + Sync + 'static) {
        *self.always.lock().unwrap() = Some(Box::new(rule));
    }

    /// What one connection does; goes before [`Self::always`].
    pub(crate) fn rule(&self, connection: &str, rule: impl Fn(usize) -> Verdict + core::marker::Send + Sync + 'static) {
        self.by_connection.lock().unwrap().insert(connection.to_owned(), Box::new(rule));
    }

    pub(crate) fn take(&self, duration: Duration) {
        *self.takes.lock().unwrap() = duration;
    }

    pub(crate) fn delay_nth(&self, nth: usize, delay: Duration) {
        self.delays.lock().unwrap().insert(nth, delay);
    }

    pub(crate) fn panic_on_nth(&self, nth: usize) {
        *self.panic_on.lock().unwrap() = Some(nth);
    }

    pub(crate) fn on_uncertain(&self, policy: OnUncertain) {
        self.holds.store(policy == OnUncertain::Hold, Ordering::Relaxed);
    }

    pub(crate) fn max_recipients(&self, max: u32) {
        self.max_recipients.store(max, Ordering::Relaxed);
    }

    pub(crate) fn sends(&self) -> Vec<Send> {
        self.sends.lock().unwrap().clone()
    }

    pub(crate) fn sends_by(&self, connection: &str) -> usize {
        self.sends().iter().filter(|send| send.connection == connection).count()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::Relaxed)
    }
}

/// The upstream as the relay holds it.
#[derive(Debug)]
struct Handle(Arc<Upstream>, String);

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
        let recipients: Vec<String> = delivery.claim.addresses().map(ToString::to_string).collect();
        let count = recipients.len();
        let upstream = &self.0;
        let nth = {
            let mut sends = upstream.sends.lock().unwrap();
            sends.push(Send { at: Instant::now(), connection: self.1.clone(), recipients });
            sends.len() - 1
        };
        let verdict = upstream.script.lock().unwrap().pop_front();
        let verdict = verdict.or_else(|| upstream.by_connection.lock().unwrap().get(&self.1).map(|rule| rule(count)));
        let verdict = verdict.or_else(|| upstream.always.lock().unwrap().as_ref().map(|rule| rule(count)));
        let under_way = upstream.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        upstream.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        upstream.started.send_modify(|started| *started += 1);
        let delay = upstream.delays.lock().unwrap().remove(&nth).unwrap_or(*upstream.takes.lock().unwrap());
        tokio::time::sleep(delay).await;
        let unlucky = *upstream.panic_on.lock().unwrap();
        assert_ne!(unlucky, Some(nth), "a bug, as the test asked for");
        upstream.under_way.fetch_sub(1, Ordering::Relaxed);
        verdict.unwrap_or_else(|| go(count))
    }

    fn in_flight(&self) -> u32 {
        3
    }

    fn max_recipients(&self) -> u32 {
        match self.0.max_recipients.load(Ordering::Relaxed) {
            0 => 500,
            max => max,
        }
    }

    fn on_uncertain(&self) -> OnUncertain {
        if self.0.holds.load(Ordering::Relaxed) { OnUncertain::Hold } else { OnUncertain::Retry }
    }
}

pub(crate) fn go(count: usize) -> Verdict {
    Verdict::all(count, RecipientOutcome::Accepted, LaneVerdict::Go)
}

pub(crate) fn refused(count: usize) -> Verdict {
    Verdict::all(count, RecipientOutcome::Refused(EnhancedStatus::permanent(1, 1)), LaneVerdict::MessageOnly)
}

pub(crate) fn uncertain(count: usize) -> Verdict {
    Verdict::all(count, RecipientOutcome::Uncertain, LaneVerdict::MessageOnly)
}
