//! An administrator grants an app its permissions.

use sandbox::Config;

use crate::browser::*;
use crate::client::*;
use crate::tokens::claims;

fn page_address(version: &str) -> String {
    let query = encoded(&[("client_id", CLIENT), ("redirect_uri", CALLBACK), ("state", "s 1")]);
    format!("/{TENANT}{version}/adminconsent?{query}")
}

#[tokio::test]
async fn an_administrator_grants_everything_the_registration_lists() {
    let mut config = Config::default();
    config.tenants[0].apps[0].admin_consent = false;
    config.tenants[0].user_consent = false;
    let running = start_with(config).await;
    assert!(claims(&token(&running).await).get("roles").is_none(), "nobody granted them yet");

    let mut browser = Browser::new(&running);
    let page = browser.get(&page_address("")).await;
    let question = browser.sign_in(&page, "admin@contoso.test", "admin-password").await;
    assert!(question.text().contains("As the application itself: Mail.Send"), "{}", question.text());
    let told = redirected(&browser.submit(&question, &[("answer", "accept")]).await);
    assert_eq!(
        (told["tenant"].as_str(), told["state"].as_str(), told["admin_consent"].as_str()),
        (TENANT, "s 1", "True")
    );
    assert_eq!(claims(&token(&running).await)["roles"], serde_json::json!(["Mail.Send"]));

    let mut anna = Browser::new(&running);
    let page = anna.get(&authorize()).await;
    assert_eq!(anna.sign_in(&page, "anna@contoso.test", "anna-password").await.status, 302, "nothing left to ask");
}

#[tokio::test]
async fn refusing_is_told_to_the_client() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&page_address("/v2.0")).await;
    let question = browser.sign_in(&page, "admin@contoso.test", "admin-password").await;
    let told = redirected(&browser.submit(&question, &[("answer", "cancel")]).await);
    assert_eq!(told["error"], "permission_denied");
    assert!(told["error_description"].starts_with("AADSTS65004: "));
    assert!(!told.contains_key("admin_consent"));
}

#[tokio::test]
async fn nobody_else_can_grant() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    let page = browser.get(&page_address("")).await;
    let refused = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
    assert_eq!((refused.status, shown_number(&refused).as_str()), (400, "90094"));
    let elsewhere = page_address("").replace("callback", "elsewhere");
    assert_eq!(shown_number(&browser.get(&elsewhere).await), "50011");
}

#[tokio::test]
async fn single_permissions_are_granted_without_the_roles() {
    let mut config = Config::default();
    config.tenants[0].apps[0].admin_consent = false;
    let running = start_with(config).await;
    let mut browser = Browser::new(&running);
    let scope = encoded(&[("scope", "https://graph.microsoft.com/Mail.Send")]);
    let page = browser.get(&format!("{}&{scope}", page_address("/v2.0"))).await;
    let question = browser.sign_in(&page, "admin@contoso.test", "admin-password").await;
    assert!(!question.text().contains("As the application itself"));
    redirected(&browser.submit(&question, &[("answer", "accept")]).await);
    assert!(claims(&token(&running).await).get("roles").is_none());
    let mut anna = Browser::new(&running);
    let page = anna.get(&authorize_with(&[("scope", "Mail.Send")])).await;
    assert_eq!(anna.sign_in(&page, "anna@contoso.test", "anna-password").await.status, 302, "granted for everyone");
}
