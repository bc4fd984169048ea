//! What tests of the ways in stand on: an intake over a real store in a temporary folder, and a clock that is moved.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use mail::{Address, Envelope};
use settings::{Account, AccountId};
use store::sqlite::SqliteStore;
use store::{AuditEntry, MessageDetail, SettingsChange, Store, Via};
use tokio::io::AsyncReadExt;

use crate::clock::Clock;
use crate::intake::{Intake, Limits, Origin, Refusal, Submitter};

pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub(crate) struct World {
    pub(crate) intake: Intake,
    pub(crate) clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let clock = Arc::new(TestClock(AtomicI64::new(1_700_000_000)));
        let intake = Intake::new(store, clock.clone(), "gate.contoso.test", limits);
        Self { intake, clock, _folder: folder }
    }

    pub(crate) async fn change(&self, changes: Vec<SettingsChange>) {
        let version = self.intake.store().settings().borrow().version;
        let audit = AuditEntry {
            at: self.clock.now(),
            actor: "test".into(),
            action: "test".into(),
            detail: serde_json::Value::Null,
        };
        self.intake.store().change_settings(version, changes, audit).await.unwrap();
    }

    pub(crate) async fn submit(
        &self,
        submitter: Submitter,
        envelope: Envelope,
        message: &[u8],
    ) -> Result<MessageDetail, Refusal> {
        let mut incoming = self.intake.begin(origin(submitter), envelope).await?;
        incoming.write(message).await?;
        let id = incoming.commit().await?;
        Ok(self.intake.store().message(id).await.unwrap())
    }

    pub(crate) async fn body(&self, detail: &MessageDetail) -> Vec<u8> {
        let mut body = Vec::new();
        self.intake.store().read_body(detail.message.id).await.unwrap().read_to_end(&mut body).await.unwrap();
        body
    }
}

pub(crate) fn origin(submitter: Submitter) -> Origin {
    Origin { via: Via::Smtp, peer: Some(PEER), helo: Some("erp".into()), tls: None, submitter, hostname: None }
}

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    let mut envelope = Envelope::new(from.parse::<Address>().unwrap());
    for recipient in to {
        envelope.add(recipient.parse::<Address>().unwrap());
    }
    envelope
}

pub(crate) fn account() -> Account {
    Account {
        id: AccountId("a1".into()),
        name: "erp".into(),
        password_hash: None,
        token_digest: None,
        allowed_senders: vec!["*@contoso.test".parse().unwrap()],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        messages_per_minute: None,
    }
}
