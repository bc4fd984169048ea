//! Changing the settings one thing at a time, as forms and the API do.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic like tests do")]

use admin::{
    AccountEntry, Actor, AdminError, AuditFilter, ConnectionEntry, EmailsEntry, KeyBits, Move, Refused, Role,
    RouteEntry, Saved, TenantEntry, certificate_file, create_account, create_connection, create_route, create_tenant,
    expiring, find_account, find_emails, find_tenant, list_audit, list_routes, make_certificate, move_route,
    remove_connection, remove_tenant, scoping_script, settings_version, update_emails, update_tenant, use_certificate,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;
use settings::Credential;
use store::model::ModelStore;
use store::{SecretField, Store};

fn anna() -> Actor {
    Actor::new("anna", Role::Administrator)
}

fn now() -> Timestamp {
    "2026-11-01T08:00:00Z".parse().unwrap()
}

fn read<T: DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn tenant(name: &str) -> TenantEntry {
    read(json!({
        "name": name, "tenant_id": "contoso.test", "client_id": "66666666-7777",
        "client_secret": "the-secret", "client_secret_expires": "2026-11-08",
    }))
}

fn connection(name: Option<&str>) -> ConnectionEntry {
    read(json!({ "name": name, "service": "Microsoft Entra ID Graph API", "tenant": "Contoso" }))
}

fn route(name: &str) -> RouteEntry {
    read(json!({ "name": name, "sender": "*@x.test", "service_connection": "C", "mailbox": "sender" }))
}

fn account(name: &str, token: &str) -> AccountEntry {
    read(json!({ "name": name, "password": "the-password", "token": token }))
}

/// A store with the tenant "Contoso" and its connection "C"; their ids.
async fn gateway() -> (ModelStore, String, String) {
    let store = ModelStore::default();
    let contoso = create_tenant(&store, &anna(), &tenant("Contoso"), None, now()).await.unwrap();
    let c = create_connection(&store, &anna(), &connection(Some("C")), None, now()).await.unwrap();
    (store, contoso.id, c.id)
}

fn refused(result: Result<Saved, AdminError>) -> Refused {
    match result {
        Err(AdminError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_renamed_tenant_is_the_same_one_and_keeps_its_secret() {
    let (store, id, _) = gateway().await;
    let entry = TenantEntry { client_secret: None, ..tenant("Fabrikam") };
    let saved = update_tenant(&store, &anna(), &id, &entry, None, now()).await.unwrap();
    assert_eq!(saved.id, id);
    let shown: Vec<String> = saved.diff.iter().map(ToString::to_string).collect();
    assert_eq!(shown[0], "~ tenant \"Fabrikam\"\n    name: Contoso -> Fabrikam");
    let view = find_tenant(&store, &anna(), &id).unwrap();
    assert!(view.has_client_secret && view.used_by == ["connection 'C'"], "{view:?}");
}

#[tokio::test]
async fn a_form_saved_over_somebody_elses_change_is_refused_in_words() {
    let (store, id, _) = gateway().await;
    let seen = settings_version(&store, &anna()).unwrap();
    update_tenant(&store, &anna(), &id, &tenant("First"), Some(seen), now()).await.unwrap();
    let late = refused(update_tenant(&store, &anna(), &id, &tenant("Second"), Some(seen), now()).await);
    assert!(late.what.contains("somebody else changed the settings"), "{}", late.what);
    assert_eq!(find_tenant(&store, &anna(), &id).unwrap().name, "First");
}

#[tokio::test]
async fn what_is_used_is_not_removed_and_its_users_are_named() {
    let (store, tenant_id, c) = gateway().await;
    create_route(&store, &anna(), &route("HR"), None, now()).await.unwrap();
    let emails: EmailsEntry = read(json!({ "mailbox": "a@x.test", "service_connection": "C" }));
    update_emails(&store, &anna(), &emails, None, now()).await.unwrap();
    let used = refused(remove_connection(&store, &anna(), &c, None, now()).await);
    assert!(used.what.contains("the Emails settings, route 'HR'"), "{}", used.what);
    let used = refused(remove_tenant(&store, &anna(), &tenant_id, None, now()).await);
    assert!(used.what.contains("connection 'C'"), "{}", used.what);
    assert_eq!(find_emails(&store, &anna()).unwrap().problem, None);
}

#[tokio::test]
async fn a_refusal_names_the_field_at_fault() {
    let (store, ..) = gateway().await;
    let (actor, now) = (anna(), now());
    let bad_id = TenantEntry { tenant_id: "a/b".into(), ..tenant("T") };
    let no_tenant = ConnectionEntry { tenant: None, ..connection(Some("D")) };
    let bad_mailbox = RouteEntry { mailbox: "nobody".into(), ..route("R") };
    let no_rate = AccountEntry { messages_per_minute: Some(0), ..account("a", "t") };
    create_account(&store, &actor, &account("erp", "the-token"), None, now).await.unwrap();
    let from_file: AccountEntry = read(json!({ "name": "f", "token": { "file": "/etc/passwd" } }));
    for (result, field) in [
        (create_tenant(&store, &actor, &tenant("Contoso"), None, now).await, "name"), // taken
        (create_tenant(&store, &actor, &tenant(" "), None, now).await, "name"),
        (create_tenant(&store, &actor, &bad_id, None, now).await, "tenant_id"),
        (create_connection(&store, &actor, &no_tenant, None, now).await, "tenant"),
        (create_route(&store, &actor, &bad_mailbox, None, now).await, "mailbox"),
        (create_account(&store, &actor, &no_rate, None, now).await, "messages_per_minute"),
        (create_account(&store, &actor, &account("other", "the-token"), None, now).await, "token"), // erp's
        (create_account(&store, &actor, &from_file, None, now).await, "token"), // reads nothing of this machine
    ] {
        let refused = refused(result);
        assert_eq!(refused.field, Some(field), "{}", refused.what);
    }
}

#[tokio::test]
async fn only_an_administrator_may_change_anything() {
    let (store, id, _) = gateway().await;
    let olga = Actor::new("olga", Role::Operator);
    let before = store.settings().borrow().clone();
    for result in [
        create_tenant(&store, &olga, &tenant("T"), None, now()).await,
        remove_tenant(&store, &olga, &id, None, now()).await,
        create_route(&store, &olga, &route("R"), None, now()).await,
        make_certificate(&store, &olga, &id, KeyBits::Rsa2048, None, now()).await,
    ] {
        assert!(matches!(result, Err(AdminError::Forbidden { .. })), "{result:?}");
    }
    assert_eq!(before, *store.settings().borrow());
}

#[tokio::test]
async fn no_secret_is_in_a_view_the_audit_log_or_debug() {
    let (store, id, _) = gateway().await;
    let saved = create_account(&store, &anna(), &account("erp", "the-token"), None, now()).await.unwrap();
    let audit = list_audit(&store, &anna(), &AuditFilter::default(), None, 100).await.unwrap();
    let shown = format!(
        "{saved:?}{:?}{:?}{}{:?}{:?}",
        find_tenant(&store, &anna(), &id).unwrap(),
        find_account(&store, &anna(), &saved.id).await.unwrap(),
        serde_json::to_string(&audit).unwrap(),
        tenant("x"),
        account("x", "the-token"),
    );
    for secret in ["the-secret", "the-password", "the-token", "argon2"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn routes_move_and_stay_at_the_ends() {
    let (store, ..) = gateway().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(create_route(&store, &anna(), &route(name), None, now()).await.unwrap().id);
    }
    for (id, to, order) in [
        (&ids[2], Move::First, "cab"),
        (&ids[2], Move::Up, "cab"),
        (&ids[2], Move::Down, "acb"),
        (&ids[0], Move::Last, "cba"),
        (&ids[0], Move::Down, "cba"),
    ] {
        move_route(&store, &anna(), id, to, None, now()).await.unwrap();
        let names: String = list_routes(&store, &anna()).unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, order, "{to:?}");
    }
}

#[tokio::test]
async fn a_made_certificate_waits_beside_the_secret_until_it_is_confirmed() {
    let (store, id, _) = gateway().await;
    make_certificate(&store, &anna(), &id, KeyBits::Rsa2048, None, now()).await.unwrap();
    let view = find_tenant(&store, &anna(), &id).unwrap();
    let pending = view.pending_certificate.unwrap();
    assert!(view.has_client_secret, "the secret keeps working");
    assert_eq!(pending.not_after.to_string(), "2028-11-01T00:00:00Z");
    let file = certificate_file(&store, &anna(), &id).unwrap();
    assert!(file.name == "postern-Contoso.cer" && !file.pem.contains("PRIVATE"), "{file:?}");
    use_certificate(&store, &anna(), &id, None, now()).await.unwrap();
    let settings = store.settings().borrow().clone();
    let Some(Credential::Certificate(used)) = &settings.tenants[0].credential else { panic!() };
    let place = SecretField::new("tenant", id.clone(), "private_key");
    let key = store.key_ring().open(&place, &used.private_key).unwrap();
    let pair = entra::CertificateKey::from_pem(&used.certificate_pem, secrecy::ExposeSecret::expose_secret(&key));
    assert_eq!(pair.unwrap().thumbprint(), pending.thumbprint_sha256);
    assert!(find_tenant(&store, &anna(), &id).unwrap().pending_certificate.is_none());
}

#[tokio::test]
async fn what_expires_says_when_and_whom_it_stops() {
    let (store, ..) = gateway().await;
    let found = expiring(&store.settings().borrow(), now());
    assert_eq!((found[0].days_left, found[0].mark_days, found[0].severity), (6, 7, admin::Severity::Urgent));
    assert_eq!(found[0].used_by, ["connection 'C'"]);
}

#[tokio::test]
async fn a_scoping_script_names_the_client_and_each_mailbox() {
    let (store, _, c) = gateway().await;
    let mailboxes = ["noreply@x.test".parse().unwrap(), "o'neil@x.test".parse().unwrap()];
    let script = scoping_script(&store, &anna(), &c, &mailboxes).unwrap();
    for part in ["'66666666-7777'", "PrimarySmtpAddress -eq ''o''''neil@x.test''", "-Resource 'o''neil@x.test'"] {
        assert!(script.contains(part), "{part} in {script}");
    }
    assert!(script.trim_end().lines().last().unwrap().starts_with("Test-ServicePrincipalAuthorization"));
}
