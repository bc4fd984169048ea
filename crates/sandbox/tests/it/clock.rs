//! The clock that can be moved, and the journal of token requests.

use serde_json::json;

use crate::browser::*;
use crate::client::*;

#[tokio::test]
async fn the_clock_is_moved_forward_only() {
    let running = start().await;
    let before: jiff::Timestamp = text(&get(&running, "/sandbox/api/clock").await.json(), "now").parse().unwrap();
    advance(&running, 3600).await;
    let body = get(&running, "/sandbox/api/clock").await.json();
    let after: jiff::Timestamp = text(&body, "now").parse().unwrap();
    assert_eq!(body["advanced_seconds"], 3600);
    assert!(after.duration_since(before) >= jiff::SignedDuration::from_hours(1));
    assert!(get(&running, "/").await.text().contains("clock was moved forward"));
    for wrong in [json!({"advance_seconds": -1}), json!({"advance": 1}), json!(5)] {
        assert_eq!(order(&running, "/sandbox/api/clock", &wrong).await.status, 400, "{wrong}");
    }
    let form = request(running.addr, "POST", "/sandbox/api/clock", &[], b"{\"advance_seconds\":1}").await;
    assert_eq!(form.status, 400, "a page of another origin cannot move it");
    advance(&running, u64::MAX).await;
    assert!(get(&running, "/sandbox/api/clock").await.json()["advanced_seconds"].as_u64().unwrap() < 1 << 32);
}

#[tokio::test]
async fn access_tokens_grow_old_with_the_clock() {
    let running = start().await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    running.advance_clock(std::time::Duration::from_secs(5401));
    let refused = send(&running, &token, SEND, MAIL).await;
    assert!(refused.text().contains("the token is expired"), "{}", refused.text());
}

#[tokio::test]
async fn secrets_expire_with_the_clock() {
    let mut config = sandbox::Config::default();
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    config.tenants[0].apps[0].secrets[0].expires = Some(tomorrow);
    let running = start_with(config).await;
    assert_eq!(ask_token(&running, TENANT, &good_form()).await.status, 200);
    advance(&running, 25 * 3600).await;
    assert_eq!(ask_token(&running, TENANT, &good_form()).await.code(), "7000222");
}

#[tokio::test]
async fn windows_of_limits_pass_with_the_clock() {
    let running = start_from("[limits]\nrequests_per_window = 1").await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 429);
    advance(&running, 660).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
}

#[tokio::test]
async fn token_requests_are_journalled_without_their_secrets() {
    let running = start().await;
    let body = tokens_of_anna(&running).await;
    let refresh = text(&body, "refresh_token");
    refresh_with(&running, refresh, &[("client_secret", "my-wrong-secret")]).await;
    let reply = get(&running, "/sandbox/api/token_requests").await;
    let rows = reply.json()["token_requests"].clone();
    assert_eq!(rows[0]["grant_type"], "authorization_code");
    assert_eq!((&rows[0]["user"], &rows[0]["aadsts"]), (&json!("anna@contoso.test"), &json!(null)));
    assert_eq!(rows[1]["grant_type"], "refresh_token");
    assert_eq!((&rows[1]["aadsts"], &rows[1]["error"]), (&json!(7_000_215), &json!("invalid_client")));
    assert_eq!(rows[1]["client_id"], CLIENT);
    for secret in ["my-wrong-secret", "sandbox-secret", refresh, text(&body, "access_token")] {
        assert!(!reply.text().contains(secret), "{secret}");
    }
    let newest = get(&running, "/sandbox/api/token_requests?limit=1").await.json();
    assert_eq!(newest["token_requests"], json!([rows[1]]));
    assert_eq!(running.token_requests().len(), 2);
}
