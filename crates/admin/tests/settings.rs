//! Applying and exporting settings, on a real store.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

use std::path::Path;

use admin::{Actor, AdminError, Applied, Mode, Role, SecretSource, SetupFile, apply, export};
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use settings::Credential;
use store::sqlite::SqliteStore;
use store::{NewMessage, Priority, SecretField, StagedBody, Store, Via};

const SETUP: &str = r#"
[[tenant]]
name = "Contoso"
service = "Microsoft Entra ID"
cloud = { login = "http://127.0.0.1:9000", graph = "http://127.0.0.1:9000", smtp = "127.0.0.1:9587" }
tenant_id = "11111111-2222-3333-4444-555555555555"
client_id = "66666666-7777-8888-9999-000000000000"
client_secret = "the-secret"
client_secret_expires = "2027-11-01"

[[connection]]
service = "Microsoft Entra ID Graph API"
tenant = "Contoso"
large_messages = true

[emails]
mailbox = "noreply@contoso.test"
service_connection = "Microsoft Entra ID Graph API – Contoso"

[[route]]
name = "HR"
sender = "*@hr.contoso.test"
service_connection = "Microsoft Entra ID Graph API – Contoso"
mailbox = "sender"

[[account]]
name = "erp"
password = "the-password"
token = "the-token"
allowed_senders = ["*@contoso.test"]
networks = ["10.0.0.0/8"]
messages_per_minute = 600
"#;

struct Gateway {
    _folder: tempfile::TempDir,
    store: SqliteStore,
}

impl Gateway {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        Self { _folder: folder, store }
    }

    async fn try_apply(&self, text: &str, mode: Mode) -> Result<Applied, AdminError> {
        let file = SetupFile::parse("setup.toml", text)?;
        let secrets = SecretSource::new(Path::new("/nowhere"));
        apply(&self.store, &Actor::command_line(), &file, &secrets, mode, Timestamp::now()).await
    }

    async fn apply(&self, text: &str) -> Applied {
        self.try_apply(text, Mode::Change).await.unwrap()
    }

    async fn refusal(&self, text: &str) -> String {
        let before = self.store.settings().borrow().clone();
        let error = self.try_apply(text, Mode::Change).await.unwrap_err();
        assert_eq!(before, *self.store.settings().borrow(), "a refused file changes nothing");
        format!("{error}\n{}", error.fix())
    }

    fn export(&self) -> String {
        export(&self.store, &Actor::command_line()).unwrap()
    }
}

#[tokio::test]
async fn applying_again_changes_nothing() {
    let gateway = Gateway::new();
    let first = gateway.apply(SETUP).await;
    assert_eq!(first.diff.len(), 5, "{:?}", first.diff); // tenant, connection, emails, route, account
    let second = gateway.apply(SETUP).await;
    assert_eq!((second.diff, second.version), (vec![], first.version));
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let gateway = Gateway::new();
    let planned = gateway.try_apply(SETUP, Mode::DryRun).await.unwrap();
    assert_eq!(gateway.store.settings().borrow().tenants, []);
    let lines = |applied: &Applied| applied.diff.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(lines(&planned), lines(&gateway.apply(SETUP).await));
}

#[tokio::test]
async fn what_the_file_says_is_what_the_store_holds() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    let settings = gateway.store.settings().borrow().clone();
    let tenant = &settings.tenants[0];
    let Some(Credential::ClientSecret { secret, expires }) = &tenant.credential else { panic!("{tenant:?}") };
    let place = SecretField::new("tenant", tenant.id.0.clone(), "client_secret");
    assert_eq!(gateway.store.key_ring().open(&place, secret).unwrap().expose_secret(), "the-secret");
    assert_eq!(*expires, Some(jiff::civil::date(2027, 11, 1)));
    assert_eq!(settings.connections[0].name, "Microsoft Entra ID Graph API – Contoso");
    assert_eq!(settings.emails.service_connection.as_ref(), Some(&settings.connections[0].id));
    let account = settings.account_named("erp").unwrap();
    assert!(account.password_hash.as_ref().unwrap().starts_with("$argon2id$"));
    assert_eq!(account.token_digest, Some(gateway.store.key_ring().token_digest(&"the-token".into()).unwrap()));
}

#[tokio::test]
async fn no_secret_is_in_the_difference_or_the_export() {
    let gateway = Gateway::new();
    let applied = gateway.apply(SETUP).await;
    let shown = applied.diff.iter().map(ToString::to_string).collect::<String>() + &gateway.export();
    let shown = shown + &serde_json::to_string(&applied.diff).unwrap();
    for secret in ["the-secret", "the-password", "the-token", "argon2"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_changed_secret_is_a_change_and_an_absent_one_is_none() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    for (from, to, field) in [
        ("the-secret", "another", "client_secret"),
        ("the-password", "another", "password"),
        ("the-token", "another", "token"),
    ] {
        let diff = gateway.apply(&SETUP.replace(from, to)).await.diff;
        assert_eq!(diff.len(), 1, "{diff:?}");
        assert_eq!(diff[0].fields.len(), 1);
        assert_eq!(diff[0].fields[0].field, field);
        gateway.apply(SETUP).await;
    }
    let without = SETUP.lines().filter(|line| !line.contains("\"the-")).collect::<Vec<_>>().join("\n");
    assert_eq!(gateway.apply(&without).await.diff, vec![]);
}

#[tokio::test]
async fn an_export_changes_nothing_where_it_came_from_and_rebuilds_the_settings_elsewhere() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    let exported = gateway.export();
    assert_eq!(gateway.apply(&exported).await.diff, vec![], "{exported}");
    let elsewhere = Gateway::new();
    let filled = exported
        .replace("# client_secret = { env = \"CONTOSO_CLIENT_SECRET\" }", "client_secret = \"the-secret\"")
        .replace("# password = { env = \"ERP_PASSWORD\" }", "password = \"the-password\"")
        .replace("# token = { env = \"ERP_TOKEN\" }", "token = \"the-token\"");
    elsewhere.apply(&filled).await;
    assert_eq!(elsewhere.export(), exported);
    assert_eq!(elsewhere.apply(SETUP).await.diff, vec![], "the same settings, secrets too");
}

#[tokio::test]
async fn a_certificate_is_taken_apart_and_its_key_sealed() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.pem"), format!("{}{}", key.serialize_pem(), certificate.pem())).unwrap();
    std::fs::write(folder.path().join("half.pem"), certificate.pem()).unwrap();
    let setup = SETUP.replace(
        "client_secret = \"the-secret\"\nclient_secret_expires = \"2027-11-01\"",
        "certificate = { file = \"app.pem\" }",
    );
    let gateway = Gateway::new();
    let run = async |text: &str| {
        let file = SetupFile::parse("setup.toml", text).unwrap();
        let secrets = SecretSource::new(folder.path());
        apply(&gateway.store, &Actor::command_line(), &file, &secrets, Mode::Change, Timestamp::now()).await
    };
    run(&setup).await.unwrap();
    assert_eq!(run(&setup).await.unwrap().diff, vec![]);
    let settings = gateway.store.settings().borrow().clone();
    let Some(Credential::Certificate(kept)) = &settings.tenants[0].credential else { panic!() };
    assert!(kept.certificate_pem.starts_with("-----BEGIN CERTIFICATE") && !kept.certificate_pem.contains("PRIVATE"));
    let place = SecretField::new("tenant", settings.tenants[0].id.0.clone(), "private_key");
    let opened = gateway.store.key_ring().open(&place, &kept.private_key).unwrap();
    assert!(opened.expose_secret().starts_with("-----BEGIN PRIVATE KEY"));
    let error = run(&setup.replace("app.pem", "half.pem")).await.unwrap_err();
    assert!(error.to_string().contains("private key"), "{error}");
}

#[tokio::test]
async fn a_wrong_reference_says_what_is_missing_and_what_there_is() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    for (text, missing, known) in [
        ("[[connection]]\nname='x'\nservice='Microsoft Entra ID Graph API'\ntenant='Fabrikam'", "Fabrikam", "Contoso"),
        ("[emails]\nmailbox='a@b.test'\nservice_connection='Nope'", "Nope", "Graph API – Contoso"),
        ("[[route]]\nname='r'\nsender='*'\nservice_connection='Nope'\nmailbox='sender'", "Nope", "Graph API – Contoso"),
    ] {
        let refusal = gateway.refusal(text).await;
        assert!(refusal.contains(missing) && refusal.contains(known), "{refusal}");
    }
}

const SERVER: &str = "[[connection]]\nname='S'\nservice='SMTP Server'\n";
const EMAILS: &str = "[emails]\nservice_connection = 'Microsoft Entra ID Graph API – Contoso'\n";

#[tokio::test]
async fn an_smtp_server_is_kept_with_its_password_sealed_and_never_shown() {
    let gateway = Gateway::new();
    let entry = format!("{SERVER}host = 'mail.test'\nsecurity = 'implicit'\nusername = 'erp'\n");
    gateway
        .apply(&format!("{entry}password = 'hunter2'\n[emails]\nservice_connection = 'S'\nconnection_type = 'smtp'"))
        .await;
    let kept = gateway.store.settings().borrow().connections[0].clone();
    let server = kept.smtp.unwrap();
    assert_eq!((server.host.as_str(), server.port, kept.in_flight), ("mail.test", 465, 10));
    assert!(!format!("{server:?}").contains("hunter2"));
    // Left out, it stays; given again, nothing changes; for another host it must be given again.
    assert!(gateway.apply(&entry).await.diff.is_empty());
    assert!(gateway.apply(&format!("{entry}password = 'hunter2'")).await.diff.is_empty());
    let elsewhere = entry.replace("mail.test", "thief.test");
    assert!(gateway.refusal(&elsewhere).await.contains("another host"));
    let exported = gateway.export();
    assert!(
        exported.contains("host = \"mail.test\"") && exported.contains("# password = { env = \"S_PASSWORD\" }"),
        "{exported}"
    );
    assert!(!exported.contains("hunter2"));
    assert!(gateway.apply(&exported).await.diff.is_empty(), "an export changes nothing where it came from");
}

#[tokio::test]
async fn tracked_delivery_and_large_messages_can_be_chosen_for_graph() {
    let gateway = Gateway::new();
    let more =
        SETUP.replace("large_messages = true", "large_messages = true\ndelivery = 'tracked'\nmime_max_bytes = 2300000");
    assert_ne!(more, SETUP);
    gateway.apply(&more).await;
    let kept = gateway.store.settings().borrow().connections[0].clone();
    assert_eq!((kept.delivery, kept.takes_large_apart()), (settings::Delivery::Tracked, true));
    assert_eq!(kept.mime_limit(), 2_300_000);
    assert!(gateway.apply(&gateway.export()).await.diff.is_empty(), "an export says all of it");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_never_ignored() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    let tenant = "[[tenant]]\nname='T'\ntenant_id='t.test'\nclient_id='c'\n";
    let connection = "[[connection]]\nname='C'\ntenant='Contoso'\nservice='Microsoft Entra ID Graph API'\n";
    for (text, words) in [
        (format!("{tenant}client_secret = 'a'\ncertificate = 'b'"), "both"),
        (format!("{tenant}cloud = {{ login = 'http://login.test', graph = 'https://g.test' }}"), "cloud"), // a token in clear
        (tenant.replace("'t.test'", "'a/b?c'"), "tenant_id"), // becomes part of a URL
        (connection.replace("Graph API", "Exchange") + "delivery = 'tracked'", "tracked"),
        (format!("{connection}in_flight = 9"), "in_flight"),
        (format!("{connection}mime_max_bytes = 3145729"), "mime_max_bytes"), // more than Graph takes
        (format!("{SERVER}host='h'\nmime_max_bytes = 100000"), "mime_max_bytes"), // SMTP knows no such limit
        (connection.replace("tenant='Contoso'\n", ""), "no tenant"),
        (connection.replace("Graph API", "Exchange") + "in_flight = 4", "in_flight"), // three connections of a mailbox
        (format!("{connection}host = 'mail.test'"), "host is no key"),
        (format!("{SERVER}host='smtp://mail.test'"), "host"),
        (SERVER.to_owned(), "host"),
        (format!("{SERVER}host='h'\nport=0"), "port"),
        (format!("{SERVER}host='h'\nusername='u'"), "no password"),
        (format!("{SERVER}host='h'\npassword='p'"), "no username"),
        (format!("{SERVER}host='h'\nsecurity='none'\nusername='u'\npassword='p'"), "in clear"),
        (format!("{EMAILS}connection_type = 'smtp'"), "does not fit"),
        (format!("{SERVER}host='h'\n[emails]\nservice_connection = 'S'"), "connection_type = \"graph\" does not fit"),
        ("[emails]\nmailbox = 'nobody'".to_owned(), "nobody"),
        ("[[account]]\nname='a'\nmessages_per_minute = 0".to_owned(), "messages_per_minute"),
        ("[[account]]\nname='a'\n[[account]]\nname='a'".to_owned(), "two accounts"),
        ("[[account]]\nname='a'\ntoken='the-token'".to_owned(), "same token"), // would be erp's
        ("[[account]]\nname='a'\npassword={ env = 'POSTERN_SURELY_NOT_SET' }".to_owned(), "POSTERN_SURELY_NOT_SET"),
    ] {
        let refusal = gateway.refusal(&text).await;
        assert!(refusal.contains(words), "{text}\n{refusal}");
    }
}

#[tokio::test]
async fn prune_removes_what_is_not_named_and_nothing_that_is_needed() {
    let gateway = Gateway::new();
    gateway.apply(SETUP).await;
    let other = "[[account]]\nname = 'other'\n[[route]]\nname='All'\nsender='*'\nservice_connection='Microsoft Entra ID Graph API – Contoso'\nmailbox='sender'";
    gateway.apply(other).await;
    let names = || {
        let settings = gateway.store.settings().borrow().clone();
        let routes: Vec<String> = settings.routes.iter().map(|route| route.name.clone()).collect();
        let mut accounts: Vec<String> = settings.accounts.iter().map(|account| account.name.clone()).collect();
        accounts.sort();
        (routes.join(" "), accounts.join(" "))
    };
    // What the file names goes first, what it does not name stays behind.
    assert_eq!(names(), ("All HR".to_owned(), "erp other".to_owned()));
    gateway.apply(&format!("prune = true\n{SETUP}")).await;
    assert_eq!(names(), ("HR".to_owned(), "erp".to_owned()));
    let half = SETUP.split("[[connection]]").next().unwrap();
    let refusal = gateway
        .refusal(&format!(
            "prune = true\n{half}\n[emails]\nservice_connection='Microsoft Entra ID Graph API – Contoso'"
        ))
        .await;
    assert!(refusal.contains("no connection called"), "{refusal}");
    gateway.apply("prune = true").await;
    let settings = gateway.store.settings().borrow().clone();
    assert!(settings.tenants.is_empty() && settings.connections.is_empty() && settings.accounts.is_empty());
    assert!(!settings.emails.enabled, "an empty file that prunes leaves no way out");
}

#[tokio::test]
async fn only_an_administrator_may() {
    let gateway = Gateway::new();
    let operator = Actor::new("olga", Role::Operator);
    let file = SetupFile::parse("setup.toml", SETUP).unwrap();
    let secrets = SecretSource::new(Path::new("."));
    let applied = apply(&gateway.store, &operator, &file, &secrets, Mode::Change, Timestamp::now()).await;
    assert!(matches!(applied, Err(AdminError::Forbidden { .. })));
    assert!(matches!(export(&gateway.store, &operator), Err(AdminError::Forbidden { .. })));
}

#[tokio::test]
async fn waiting_messages_follow_the_new_settings() {
    let gateway = Gateway::new();
    let now = Timestamp::now();
    let id = mail::MessageId::new(u64::try_from(now.as_millisecond()).unwrap(), 1);
    let mut envelope = mail::Envelope::new("a@contoso.test".parse::<mail::Address>().unwrap());
    envelope.add("b@x.test".parse::<mail::Address>().unwrap());
    let message = NewMessage {
        id,
        envelope,
        body: StagedBody::inline(Bytes::from_static(b"Subject: x\r\n\r\nx\r\n")).unwrap(),
        added_header: String::new(),
        header_from: None,
        subject: None,
        internet_message_id: None,
        routed_to: None,
        hold: None,
        priority: Priority::Normal,
        send_at: None,
        received_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(48),
        account: None,
        via: Via::Cli,
        peer: None,
        idempotency: None,
        metadata: None,
    };
    gateway.store.enqueue(message).await.unwrap();
    assert_eq!(gateway.apply(SETUP).await.rerouted, 1);
    let routed = gateway.store.message(id).await.unwrap().message.routed_to.unwrap();
    assert_eq!(routed.mailbox, "noreply@contoso.test".parse().unwrap());
}
