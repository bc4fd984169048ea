//! Admin consent: an Entra administrator allows the application what it asks for.

use admin::{SignInEnd, admin_consent_url, explain_consent_refusal, test_connection};
use relay::Network;
use sandbox::Config;

use crate::browser::Browser;
use crate::desk::{CONFIDENTIAL, Desk, SESSION, callback, callback_uri};

/// A tenant in which nobody has consented to anything, and users may not.
async fn unconsented() -> Desk {
    let mut config = Config::default();
    config.tenants[0].user_consent = false;
    config.tenants[0].apps[0].admin_consent = false;
    Desk::with(config, CONFIDENTIAL).await
}

#[tokio::test]
async fn an_administrator_consents_and_afterwards_users_and_the_application_may_send() {
    let desk = unconsented().await;
    let url =
        admin_consent_url(&*desk.store, &desk.actor(), &desk.connection, &callback_uri(), "the state &=").unwrap();
    let told = Browser::new().accept(&url, "admin").await.sent_back_to(&callback_uri());
    assert_eq!((told["admin_consent"].as_str(), told["state"].as_str()), ("True", "the state &="));

    // Nothing is left to ask anna, who could not have answered it.
    let url = desk.begin(&desk.request()).await;
    let mut browser = Browser::new();
    let page = browser.get(&url).await;
    let told = browser.sign_in(&page, "anna").await.sent_back_to(&callback_uri());
    assert!(matches!(desk.finish(&callback(&told), SESSION).await, Ok(SignInEnd::Granted(_))));

    let application = crate::desk::setup(&desk.tenant.base_url, CONFIDENTIAL).replace("'delegated'", "'application'");
    desk.apply(&application).await;
    let test = test_connection(&desk.store, &desk.actor(), "C", &Network::default()).await.unwrap();
    assert_eq!(test.token.unwrap().roles, ["Mail.Send"]);
}

#[tokio::test]
async fn an_administrator_who_refuses_comes_back_with_a_reason() {
    let desk = unconsented().await;
    let url = admin_consent_url(&*desk.store, &desk.actor(), &desk.connection, &callback_uri(), "s").unwrap();
    let mut browser = Browser::new();
    let page = browser.get(&url).await;
    let page = browser.sign_in(&page, "admin").await;
    let told = browser.submit(&page, &[("answer", "cancel")]).await.sent_back_to(&callback_uri());
    let explanation = explain_consent_refusal(&told["error"], &told["error_description"]);
    assert!(explanation.why.contains("AADSTS65004") && explanation.fix.contains("onsent"), "{explanation:?}");
}

#[tokio::test]
async fn only_an_administrator_gets_the_link() {
    let desk = Desk::new(CONFIDENTIAL).await;
    let operator = admin::Actor::new("otto", admin::Role::Operator);
    assert!(admin_consent_url(&*desk.store, &operator, &desk.connection, &callback_uri(), "s").is_err());
}
