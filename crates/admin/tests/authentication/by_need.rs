//! What a sign-in asks for follows from the connection's settings; an application proves itself without one.

use std::collections::HashMap;

use admin::{SignInEnd, admin_consent_url, connection_standing, prove_application};
use relay::Network;

use crate::browser::Browser;
use crate::desk::{CONFIDENTIAL, Desk, SESSION, callback, callback_uri, setup};

const EXCHANGE: &str = "Microsoft Entra ID Exchange";
const GRAPH: &str = "Microsoft Entra ID Graph API";

/// The setup file with another service; its last lines are those of the Emails settings.
fn by(service: &str, setup: &str) -> String {
    let kind = if service == GRAPH { "graph" } else { "smtp" };
    format!("{}connection_type = '{kind}'\n", setup.replace(GRAPH, service))
}

fn asked(url: &url::Url) -> String {
    let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
    asked["scope"].clone()
}

#[tokio::test]
async fn for_exchange_a_user_is_asked_for_smtp_and_for_nothing_of_graphs() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.apply(&by(EXCHANGE, &setup(&desk.tenant.base_url, CONFIDENTIAL))).await;
    let url = desk.begin(&desk.request()).await;
    assert_eq!(asked(&url), "https://outlook.office.com/SMTP.Send offline_access openid profile");
    let told = Browser::new().accept(&url, "anna").await.sent_back_to(&callback_uri());
    let SignInEnd::Granted(grant) = desk.finish(&callback(&told), SESSION).await.unwrap() else { panic!("refused") };
    assert!(grant.scopes.iter().any(|scope| scope.ends_with("/SMTP.Send")), "{grant:?}");
    let standing = connection_standing(&*desk.store, &desk.actor(), "C").await.unwrap();
    assert!(!standing.needs_sign_in && standing.lacks.is_empty(), "{standing:?}");
    let tokens = relay::tokens_of(
        &desk.store.settings().borrow().clone(),
        &settings::ConnectionId(desk.connection.clone()),
        &desk.store,
        &Network::default(),
    );
    let claims = tokens.unwrap().token().await.unwrap().claims().unwrap();
    assert_eq!(claims.aud.as_deref(), Some("https://outlook.office.com"));
    assert!(claims.grants("SMTP.Send"));
}

#[tokio::test]
async fn what_the_settings_need_is_asked_for_and_what_an_older_sign_in_lacks_is_named() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.sign_in("anna").await;
    let plain = setup(&desk.tenant.base_url, CONFIDENTIAL);
    for (line, permission) in [
        ("large_messages = true", "Mail.ReadWrite"),
        ("delivery = 'tracked'", "Mail.ReadWrite"),
        ("read_bounces = true", "Mail.Read"),
    ] {
        let changed = plain.replace("permission = 'delegated'", &format!("permission = 'delegated'\n{line}"));
        desk.apply(&changed).await;
        let standing = connection_standing(&*desk.store, &desk.actor(), "C").await.unwrap();
        assert_eq!((standing.needs_sign_in, standing.lacks.as_slice()), (false, [permission].as_slice()), "{line}");
        let url = desk.begin(&desk.request()).await;
        assert!(asked(&url).split(' ').any(|scope| scope.ends_with(&format!("/{permission}"))), "{line}: {url}");
        desk.apply(&plain.replace("permission = 'delegated'", "permission = 'delegated'\nlarge_messages = false"))
            .await;
    }
}

#[tokio::test]
async fn consent_for_exchange_is_consent_to_exchanges_permissions() {
    let desk = Desk::new(CONFIDENTIAL).await;
    desk.apply(&by(EXCHANGE, &setup(&desk.tenant.base_url, CONFIDENTIAL))).await;
    let url = admin_consent_url(&*desk.store, &desk.actor(), &desk.connection, &callback_uri(), "state").unwrap();
    assert_eq!(asked(&url), "https://outlook.office365.com/.default");
}

#[tokio::test]
async fn an_application_proves_itself_and_says_by_what() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let network = Network::default();
    let refused = prove_application(&desk.store, &desk.actor(), "C", &network).await.unwrap_err();
    assert!(refused.to_string().contains("a person signs in"), "{refused}");

    let application = setup(&desk.tenant.base_url, CONFIDENTIAL).replace("'delegated'", "'application'");
    for (service, role) in [(GRAPH, "Mail.Send"), (EXCHANGE, "SMTP.SendAsApp")] {
        desk.apply(&by(service, &application)).await;
        let proof = prove_application(&desk.store, &desk.actor(), "C", &network).await.unwrap().unwrap();
        assert_eq!((proof.by.as_str(), proof.lacks_role), ("its client secret", None));
        assert_eq!(proof.token.unwrap().roles, [role]);
    }
    desk.tenant.change_secrets(CONFIDENTIAL, &["another"]);
    let explanation = prove_application(&desk.store, &desk.actor(), "C", &network).await.unwrap().unwrap_err();
    assert_eq!(explanation.code.as_deref(), Some("AADSTS7000215"));
    assert!(explanation.fix.contains("Value"), "{explanation:?}");
}
