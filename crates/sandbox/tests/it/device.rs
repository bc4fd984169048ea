//! Sign-in on a machine without a browser.

use sandbox::Running;
use serde_json::Value;

use crate::browser::*;
use crate::client::*;
use crate::tokens::claims;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn ask_code(running: &Running, client: &str, scope: &str) -> Reply {
    let body = encoded(&[("client_id", client), ("scope", scope)]);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let target = format!("/{TENANT}/oauth2/v2.0/devicecode");
    request(running.addr, "POST", &target, &headers, body.as_bytes()).await
}

async fn device(running: &Running) -> Value {
    let reply = ask_code(running, DEVICE_CLIENT, "Mail.Send offline_access").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn poll(running: &Running, device_code: &str) -> Reply {
    let form = [("grant_type", GRANT), ("client_id", DEVICE_CLIENT), ("device_code", device_code)];
    ask_token(running, TENANT, &form).await
}

fn error(reply: &Reply) -> (String, String) {
    (reply.json()["error"].as_str().unwrap_or_default().to_owned(), reply.code())
}

fn pair(error: &str, number: &str) -> (String, String) {
    (error.to_owned(), number.to_owned())
}

/// Enters the code and signs in as anna.
async fn entered(browser: &mut Browser<'_>, user_code: &str) -> Reply {
    let page = browser.get("/devicelogin").await;
    let page = browser.submit(&page, &[("user_code", user_code)]).await;
    browser.sign_in(&page, "anna@contoso.test", "anna-password").await
}

#[tokio::test]
async fn a_code_entered_elsewhere_signs_the_device_in() {
    let running = start().await;
    let asked = device(&running).await;
    assert_eq!((&asked["expires_in"], &asked["interval"]), (&Value::from(900), &Value::from(5)));
    assert_eq!(asked["verification_uri"], "http://localhost/devicelogin");
    let user_code = text(&asked, "user_code");
    assert!(text(&asked, "message").contains(user_code) && user_code.len() == 9, "{user_code}");
    let device_code = text(&asked, "device_code");
    let pending = poll(&running, device_code).await;
    assert_eq!((pending.status, error(&pending)), (400, pair("authorization_pending", "70016")));

    let mut browser = Browser::new(&running);
    let typed = user_code.to_lowercase().replace('-', " ");
    let question = entered(&mut browser, &typed).await;
    assert!(question.text().contains("Mail.Send") && question.text().contains("Are you trying to sign in?"));
    let done = browser.submit(&question, &[("answer", "accept")]).await;
    assert!(done.text().contains("You have signed in"));

    let body = poll(&running, device_code).await.json();
    let token = claims(text(&body, "access_token"));
    assert_eq!((text(&token, "upn"), text(&token, "appidacr")), ("anna@contoso.test", "0"));
    assert!(text(&token, "scp").contains("Mail.Send"));
    assert_eq!(error(&poll(&running, device_code).await).1, "54005", "once");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", DEVICE_CLIENT),
        ("refresh_token", text(&body, "refresh_token")),
    ];
    assert_eq!(ask_token(&running, TENANT, &form).await.status, 200);
}

#[tokio::test]
async fn who_asks_faster_than_the_interval_is_slowed_down() {
    let running = start().await;
    let asked = device(&running).await;
    let code = text(&asked, "device_code");
    assert_eq!(error(&poll(&running, code).await).0, "authorization_pending");
    assert_eq!(error(&poll(&running, code).await).0, "slow_down");
    advance(&running, 5).await;
    assert_eq!(error(&poll(&running, code).await).0, "authorization_pending");
}

#[tokio::test]
async fn who_cancels_declines_for_the_device() {
    let running = start().await;
    let asked = device(&running).await;
    let mut browser = Browser::new(&running);
    let question = entered(&mut browser, text(&asked, "user_code")).await;
    browser.submit(&question, &[("answer", "cancel")]).await;
    let declined = poll(&running, text(&asked, "device_code")).await;
    assert_eq!((declined.status, error(&declined).0.as_str()), (400, "authorization_declined"));
}

#[tokio::test]
async fn a_device_code_lives_fifteen_minutes() {
    let running = start().await;
    let asked = device(&running).await;
    advance(&running, 899).await;
    assert_eq!(error(&poll(&running, text(&asked, "device_code")).await).0, "authorization_pending");
    advance(&running, 1).await;
    assert_eq!(error(&poll(&running, text(&asked, "device_code")).await), pair("expired_token", "70020"));
    let mut browser = Browser::new(&running);
    let page = browser.get("/devicelogin").await;
    let page = browser.submit(&page, &[("user_code", text(&asked, "user_code"))]).await;
    assert_eq!((page.status, shown_number(&page).as_str()), (400, "70018"), "nor can it be entered");
}

#[tokio::test]
async fn a_code_nobody_was_given_is_refused() {
    let running = start().await;
    assert_eq!(error(&poll(&running, "1.Dnonsense").await), pair("bad_verification_code", "70018"));
    let mut browser = Browser::new(&running);
    let page = browser.get("/devicelogin").await;
    assert_eq!(shown_number(&browser.submit(&page, &[("user_code", "ABCD-EFGH")]).await), "70018");
}

#[tokio::test]
async fn device_sign_in_is_for_public_clients() {
    let running = start().await;
    let refused = ask_code(&running, CLIENT, "Mail.Send").await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "7000218"));
    let rows = [
        ("none", "Mail.Send", "700016"),
        (DEVICE_CLIENT, "Mail.Sent", "650053"),
        (DEVICE_CLIENT, "", "900144"),
        (DEVICE_CLIENT, "Mail.Send https://outlook.office.com/SMTP.Send", "28000"),
    ];
    for (client, scope, number) in rows {
        assert_eq!(ask_code(&running, client, scope).await.code(), number, "{client} {scope}");
    }
}

#[tokio::test]
async fn a_signed_in_browser_is_still_asked() {
    let running = start().await;
    let mut browser = Browser::new(&running);
    for _ in 0..2 {
        let asked = device(&running).await;
        let page = browser.get("/devicelogin").await;
        let mut page = browser.submit(&page, &[("user_code", text(&asked, "user_code"))]).await;
        if page.text().contains("name=\"password\"") {
            page = browser.sign_in(&page, "anna@contoso.test", "anna-password").await;
        }
        assert!(page.text().contains("Are you trying to sign in?"));
        assert_eq!(error(&poll(&running, text(&asked, "device_code")).await).0, "authorization_pending");
        browser.submit(&page, &[("answer", "accept")]).await;
    }
}
