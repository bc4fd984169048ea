//! How a tenant's application proves to be itself.

use admin::{Actor, AdminError, Role, TenantEntry, create_tenant, find_tenant, update_tenant};
use jiff::Timestamp;
use serde_json::json;
use settings::Credential;

use crate::gateway::{Gateway, TENANT};

#[tokio::test]
async fn one_way_takes_the_place_of_another_and_the_difference_says_so() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}client_secret = 'hunter2'")).await;
    let diff = gateway.apply(&format!("{TENANT}federated_token_file = '/var/run/token'")).await;
    assert!(diff.contains("credential: client secret -> federated token file"), "{diff}");
    assert!(diff.contains("client_secret: (set) -> none"), "{diff}");
    let diff = gateway.apply(&format!("{TENANT}managed_identity = true")).await;
    assert!(diff.contains("credential: federated token file -> managed identity"), "{diff}");
    assert_eq!(gateway.settings().tenants[0].credential, Some(Credential::ManagedIdentity));
    assert_eq!(gateway.apply(TENANT).await, "", "what is not named stays");
}

#[tokio::test]
async fn two_ways_at_once_are_refused() {
    let gateway = Gateway::new();
    for (ways, at) in [
        ("client_secret = 'a'\ncertificate = 'b'", "certificate"),
        ("client_secret = 'a'\nfederated_token_file = '/t'", "federated_token_file"),
        ("federated_token_file = '/t'\nmanaged_identity = true", "managed_identity"),
    ] {
        assert_eq!(gateway.refusal(&format!("{TENANT}{ways}")).await.field, Some(at));
    }
}

#[tokio::test]
async fn only_the_machines_own_identity_needs_no_client_id() {
    let gateway = Gateway::new();
    let nameless = TENANT.replace("client_id='c-1'\n", "");
    gateway.apply(&format!("{nameless}managed_identity = true")).await;
    assert_eq!(gateway.settings().tenants[0].client_id, "");
    let exported = gateway.export();
    assert!(exported.contains("managed_identity = true") && !exported.contains("client_id"), "{exported}");
    let refused = gateway.refusal(&format!("{nameless}client_secret = 'a'")).await;
    assert_eq!(refused.field, Some("client_id"));
}

#[tokio::test]
async fn a_token_file_is_named_whole() {
    let refused = Gateway::new().refusal(&format!("{TENANT}federated_token_file = 'token'")).await;
    assert!(refused.what.contains("absolute"), "{}", refused.what);
}

#[tokio::test]
async fn who_asks_from_elsewhere_chooses_no_file_of_this_machine_and_keeps_the_one_there_is() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}federated_token_file = '/var/run/token'")).await;
    let id = gateway.settings().tenants[0].id.0.clone();
    let anna = Actor::new("anna", Role::Administrator);
    let entry = |path: &str, tenant_id: &str| -> TenantEntry {
        let entry = json!({
            "name": "Contoso", "tenant_id": tenant_id, "client_id": "c-1", "federated_token_file": path,
        });
        serde_json::from_value(entry).unwrap()
    };
    let now = Timestamp::now();
    let other = entry("/var/lib/postern/master.key", "contoso.test");
    let refused = update_tenant(gateway.store(), &anna, &id, &other, None, now).await;
    assert!(matches!(refused, Err(AdminError::Refused(it)) if it.field == Some("federated_token_file")));
    let refused = create_tenant(gateway.store(), &anna, &other, None, now).await;
    assert!(matches!(refused, Err(AdminError::Refused(_))));
    let same = entry("/var/run/token", "fabrikam.test");
    update_tenant(gateway.store(), &anna, &id, &same, None, now).await.unwrap();
    let shown = find_tenant(gateway.store(), &anna, &id).unwrap();
    assert_eq!(
        (shown.tenant_id.as_str(), shown.federated_token_file.as_deref()),
        ("fabrikam.test", Some("/var/run/token"))
    );
    assert_eq!(shown.credential, Some("federated token file"));
}

#[tokio::test]
async fn who_asks_from_elsewhere_does_not_begin_to_use_the_machines_identity() {
    let gateway = Gateway::new();
    let anna = Actor::new("anna", Role::Administrator);
    let entry = |name: &str| -> TenantEntry {
        let entry = json!({ "name": name, "tenant_id": "contoso.test", "client_id": "c-1", "managed_identity": true });
        serde_json::from_value(entry).unwrap()
    };
    let now = Timestamp::now();
    let refused = create_tenant(gateway.store(), &anna, &entry("Mine"), None, now).await;
    assert!(matches!(refused, Err(AdminError::Refused(it)) if it.field == Some("managed_identity")));
    gateway.apply(&format!("{TENANT}managed_identity = true")).await;
    let id = gateway.settings().tenants[0].id.0.clone();
    update_tenant(gateway.store(), &anna, &id, &entry("Contoso"), None, now).await.unwrap();
}

/// Or the secret would be shown to whatever host somebody writes there who does not know it.
#[tokio::test]
async fn a_credential_is_not_taken_along_to_another_login_host() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}client_secret = 'hunter2'")).await;
    let id = gateway.settings().tenants[0].id.0.clone();
    let anna = Actor::new("anna", Role::Administrator);
    let entry = |more: serde_json::Value| -> TenantEntry {
        let mut entry = json!({
            "name": "Contoso", "tenant_id": "contoso.test", "client_id": "c-1",
            "cloud": { "login": "https://evil.test", "graph": "https://evil.test" },
        });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(entry).unwrap()
    };
    let now = Timestamp::now();
    let refused = update_tenant(gateway.store(), &anna, &id, &entry(json!({})), None, now).await;
    assert!(matches!(refused, Err(AdminError::Refused(it)) if it.field == Some("cloud")));
    let with_its_own = entry(json!({ "client_secret": "known to who writes it" }));
    update_tenant(gateway.store(), &anna, &id, &with_its_own, None, now).await.unwrap();
}

#[tokio::test]
async fn what_a_tenant_may_send_to_the_outside_is_kept_and_looked_at() {
    let gateway = Gateway::new();
    gateway.apply(&format!("{TENANT}paid_licences = 25\ninternal_domains = ['Contoso.test']")).await;
    let external = gateway.settings().tenants[0].external.clone();
    assert_eq!((external.budget(), external.is_external("contoso.test")), (Some(14_259), false));
    assert_eq!(gateway.apply(&gateway.export()).await, "", "an export says all of it");
    let diff = gateway.apply(TENANT).await;
    assert!(diff.contains("paid_licences: 25 -> none"), "{diff}");
    for (limit, at) in [
        ("paid_licences = 0\ninternal_domains = ['a.test']", "paid_licences"),
        ("external_recipients_per_day = 5", "internal_domains"), // or every recipient would count
        ("internal_domains = ['@contoso.test']", "internal_domains"),
    ] {
        assert_eq!(gateway.refusal(&format!("{TENANT}{limit}")).await.field, Some(at));
    }
}
