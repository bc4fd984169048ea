//! Settings, their history, and secrets.

use secrecy::ExposeSecret;
use settings::{Account, AccountId, Cloud, Emails, Mailbox, Route, RouteId, Tenant, TenantId};
use store::{AuditEntry, Change, SecretField, SettingsChange as C, StoreError};

use super::stores;
use crate::fixture::*;

fn tenant(id: &str, name: &str) -> Tenant {
    Tenant {
        id: TenantId(id.into()),
        name: name.into(),
        cloud: Cloud::Global,
        tenant_id: "contoso.test".into(),
        client_id: "66666666".into(),
        credential: None,
        pending_certificate: None,
        external: settings::ExternalLimit::default(),
    }
}

fn route_named(id: &str) -> Route {
    Route {
        id: RouteId(id.into()),
        name: id.into(),
        sender: "*@contoso.test".parse().unwrap(),
        service_connection: settings::ConnectionId("c1".into()),
        mailbox: Mailbox::Sender,
        fallback: vec![],
    }
}

fn account(id: &str) -> Account {
    Account {
        id: AccountId(id.into()),
        name: id.into(),
        password_hash: None,
        token_digest: None,
        allowed_senders: vec![],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        messages_per_minute: Some(60),
    }
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry { at: at(1), actor: "eve".into(), action: action.into(), detail: serde_json::json!({"was": null}) }
}

#[tokio::test]
async fn a_change_is_one_new_version_that_everybody_hears_of() {
    for store in &stores() {
        let (mut watch, mut news) = (store.settings(), store.subscribe());
        let emails = Emails { enabled: true, ..Emails::default() };
        let changes = vec![
            C::PutTenant(tenant("t2", "B")),
            C::PutTenant(tenant("t1", "A")),
            C::PutEmails(emails.clone()),
            C::SetRoutes(vec![route_named("z"), route_named("a")]),
            C::PutAccount(account("erp")),
        ];
        assert_eq!(store.change_settings(0, changes, audit("first")).await.unwrap(), 1);
        watch.changed().await.unwrap();
        let now = watch.borrow_and_update().clone();
        assert_eq!(now.version, 1);
        assert_eq!(now.tenants, [tenant("t1", "A"), tenant("t2", "B")]);
        assert_eq!(now.routes, [route_named("z"), route_named("a")], "order is meaning");
        assert_eq!((&now.emails, &now.accounts), (&emails, &vec![account("erp")]));
        assert_eq!(news.recv().await.unwrap(), Change::Settings { version: 1 });

        let changes = vec![
            C::PutTenant(tenant("t1", "renamed")),
            C::RemoveTenant(TenantId("t2".into())),
            C::SetRoutes(vec![route_named("a")]),
            C::RemoveAccount(AccountId("nobody".into())), // what is gone already is as it should be
        ];
        assert_eq!(store.change_settings(1, changes, audit("second")).await.unwrap(), 2);
        let now = store.settings().borrow().clone();
        assert_eq!((&now.tenants, &now.routes), (&vec![tenant("t1", "renamed")], &vec![route_named("a")]));
        assert_eq!(now.accounts.len(), 1);
        let log = store.audit(None, 9).await.unwrap();
        let entries: Vec<_> = log.iter().map(|record| record.entry.clone()).collect();
        assert_eq!(entries, [audit("second"), audit("first")]);
        assert_eq!(store.audit(None, 1).await.unwrap(), log[..1]);
        assert_eq!(store.audit(Some(log[0].number), 9).await.unwrap(), log[1..]);
    }
}

#[tokio::test]
async fn who_decided_on_old_settings_must_decide_again() {
    for store in &stores() {
        store.change_settings(0, vec![C::PutTenant(tenant("t1", "A"))], audit("first")).await.unwrap();
        let late = store.change_settings(0, vec![C::RemoveTenant(TenantId("t1".into()))], audit("late")).await;
        assert!(matches!(late, Err(StoreError::SettingsChanged { current: 1 })));
        assert_eq!(store.settings().borrow().tenants.len(), 1);
        assert_eq!(store.audit(None, 9).await.unwrap().len(), 1, "what did not happen is not in the audit");
    }
}

#[tokio::test]
async fn secrets_are_sealed_with_the_stores_keys() {
    for store in &stores() {
        let field = SecretField::new("tenant", "t1", "client_secret");
        let sealed = store.key_ring().seal(&field, &"s3cret".into()).unwrap();
        assert_eq!(store.key_ring().open(&field, &sealed).unwrap().expose_secret(), "s3cret");
        store.probe().await.unwrap();
    }
}
