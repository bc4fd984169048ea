//! A small world for the tests of this crate: a store in memory, a clock that is moved, messages that end as told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use settings::{Connection, ConnectionId, Emails, RoutedTo, Service, Settings};
use store::model::ModelStore;
use store::{
    AttemptReport, AuditEntry, Claim, Explanation, Lease, NewMessage, NodeId, Priority, RecipientOutcome,
    SettingsChange, StagedBody, Store, Via,
};
use tokio_util::sync::CancellationToken;

use crate::TellingConfig;
use crate::running::Shared;

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn connection(id: &str) -> Connection {
    Connection::new(ConnectionId(id.into()), id, Service::GraphApi)
}

/// Mail goes by the connection `main`, from noreply@contoso.test.
pub(crate) fn settings() -> Settings {
    Settings {
        connections: vec![connection("main")],
        emails: Emails {
            enabled: true,
            mailbox: Some(address("noreply@contoso.test")),
            service_connection: Some(ConnectionId("main".into())),
            ..Emails::default()
        },
        ..Settings::default()
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) store: Arc<ModelStore>,
    pub(crate) shared: Shared,
    seconds: Arc<AtomicI64>,
    number: AtomicI64,
}

impl World {
    pub(crate) async fn new() -> Self {
        let store = Arc::new(ModelStore::default());
        let seconds = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&seconds);
        let mut config = TellingConfig::new("gate.contoso.test");
        config.clock = Arc::new(move || at(time.load(Ordering::SeqCst)));
        let shared = Shared {
            store: Arc::<ModelStore>::clone(&store),
            config,
            ids: Arc::default(),
            alarm_news: Arc::new(tokio::sync::watch::Sender::new(())),
            stop: CancellationToken::new(),
        };
        let world = Self { store, shared, seconds, number: AtomicI64::new(1) };
        let Settings { connections, emails, .. } = settings();
        let mut changes: Vec<SettingsChange> = connections.into_iter().map(SettingsChange::PutConnection).collect();
        changes.push(SettingsChange::PutEmails(emails));
        world.change(changes).await;
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.now()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn change(&self, changes: Vec<SettingsChange>) {
        let entry =
            AuditEntry { at: self.now(), actor: "test".into(), action: "test".into(), detail: serde_json::Value::Null };
        let version = self.store.settings().borrow().version;
        self.store.change_settings(version, changes, entry).await.unwrap();
    }

    /// Queues a message from erp@contoso.test to bob@x.test and eve@x.test, as `change` has it.
    pub(crate) async fn queue(&self, change: impl FnOnce(&mut NewMessage)) -> MessageId {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let now = self.now();
        let id = MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), u128::try_from(number).unwrap());
        let mut envelope = Envelope::new(address("erp@contoso.test"));
        envelope.add(address("bob@x.test"));
        envelope.add(address("eve@x.test"));
        let mut message = NewMessage {
            id,
            envelope,
            body: StagedBody::inline(Bytes::from_static(
                b"Message-ID: <1@erp.test>\r\nSubject: Order 7\r\nBcc: eve@x.test\r\n\r\nHello\r\n",
            ))
            .unwrap(),
            added_header: "Received: by gate.contoso.test\r\n".into(),
            header_from: Some(address("erp@contoso.test")),
            subject: Some("Order 7".into()),
            internet_message_id: Some("<1@erp.test>".into()),
            routed_to: Some(route("main")),
            hold: None,
            priority: Priority::Normal,
            send_at: None,
            received_at: now,
            expires_at: now + SignedDuration::from_hours(48),
            account: None,
            via: Via::Smtp,
            peer: None,
            idempotency: None,
            metadata: None,
        };
        change(&mut message);
        self.store.enqueue(message).await.unwrap();
        id
    }

    /// Claims the next message of `connection` and ends the attempt with these outcomes.
    pub(crate) async fn end(&self, connection: &str, outcomes: &[RecipientOutcome]) -> Claim {
        let (lane, now) = (self.store.lane_of(&route(connection)).await.unwrap(), self.now());
        let node = NodeId("test".into());
        let until = now + SignedDuration::from_mins(1);
        let lease: Lease = self.store.lease_lane(lane, &node, None, until, now).await.unwrap().unwrap();
        let claim = self.store.claim(&lease, 1, 500, now).await.unwrap().remove(0);
        let report = AttemptReport {
            outcomes: outcomes.to_vec(),
            explanation: Some(Explanation { what: "Graph refused it.".into(), ..Explanation::default() }),
            request_id: None,
            due_at: now,
            retry_uncertain: false,
            settles_doubt: false,
        };
        self.store.finish_attempt(&claim, report, now).await.unwrap();
        claim
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn route(connection: &str) -> RoutedTo {
    RoutedTo { connection: ConnectionId(connection.into()), mailbox: address("noreply@contoso.test") }
}
