//! Refresh tokens over their ninety days, and what ends them before.

use serde_json::json;

use crate::browser::*;
use crate::client::*;
use crate::tokens::claims;

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn every_use_brings_a_new_refresh_token_and_keeps_the_old() {
    let running = start().await;
    let first = tokens_of_anna(&running).await;
    let old = text(&first, "refresh_token");
    let second = refresh_with(&running, old, &[]).await.json();
    assert_ne!(old, text(&second, "refresh_token"));
    assert_eq!(claims(text(&second, "access_token"))["upn"], "anna@contoso.test");
    assert!(claims(text(&second, "id_token")).get("nonce").is_none(), "the nonce was the sign-in's");
    for token in [old, text(&second, "refresh_token")] {
        assert_eq!(refresh_with(&running, token, &[]).await.status, 200);
    }
}

#[tokio::test]
async fn ninety_days_count_from_the_last_use() {
    let running = start().await;
    let first = tokens_of_anna(&running).await;
    advance(&running, 89 * DAY).await;
    let second = refresh_with(&running, text(&first, "refresh_token"), &[]).await;
    assert_eq!(second.status, 200, "89 days: {}", second.text());
    let second = second.json();
    advance(&running, 2 * DAY).await;
    let expired = refresh_with(&running, text(&first, "refresh_token"), &[]).await;
    assert_eq!((expired.status, expired.code().as_str()), (400, "700082"), "91 days");
    assert_eq!(expired.json()["error"], "invalid_grant");
    assert_eq!(refresh_with(&running, text(&second, "refresh_token"), &[]).await.status, 200, "2 days");
}

#[tokio::test]
async fn revoking_a_user_ends_everything_it_signed_in_to() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    browser.accept_as_anna(&authorize()).await;
    let code = redirected(&browser.get(&authorize()).await)["code"].clone();
    let body = tokens_of_anna(&running).await;
    let renewed = refresh_with(&running, text(&body, "refresh_token"), &[]).await.json();
    let revoked = order(&running, "/sandbox/api/users/Anna%40contoso.test/revoke", &json!({})).await;
    assert_eq!(revoked.status, 204);
    for token in [&body, &renewed] {
        let refused = refresh_with(&running, text(token, "refresh_token"), &[]).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "50173"));
    }
    assert_eq!(redeem_with(&running, &code, &[]).await.code(), "50173");
    assert!(browser.get(&authorize()).await.text().contains("name=\"password\""), "the session is over");
    let again = tokens_of_anna(&running).await;
    assert_eq!(refresh_with(&running, text(&again, "refresh_token"), &[]).await.status, 200, "signed in again");
    assert_eq!(order(&running, "/sandbox/api/users/ghost@contoso.test/revoke", &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_its_client() {
    let running = start().await;
    let body = tokens_of_anna(&running).await;
    let token = text(&body, "refresh_token");
    let other = [("client_id", DEVICE_CLIENT), ("client_secret", "")];
    let rows: [(&str, Changes<'_>, &str); 5] = [
        (token, &other, "70000"),
        (token, &[("client_secret", "")], "7000218"),
        (token, &[("client_secret", "wrong")], "7000215"),
        ("1.Anonsense", &[], "70000"),
        (token, &[("refresh_token", "")], "900144"),
    ];
    for (token, changes, number) in rows {
        assert_eq!(refresh_with(&running, token, changes).await.code(), number, "{changes:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_serves_each_resource_the_user_consented_to_one_at_a_time() {
    let running = start().await;
    let scope = "Mail.Send https://outlook.office.com/SMTP.Send offline_access";
    let code = code_for(&running, &authorize_with(&[("scope", scope)])).await;
    let body = redeem_with(&running, &code, &[]).await.json();
    let token = text(&body, "refresh_token");
    let smtp = refresh_with(&running, token, &[("scope", "https://outlook.office.com/SMTP.Send")]).await.json();
    assert_eq!(claims(text(&smtp, "access_token"))["aud"], "https://outlook.office.com");
    let graph = refresh_with(&running, text(&smtp, "refresh_token"), &[("scope", "Mail.Send")]).await.json();
    assert_eq!(claims(text(&graph, "access_token"))["aud"], "https://graph.microsoft.com");
    let both = refresh_with(&running, token, &[("scope", scope)]).await;
    assert_eq!((both.json()["error"].as_str(), both.code().as_str()), (Some("invalid_scope"), "28000"));
    let beyond = refresh_with(&running, token, &[("scope", "Mail.Read")]).await;
    assert_eq!(beyond.code(), "65001");
}

#[tokio::test]
async fn without_consent_nothing_is_refreshed() {
    let running = start().await;
    let body = tokens_of_anna(&running).await;
    let target = format!("/sandbox/api/apps/{CLIENT}/revoke");
    assert_eq!(order(&running, &target, &json!({})).await.status, 204);
    assert_eq!(refresh_with(&running, text(&body, "refresh_token"), &[]).await.code(), "65001");
    assert_eq!(order(&running, "/sandbox/api/apps/none/revoke", &json!({})).await.status, 404);
}

#[tokio::test]
async fn an_app_that_proved_itself_once_must_do_so_again() {
    let mut config = sandbox::Config::default();
    config.tenants[0].apps[0].allow_public_client = true;
    let running = start_with(config).await;
    let body = tokens_of_anna(&running).await;
    let token = text(&body, "refresh_token");
    let refused = refresh_with(&running, token, &[("client_secret", "")]).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "7000218"));
    assert_eq!(refresh_with(&running, token, &[]).await.status, 200);
}
