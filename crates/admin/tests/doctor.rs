//! The doctor and the connection test, against the sandbox tenant.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

use std::path::Path;
use std::sync::Arc;

use admin::{
    Actor, Check, CheckStatus, DoctorRequest, Mode, SecretSource, SetupFile, apply, doctor, list_connections,
    test_connection,
};
use jiff::Timestamp;
use relay::Network;
use sandbox::{Config, Sandbox};
use store::Store;
use store::sqlite::SqliteStore;

fn setup(base: &str, secret: &str, client: &str, mailbox: &str) -> String {
    format!(
        "[[tenant]]\nname = 'Contoso'\ncloud = {{ login = '{base}', graph = '{base}' }}\n\
         tenant_id = '11111111-2222-3333-4444-555555555555'\nclient_id = '{client}'\nclient_secret = '{secret}'\n\
         client_secret_expires = '2999-01-01'\n\
         [[connection]]\nname = 'C'\nservice = 'Microsoft Entra ID Graph API'\ntenant = 'Contoso'\n\
         [emails]\nmailbox = '{mailbox}'\nservice_connection = 'C'\n"
    )
}

const CLIENT: &str = "66666666-7777-8888-9999-000000000000";

struct Clinic {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Clinic {
    async fn new(setup: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let file = SetupFile::parse("setup.toml", setup).unwrap();
        let secrets = SecretSource::new(Path::new("."));
        apply(&*store, &Actor::command_line(), &file, &secrets, Mode::Change, Timestamp::now()).await.unwrap();
        Self { folder, store }
    }

    async fn checks(&self, send_to: Option<&str>) -> Vec<Check> {
        let request = DoctorRequest {
            connection: None,
            send_to: send_to.map(|text| text.parse().unwrap()),
            network: Network::default(),
            data_dir: self.folder.path().to_owned(),
            configuration: Vec::new(),
            now: Timestamp::now(),
        };
        doctor(&self.store, &Actor::command_line(), &request).await.unwrap()
    }
}

fn named<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

#[tokio::test]
async fn a_healthy_gateway_is_found_healthy_and_its_test_message_arrives() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test")).await;
    let checks = clinic.checks(Some("anna@contoso.test")).await;
    for check in &checks {
        // The test's folder may lie on a tmpfs, or on a disk with little room.
        let may_warn = ["data_folder", "disk_space"].contains(&check.name);
        assert!(check.status == CheckStatus::Ok || may_warn, "{check:?}");
    }
    for name in [
        "store",
        "emails_settings",
        "connection",
        "credential_expiry",
        "clock",
        "token",
        "token_claims",
        "test_message",
    ] {
        named(&checks, name);
    }
    assert!(named(&checks, "test_message").found.contains("request-id"));
    let deliveries = tenant.deliveries();
    assert_eq!(deliveries.len(), 1);
    let connections = list_connections(&*clinic.store, &Actor::command_line()).unwrap();
    assert_eq!(connections[0].used_by, ["emails"]);
}

#[tokio::test]
async fn a_wrong_secret_is_explained_with_its_number_and_nothing_is_checked_behind_it() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let clinic = Clinic::new(&setup(&tenant.base_url, "wrong", CLIENT, "noreply@contoso.test")).await;
    let checks = clinic.checks(Some("anna@contoso.test")).await;
    let token = named(&checks, "token");
    assert_eq!(token.status, CheckStatus::Fail);
    assert!(token.found.contains("AADSTS7000215") && !token.fix.is_empty() && !token.who.is_empty(), "{token:?}");
    assert!(!checks.iter().any(|check| check.name == "test_message"));
    let test = test_connection(&clinic.store, &Actor::command_line(), "C", &Network::default()).await.unwrap();
    assert!(!test.ok && test.explanation.unwrap().code.as_deref() == Some("AADSTS7000215"));
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_found_by_the_test_message_alone() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "ghost@contoso.test")).await;
    assert!(clinic.checks(None).await.iter().all(|check| check.status != CheckStatus::Fail));
    let checks = clinic.checks(Some("anna@contoso.test")).await;
    let message = named(&checks, "test_message");
    assert_eq!(message.status, CheckStatus::Fail);
    assert!(message.found.contains("ghost@contoso.test") && message.found.contains("ErrorInvalidUser"), "{message:?}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_the_networks_business() {
    // A port that was free a moment ago: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clinic = Clinic::new(&setup(&format!("http://{free}"), "x", CLIENT, "noreply@contoso.test")).await;
    let checks = clinic.checks(None).await;
    let network = named(&checks, "network");
    assert!(network.status == CheckStatus::Fail && network.who.contains("network"), "{network:?}");
}

#[tokio::test]
async fn a_token_shows_what_it_allows() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test")).await;
    let test = test_connection(&clinic.store, &Actor::command_line(), "C", &Network::default()).await.unwrap();
    let facts = test.token.unwrap();
    assert!(facts.grants_mail_send && facts.roles.contains(&"Mail.Send".to_owned()));
    assert_eq!(facts.client_id.as_deref(), Some(CLIENT));
    assert!(facts.expires.unwrap() > Timestamp::now());
    let missing = test_connection(&clinic.store, &Actor::command_line(), "D", &Network::default()).await.unwrap_err();
    assert!(missing.to_string().contains("'D'") && missing.fix().contains('C'));
}
