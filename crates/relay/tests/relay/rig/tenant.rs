//! A relay on a SQLite store that delivers into a sandbox tenant: everything real but Microsoft.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use relay::{Backoff, Connections, Limits, Network, Relay, RelayConfig, Running};
use sandbox::{Config, Sandbox};
use secrecy::SecretString;
use settings::{
    Cloud, Connection, ConnectionId, Credential, CustomCloud, Emails, FromPolicy, RoutedTo, Service, Tenant, TenantId,
};
use store::sqlite::SqliteStore;
use store::{
    AuditEntry, MessageDetail, MessageState, NewMessage, NodeId, Priority, SecretField, SettingsChange, Store, Via,
};

pub(crate) const MAILBOX: &str = "noreply@contoso.test";

pub(crate) struct Gateway {
    pub(crate) sandbox: sandbox::Running,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) folder: tempfile::TempDir,
    _relay: Running,
}

impl Gateway {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let sandbox = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        set_up(&store, &sandbox.base_url, "sandbox-secret").await;
        let connections = Connections::new(Arc::clone(&store), Network::default());
        let mut relay = RelayConfig::new(NodeId("node".into()));
        let quick = Backoff { first: Duration::from_millis(20), cap: Duration::from_millis(200) };
        relay.limits = Limits { message_backoff: quick, lane_backoff: quick, ..Limits::default() };
        let relay = Relay::start(Arc::clone(&store), Arc::new(connections), relay).await.unwrap();
        Self { sandbox, store, folder, _relay: relay }
    }

    /// Stores a message as intake would; the whole of it is `raw`.
    pub(crate) async fn enqueue(&self, raw: &[u8], recipients: &[&str], mailbox: &str) -> MessageId {
        self.enqueue_for(raw, recipients, mailbox, None).await
    }

    /// The same, to leave at `send_at`.
    pub(crate) async fn enqueue_for(
        &self,
        raw: &[u8],
        recipients: &[&str],
        mailbox: &str,
        send_at: Option<Timestamp>,
    ) -> MessageId {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let now = Timestamp::now();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let id = MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), u128::from(serial));
        let mut body = self.store.stage_body().await.unwrap();
        body.write(raw).await.unwrap();
        let sender: Address = MAILBOX.parse().unwrap();
        let mut envelope = Envelope::new(sender.clone());
        for recipient in recipients {
            envelope.add(recipient.parse::<Address>().unwrap());
        }
        let message = NewMessage {
            id,
            envelope,
            body: body.finish().await.unwrap(),
            added_header: format!("Received: by test\r\nMessage-ID: <{id}@test>\r\n"),
            header_from: Some(sender),
            subject: None,
            internet_message_id: None,
            routed_to: Some(RoutedTo { connection: ConnectionId("c".into()), mailbox: mailbox.parse().unwrap() }),
            hold: None,
            priority: Priority::Normal,
            send_at,
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

    /// Waits for that state. The deadline only ends a test that has failed already.
    pub(crate) async fn until_state(&self, id: MessageId, state: MessageState) -> MessageDetail {
        let mut news = self.store.subscribe();
        let arrived = async {
            loop {
                let detail = self.detail(id).await;
                if detail.message.state == state {
                    return detail;
                }
                let _news_or_lag = news.recv().await;
            }
        };
        let detail = tokio::time::timeout(Duration::from_mins(1), arrived).await.ok();
        detail.unwrap_or_else(|| panic!("{id} does not become {state:?}"))
    }

    /// Everything the sandbox took for the message, as submitted.
    pub(crate) fn submitted(&self, id: MessageId) -> Vec<Arc<sandbox::StoredMessage>> {
        let message_id = format!("{id}@test");
        let deliveries = self.sandbox.deliveries().into_iter();
        let ours = deliveries.filter(|d| d.internet_message_id.as_ref().is_some_and(|m| m.contains(&message_id)));
        ours.filter_map(|delivery| self.sandbox.message(&delivery.id)).collect()
    }

    pub(crate) async fn change_secret(&self, secret: &str) {
        set_up(&self.store, &self.sandbox.base_url, secret).await;
    }
}

pub(crate) async fn set_up(store: &Arc<dyn Store>, base_url: &str, secret: &str) {
    let base: url::Url = base_url.parse().unwrap();
    let field = SecretField { table: "tenant", id: "t".into(), field: "client_secret" };
    let secret = store.key_ring().seal(&field, &SecretString::from(secret)).unwrap();
    let tenant = Tenant {
        id: TenantId("t".into()),
        name: "Contoso".into(),
        cloud: Cloud::Custom(CustomCloud { login: base.clone(), graph: base, smtp: None }),
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        client_id: "66666666-7777-8888-9999-000000000000".into(),
        credential: Some(Credential::ClientSecret { secret, expires: None }),
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    };
    let connection = Connection {
        tenant: Some(tenant.id.clone()),
        ..Connection::new(ConnectionId("c".into()), "Contoso Graph", Service::GraphApi)
    };
    let emails = Emails {
        enabled: true,
        mailbox: Some(MAILBOX.parse().unwrap()),
        service_connection: Some(connection.id.clone()),
        from_policy: FromPolicy::Keep,
        ..Emails::default()
    };
    let changes = vec![
        SettingsChange::PutTenant(tenant),
        SettingsChange::PutConnection(connection),
        SettingsChange::PutEmails(emails),
    ];
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: "test".into(),
        action: "set up".into(),
        detail: serde_json::Value::Null,
    };
    let version = store.settings().borrow().version;
    store.change_settings(version, changes, audit).await.unwrap();
}
