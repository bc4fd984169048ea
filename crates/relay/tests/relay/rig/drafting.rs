//! Deliveries by way of drafts, with a relay that can be killed between two instructions.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail::{Address, Envelope, MessageId};
use mail_parser::{MessageParser, MimeHeaders as _};
use relay::{Backoff, Connections, Limits, Network, Relay, RelayConfig, Running};
use sandbox::{Config, Sandbox};
use settings::{Connection, ConnectionId, Delivery, OnUncertain, RoutedTo};
use store::sqlite::SqliteStore;
use store::{AuditEntry, MessageDetail, NewMessage, NodeId, Priority, SettingsChange, Store, Via};
use tokio::runtime::Runtime;

use super::tenant::set_up;

/// A relay of its own runtime, a store, and the sandbox's tenant.
pub(crate) struct Rig {
    pub(crate) sandbox: sandbox::Running,
    pub(crate) store: Arc<dyn Store>,
    /// Dropped with its runtime, it dies between two instructions, as a killed process does.
    relay: Option<(Running, Runtime)>,
    _folder: tempfile::TempDir,
}

/// The sandbox's tenant with an app that may read and write mail, and limits that do not matter.
pub(crate) fn tenant(roles: &[&str]) -> Config {
    let mut config = Config::default();
    config.tenants[0].apps[0].roles = roles.iter().map(|role| (*role).to_owned()).collect();
    config.limits.requests_per_window = 1_000_000;
    config.limits.upload_bytes_per_window = u64::MAX / 2;
    config
}

pub(crate) async fn change_connection(store: &Arc<dyn Store>, change: impl FnOnce(&mut Connection)) {
    let settings = Arc::clone(&store.settings().borrow());
    let mut connection = settings.connections[0].clone();
    change(&mut connection);
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: "test".into(),
        action: "set up".into(),
        detail: serde_json::Value::Null,
    };
    let change = vec![SettingsChange::PutConnection(connection)];
    store.change_settings(settings.version, change, audit).await.unwrap();
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.relay.is_some() {
            self.kill_relay();
        }
    }
}

impl Rig {
    pub(crate) async fn new(delivery: Delivery, large_messages: bool) -> Self {
        Self::with(tenant(&["Mail.Send", "Mail.ReadWrite"]), delivery, large_messages, OnUncertain::Retry).await
    }

    pub(crate) async fn with(
        config: Config,
        delivery: Delivery,
        large_messages: bool,
        on_uncertain: OnUncertain,
    ) -> Self {
        let sandbox = Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        set_up(&store, &sandbox.base_url, "sandbox-secret").await;
        change_connection(&store, |connection| {
            (connection.delivery, connection.large_messages) = (delivery, large_messages);
            connection.on_uncertain = on_uncertain;
        })
        .await;
        let mut rig = Self { sandbox, store, relay: None, _folder: folder };
        rig.start_relay().await;
        rig
    }

    /// The same node's next life.
    pub(crate) async fn start_relay(&mut self) {
        let connections = Connections::new(Arc::clone(&self.store), Network::default());
        let mut config = RelayConfig::new(NodeId("node".into()));
        let quick = Backoff { first: Duration::from_millis(2), cap: Duration::from_millis(10) };
        let housekeeping = Duration::from_millis(100);
        config.limits = Limits { message_backoff: quick, lane_backoff: quick, housekeeping, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = Arc::clone(&self.store);
        let started = runtime.spawn(async move { Relay::start(store, Arc::new(connections), config).await.unwrap() });
        self.relay = Some((started.await.unwrap(), runtime));
    }

    pub(crate) fn kill_relay(&mut self) {
        let (running, runtime) = self.relay.take().unwrap();
        runtime.shutdown_background();
        // Its end, which would wait for attempts under way, never runs.
        std::mem::forget(running);
    }

    pub(crate) async fn enqueue(&self, raw: &[u8], recipients: &[&str], mailbox: &str) -> MessageId {
        let now = Timestamp::now();
        let id = MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), rand_bits());
        let mut body = self.store.stage_body().await.unwrap();
        for chunk in raw.chunks(1024 * 1024) {
            body.write(chunk).await.unwrap();
        }
        let sender: Address = mailbox.parse().unwrap();
        let mut envelope = Envelope::new(sender.clone());
        recipients.iter().for_each(|recipient| envelope.add(recipient.parse::<Address>().unwrap()));
        let message = NewMessage {
            id,
            envelope,
            body: body.finish().await.unwrap(),
            added_header: format!("Received: by test\r\nMessage-ID: <{id}@test>\r\n"),
            header_from: Some(sender.clone()),
            subject: None,
            internet_message_id: Some(format!("{id}@test")),
            routed_to: Some(RoutedTo { connection: ConnectionId("c".into()), mailbox: sender }),
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
        self.store.enqueue(message).await.unwrap();
        id
    }

    pub(crate) async fn until_settled(&self, id: MessageId) -> MessageDetail {
        let mut news = self.store.subscribe();
        let settled = async {
            loop {
                let detail = self.store.message(id).await.unwrap();
                if detail.message.state.is_settled() {
                    return detail;
                }
                let _news_or_lag = news.recv().await;
            }
        };
        let detail = tokio::time::timeout(Duration::from_mins(3), settled).await.ok();
        detail.unwrap_or_else(|| panic!("{id} is not settled"))
    }

    /// Waits until the sandbox was asked for `what` as often.
    pub(crate) async fn until_asked(&self, what: &str, times: usize) {
        let asked = async {
            while self.sandbox.requests().iter().filter(|it| it.target.contains(what)).count() < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), asked).await.unwrap();
    }

    /// Waits until housekeeping has tidied up.
    pub(crate) async fn until_no_drafts(&self, mailbox: &str) {
        let tidied = async {
            while !self.sandbox.drafts(mailbox).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), tidied).await.unwrap();
    }

    /// How often each message was delivered, by its Message-ID.
    pub(crate) fn copies(&self) -> HashMap<String, usize> {
        let mut copies = HashMap::new();
        for delivery in self.sandbox.deliveries() {
            let id = delivery.internet_message_id.clone().unwrap_or_default();
            *copies.entry(id.trim_matches(['<', '>']).to_owned()).or_default() += 1;
        }
        copies
    }

    pub(crate) fn only_message(&self) -> Vec<u8> {
        let deliveries = self.sandbox.deliveries();
        assert_eq!(deliveries.len(), 1);
        self.sandbox.message(&deliveries[0].id).unwrap().raw.to_vec()
    }
}

fn rand_bits() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    u128::from(SERIAL.fetch_add(1, Ordering::Relaxed))
}

/// Bytes that are no text and do not repeat soon.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(byte).collect()
}

fn base64_lines(content: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(content);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

/// A letter with files of these sizes.
pub(crate) fn letter(sizes: &[usize]) -> Vec<u8> {
    let mut text = "From: Me <noreply@contoso.test>\r\nTo: Anna <a@x.test>\r\nSubject: =?utf-8?q?gro=C3=9F?=\r\nReply-To: r@x.test\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_m\"\r\n\r\n--=_m\r\n\
        Content-Type: multipart/alternative; boundary=\"=_a\"\r\n\r\n--=_a\r\n\r\nplain\r\n--=_a\r\n\
        Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"x\">gr=C3=BCn</p>\r\n\
        --=_a--\r\n"
        .to_owned();
    for (number, size) in sizes.iter().enumerate() {
        write!(
            text,
            "--=_m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''gr%C3%BCn-{number}.bin\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            base64_lines(&noise(*size))
        )
        .unwrap();
    }
    text.push_str("--=_m--\r\n");
    text.into_bytes()
}

pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const SMALL: &[u8] = b"From: noreply@contoso.test\r\nTo: a@x.test\r\nSubject: hello\r\n\r\nhello\r\n";

/// The received message has these files, whole, and the text.
pub(crate) fn assert_whole(raw: &[u8], sizes: &[usize]) {
    let mail = MessageParser::default().parse(raw).unwrap();
    assert_eq!(mail.subject(), Some("groß"));
    assert_eq!(mail.body_html(0).unwrap().trim(), "<p class=\"x\">grün</p>");
    assert_eq!(mail.attachment_count(), sizes.len());
    for (number, size) in sizes.iter().enumerate() {
        let file = mail.attachment(u32::try_from(number).unwrap()).unwrap();
        assert!(file.contents() == noise(*size), "file {number} of {size} bytes differs");
        assert_eq!(file.attachment_name(), Some(format!("grün-{number}.bin").as_str()));
    }
}
