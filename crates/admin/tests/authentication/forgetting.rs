//! What takes a grant away, besides Microsoft.

use admin::{connection_standing, connection_standings, forget_grant};
use store::Change;

use crate::desk::{CONFIDENTIAL, Desk, setup};

#[tokio::test]
async fn a_forgotten_grant_is_gone_and_the_audit_log_says_who_forgot_whose() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.sign_in("anna").await;
    let viewer = admin::Actor::new("vera", admin::Role::Operator);
    assert!(forget_grant(&*desk.store, &viewer, &desk.connection, desk.now()).await.is_err(), "administrators only");
    let mut news = desk.store.subscribe();
    forget_grant(&*desk.store, &desk.actor(), &desk.connection, desk.now()).await.unwrap();
    assert_eq!(desk.grant().await, None);
    assert_eq!(news.recv().await.unwrap(), Change::Grant(settings::ConnectionId(desk.connection.clone())));
    let entry = desk.store.audit(None, 1).await.unwrap().pop().unwrap().entry;
    assert_eq!((entry.action.as_str(), &entry.detail["user"]), ("grant_forgotten", &"anna@contoso.test".into()));
    forget_grant(&*desk.store, &desk.actor(), &desk.connection, desk.now()).await.unwrap();
    assert_eq!(desk.audited().await.iter().filter(|action| *action == "grant_forgotten").count(), 1, "once");
}

#[tokio::test]
async fn another_application_tenant_or_cloud_is_no_ground_for_what_was_granted() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let known = setup(&desk.tenant.base_url, CONFIDENTIAL);
    let elsewhere = desk.tenant.base_url.replace("127.0.0.1", "localhost");
    for other in [
        known.replace(CONFIDENTIAL, "66666666-7777-8888-9999-000000000009"),
        known.replace("11111111-2222", "99999999-2222"),
        known.replace(&desk.tenant.base_url, &elsewhere),
        known.replace("'delegated'", "'application'"),
    ] {
        assert_ne!(other, known);
        desk.sign_in("anna").await;
        desk.apply(&other).await;
        assert_eq!(desk.grant().await, None, "{other}");
        assert_eq!(desk.audited().await[0], "grant_forgotten");
        desk.apply(&known).await;
    }
}

#[tokio::test]
async fn another_name_or_secret_leaves_a_grant_alone() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let grant = desk.sign_in("anna").await;
    let known = setup(&desk.tenant.base_url, CONFIDENTIAL);
    desk.apply(&known.replace("sandbox-secret", "a new secret")).await;
    desk.apply(&known.replace("permission =", "in_flight = 2\npermission =")).await;
    assert_eq!(desk.grant().await, Some(grant));
}

#[tokio::test]
async fn a_connection_with_another_tenant_and_one_that_is_removed_leave_no_grant() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.sign_in("anna").await;
    let known = setup(&desk.tenant.base_url, CONFIDENTIAL);
    let second = known.split("[[connection]]").next().unwrap().replace("Contoso", "Fabrikam");
    let second = second.replace(CONFIDENTIAL, "66666666-7777-8888-9999-000000000009");
    desk.apply(&(second + &known.replace("tenant = 'Contoso'", "tenant = 'Fabrikam'"))).await;
    assert_eq!(desk.grant().await, None);

    desk.apply(&known).await;
    desk.sign_in("anna").await;
    let nothing = "prune = true\n[emails]\nenabled = false\n";
    desk.apply(nothing).await;
    assert_eq!((desk.grant().await, desk.store.settings().borrow().connections.len()), (None, 0));
}

#[tokio::test]
async fn a_connection_says_whether_it_waits_for_somebody_to_sign_in() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let needs = async || connection_standing(&*desk.store, &desk.actor(), "C").await.unwrap().needs_sign_in;
    assert!(needs().await, "nobody has signed in");
    desk.sign_in("anna").await;
    assert!(!needs().await);
    let application = setup(&desk.tenant.base_url, CONFIDENTIAL).replace("'delegated'", "'application'");
    desk.apply(&application).await;
    assert!(!needs().await, "nobody can");
    assert_eq!(connection_standings(&*desk.store, &desk.actor()).await.unwrap().len(), 1);
}
