//! A stream of messages while the application's credential is rotated: none fails, none is lost, none comes twice, and none
//! waits longer than for a second try.

use std::time::Duration;

use jiff::Timestamp;
use mail::MessageId;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use sandbox::WorkloadToken;
use sandbox::config::{Config, FederatedCredential};
use secrecy::SecretString;
use settings::{Certificate, Credential};
use store::{AuditEntry, MessageState, SecretField, SettingsChange};

use crate::tenant::{Gateway, MAILBOX};

const APP: &str = "66666666-7777-8888-9999-000000000000";
const OLD: &str = "sandbox-secret";
const NEW: &str = "next-secret";
const SUBJECT: &str = "system:serviceaccount:mail:postern";

/// Sends `count` messages without waiting for any.
async fn pour(gateway: &Gateway, count: usize) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let message = format!("From: {MAILBOX}\r\nTo: a@x.test\r\nSubject: stream\r\n\r\nhello\r\n");
        ids.push(gateway.enqueue(message.as_bytes(), &["a@x.test"], MAILBOX).await);
    }
    ids
}

async fn delivered(gateway: &Gateway, count: u64) {
    let wait = gateway.sandbox.wait_for_deliveries(count);
    tokio::time::timeout(Duration::from_mins(1), wait).await.expect("the stream has stopped");
}

/// Everything left, once, in `tries` attempts at most each.
async fn all_left(gateway: &Gateway, ids: &[MessageId], tries: usize) {
    for id in ids {
        let detail = gateway.until_state(*id, MessageState::Sent).await;
        assert!(detail.attempts.len() <= tries, "{id}: {:?}", detail.attempts);
        assert!(!detail.message.may_be_duplicated, "{id}");
        assert_eq!(gateway.submitted(*id).len(), 1, "{id}");
    }
}

async fn change_credential(gateway: &Gateway, credential: Credential) {
    let settings = gateway.store.settings().borrow().clone();
    let tenant = settings::Tenant { credential: Some(credential), ..settings.tenants[0].clone() };
    let audit = AuditEntry {
        at: Timestamp::now(),
        actor: "test".into(),
        action: "rotated".into(),
        detail: serde_json::Value::Null,
    };
    let changes = vec![SettingsChange::PutTenant(tenant)];
    gateway.store.change_settings(settings.version, changes, audit).await.unwrap();
}

struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(vec!["gateway.test".to_owned()]).unwrap().self_signed(&pair).unwrap();
        Self { certificate: certificate.pem(), key: pair.serialize_pem() }
    }

    fn sealed(&self, gateway: &Gateway) -> Credential {
        let field = SecretField { table: "tenant", id: "t".into(), field: "private_key" };
        let private_key = gateway.store.key_ring().seal(&field, &SecretString::from(self.key.as_str())).unwrap();
        Credential::Certificate(Certificate { certificate_pem: self.certificate.clone(), private_key })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_with_two_valid_at_once_and_nobody_notices() {
    let gateway = Gateway::new().await;
    let mut ids = pour(&gateway, 20).await;
    delivered(&gateway, 10).await;
    gateway.sandbox.change_secrets(APP, &[OLD, NEW]);
    gateway.change_secret(NEW).await;
    ids.extend(pour(&gateway, 20).await);
    delivered(&gateway, 25).await;
    // From here on the new one alone is good, and every token so far is worthless: one is needed at once.
    gateway.sandbox.change_secrets(APP, &[NEW]);
    gateway.sandbox.revoke_tokens();
    ids.extend(pour(&gateway, 20).await);
    all_left(&gateway, &ids, 1).await;
    assert_eq!(gateway.sandbox.stats().token_errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_revoked_before_the_new_one_is_entered_costs_a_second_try_and_no_mail() {
    let gateway = Gateway::new().await;
    let mut ids = pour(&gateway, 20).await;
    delivered(&gateway, 10).await;
    gateway.sandbox.change_secrets(APP, &[NEW]);
    gateway.sandbox.revoke_tokens();
    ids.extend(pour(&gateway, 20).await);
    // Until the lane has found out, and rests for an administrator: for five minutes, if nobody came.
    let mut news = gateway.store.subscribe();
    while !gateway.store.lanes_with_work().await.unwrap().iter().any(|lane| lane.pause.is_some()) {
        let _news_or_lag = news.recv().await;
    }
    gateway.change_secret(NEW).await;
    ids.extend(pour(&gateway, 20).await);
    all_left(&gateway, &ids, 3).await;
}

/// Over and over, at whatever moment of the attempts it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_revoked_at_the_moment_of_the_change_stops_nothing() {
    let gateway = Gateway::new().await;
    let mut ids = Vec::new();
    for round in 1..=12 {
        let secret = format!("secret-{round}");
        ids.extend(pour(&gateway, 6).await);
        delivered(&gateway, (round - 1) * 6 + 1 + round % 3).await;
        gateway.sandbox.change_secrets(APP, &[&secret]);
        gateway.sandbox.revoke_tokens();
        gateway.change_secret(&secret).await;
    }
    ids.extend(pour(&gateway, 6).await);
    all_left(&gateway, &ids, 4).await;
    assert!(gateway.store.lanes(10).await.unwrap().iter().all(|lane| lane.pause.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_rotated_with_two_valid_at_once_and_nobody_notices() {
    let (old, new) = (Pair::new(), Pair::new());
    let gateway = Gateway::new().await;
    gateway.sandbox.change_certificates(APP, &[&old.certificate]);
    change_credential(&gateway, old.sealed(&gateway)).await;
    let mut ids = pour(&gateway, 20).await;
    delivered(&gateway, 10).await;
    gateway.sandbox.change_certificates(APP, &[&old.certificate, &new.certificate]);
    change_credential(&gateway, new.sealed(&gateway)).await;
    ids.extend(pour(&gateway, 20).await);
    delivered(&gateway, 25).await;
    gateway.sandbox.change_certificates(APP, &[&new.certificate]);
    gateway.sandbox.revoke_tokens();
    ids.extend(pour(&gateway, 20).await);
    all_left(&gateway, &ids, 1).await;
    assert_eq!(gateway.sandbox.stats().token_errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_read_again_for_every_token() {
    let mut config = Config::default();
    config.tenants[0].apps[0].secrets.clear();
    config.tenants[0].apps[0].federated.push(FederatedCredential {
        issuer: "kubernetes".to_owned(),
        subject: SUBJECT.to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
    });
    let gateway = Gateway::with(config).await;
    let path = gateway.folder.path().join("token");
    let write = |lifetime_seconds| {
        let order = WorkloadToken {
            subject: SUBJECT.to_owned(),
            audience: "api://AzureADTokenExchange".to_owned(),
            lifetime_seconds,
        };
        std::fs::write(&path, gateway.sandbox.workload_token("kubernetes", &order).unwrap()).unwrap();
    };
    write(3600);
    change_credential(&gateway, Credential::FederatedTokenFile { path: path.clone() }).await;
    let mut ids = pour(&gateway, 10).await;
    delivered(&gateway, 10).await;
    // The next token comes of the file's next content; of the first one nothing is kept.
    write(1800);
    gateway.sandbox.revoke_tokens();
    ids.extend(pour(&gateway, 10).await);
    all_left(&gateway, &ids, 1).await;

    write(-60);
    gateway.sandbox.revoke_tokens();
    let id = pour(&gateway, 1).await[0];
    let mut news = gateway.store.subscribe();
    let pause = loop {
        let lanes = gateway.store.lanes_with_work().await.unwrap();
        if let Some(pause) = lanes.into_iter().find_map(|lane| lane.pause) {
            break pause;
        }
        let _news_or_lag = news.recv().await;
    };
    assert!(pause.needs_administrator && pause.explanation.why.contains("expired"), "{pause:?}");
    // The lane rests before the attempt's end is recorded.
    gateway.until_state(id, MessageState::Queued).await;
}
