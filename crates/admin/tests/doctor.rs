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
use sandbox::{Config, Fault, FaultKind, Sandbox};
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

    fn request(&self) -> DoctorRequest {
        DoctorRequest {
            connection: None,
            send_to: None,
            send_from: None,
            network: Network::default(),
            data_dir: self.folder.path().to_owned(),
            configuration: Vec::new(),
            now: Timestamp::now(),
        }
    }

    async fn checks(&self, send_to: Option<&str>) -> Vec<Check> {
        let request = DoctorRequest { send_to: send_to.map(|text| text.parse().unwrap()), ..self.request() };
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
        "network",
        "clock",
        "token",
        "token_claims",
        "size_limit",
        "mailbox",
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

/// The sandbox answers as Graph does: the mailbox and the right to it first, the missing recipients last.
#[tokio::test]
async fn each_thing_that_can_be_wrong_with_a_mailbox_is_found_without_sending() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    for (mailbox, code, who) in [
        ("ghost@contoso.test", "ErrorInvalidUser", "administrator"),
        ("unlicensed@contoso.test", "MailboxNotEnabledForRESTAPI", "Exchange administrator"),
        ("out-of-scope@contoso.test", "ErrorAccessDenied", "Exchange administrator"),
    ] {
        let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, mailbox)).await;
        let checks = clinic.checks(None).await;
        let found = named(&checks, "mailbox");
        assert_eq!(found.status, CheckStatus::Fail, "{found:?}");
        assert!(found.found.contains(mailbox) && found.found.contains(code), "{found:?}");
        assert!(!found.fix.is_empty() && found.who.contains(who), "{found:?}");
    }
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test")).await;
    assert_eq!(named(&clinic.checks(None).await, "mailbox").status, CheckStatus::Ok);
    assert_eq!(tenant.deliveries().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_mailbox_that_is_only_throttled_is_a_warning_that_names_nobody_to_act() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let mailbox = Some("noreply@contoso.test".into());
    tenant.add_fault(Fault { retry_after: Some(3_600.0), mailbox, ..Fault::new(FaultKind::Throttle) });
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test")).await;
    let checks = clinic.checks(None).await;
    assert_eq!(named(&checks, "mailbox").status, CheckStatus::Warn);
    assert!(checks.iter().all(|check| check.status != CheckStatus::Fail), "{checks:?}");
}

#[tokio::test]
async fn an_address_without_send_as_is_found_by_a_test_message_from_it() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let clinic = Clinic::new(&setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test")).await;
    let request = DoctorRequest {
        send_to: Some("anna@contoso.test".parse().unwrap()),
        send_from: Some("ceo@contoso.test".parse().unwrap()),
        ..clinic.request()
    };
    let checks = doctor(&clinic.store, &Actor::command_line(), &request).await.unwrap();
    let message = named(&checks, "test_message");
    assert!(message.status == CheckStatus::Fail && message.found.contains("ErrorSendAsDenied"), "{message:?}");
    assert_eq!(tenant.deliveries().len(), 0);
}

#[tokio::test]
async fn an_expiry_that_was_entered_wrongly_does_not_hide_that_the_secret_works() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let setup = setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test");
    let checks = Clinic::new(&setup.replace("2999-01-01", "2020-01-01")).await.checks(None).await;
    assert_eq!(named(&checks, "credential_expiry").status, CheckStatus::Fail);
    assert_eq!(named(&checks, "token").status, CheckStatus::Ok);
    assert_eq!(named(&checks, "mailbox").status, CheckStatus::Ok);
}

#[tokio::test]
async fn a_right_that_a_choice_needs_and_the_token_lacks_is_named() {
    let tenant = Sandbox::start(Config::default(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let plain = setup(&tenant.base_url, "sandbox-secret", CLIENT, "noreply@contoso.test");
    let clinic =
        Clinic::new(&plain.replace("tenant = 'Contoso'\n", "tenant = 'Contoso'\nlarge_messages = true\n")).await;
    let checks = clinic.checks(None).await;
    let rights = named(&checks, "token_rights");
    assert!(rights.status == CheckStatus::Warn && rights.found.contains("Mail.ReadWrite"), "{rights:?}");
    assert!(!Clinic::new(&plain).await.checks(None).await.iter().any(|check| check.name == "token_rights"));
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
