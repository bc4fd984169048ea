//! What a signed-in person may send.

use sandbox::{Config, Running};

use crate::browser::*;
use crate::client::*;

/// Anna may send as info and on behalf of support; nobody asked ben.
async fn start_with_delegates() -> Running {
    let mut config = Config::default();
    let tenant = &mut config.tenants[0];
    for name in ["info", "support"] {
        let mut shared = tenant.users[0].clone();
        shared.upn = format!("{name}@contoso.test");
        tenant.users.push(shared);
    }
    tenant.users[1].send_as = vec!["info@contoso.test".to_owned()];
    tenant.users[1].send_on_behalf = vec!["support@contoso.test".to_owned()];
    tenant.apps[0].send_as = vec!["ben@contoso.test".to_owned()];
    start_with(config).await
}

async fn token_for(running: &Running, scope: &str) -> String {
    let code = code_for(running, &authorize_with(&[("scope", scope)])).await;
    text(&redeem_with(running, &code, &[]).await.json(), "access_token").to_owned()
}

async fn outcome(running: &Running, token: &str, target: &str, from: &str) -> String {
    let mail = format!("From: {from}@contoso.test\r\nTo: x@example.test\r\n\r\nhi");
    let reply = send(running, token, target, &mail).await;
    if reply.status == 202 { "taken".to_owned() } else { format!("{} {}", reply.status, reply.code()) }
}

#[tokio::test]
async fn a_person_sends_from_its_own_mailbox_with_mail_send() {
    let running = start_with_delegates().await;
    let token = token_for(&running, "Mail.Send").await;
    let rows = [
        ("/v1.0/me/sendMail", "anna", "taken"),
        ("/v1.0/users/anna@contoso.test/sendMail", "anna", "taken"),
        ("/v1.0/me/sendMail", "ben", "403 ErrorSendAsDenied"),
        ("/v1.0/me/sendMail", "info", "403 ErrorAccessDenied"),
        ("/v1.0/users/info@contoso.test/sendMail", "info", "403 ErrorAccessDenied"),
        ("/v1.0/users/ben@contoso.test/sendMail", "ben", "403 ErrorAccessDenied"),
    ];
    for (target, from, expected) in rows {
        assert_eq!(outcome(&running, &token, target, from).await, expected, "{target} as {from}");
    }
}

#[tokio::test]
async fn another_mailbox_needs_mail_send_shared_and_a_right_in_the_directory() {
    let running = start_with_delegates().await;
    let token = token_for(&running, "Mail.Send.Shared").await;
    let rows = [
        ("/v1.0/users/info@contoso.test/sendMail", "info", "taken"),
        ("/v1.0/users/support@contoso.test/sendMail", "support", "taken"),
        ("/v1.0/me/sendMail", "info", "taken"),
        ("/v1.0/me/sendMail", "anna", "taken"),
        ("/v1.0/users/ben@contoso.test/sendMail", "ben", "403 ErrorSendAsDenied"),
        ("/v1.0/users/info@contoso.test/sendMail", "ben", "403 ErrorSendAsDenied"),
        ("/v1.0/users/ghost@contoso.test/sendMail", "ghost", "404 ErrorInvalidUser"),
    ];
    for (target, from, expected) in rows {
        assert_eq!(outcome(&running, &token, target, from).await, expected, "{target} as {from}");
    }
}

#[tokio::test]
async fn a_person_who_granted_no_mail_sends_none() {
    let running = start_with_delegates().await;
    let token = token_for(&running, "User.Read").await;
    assert_eq!(outcome(&running, &token, "/v1.0/me/sendMail", "anna").await, "403 ErrorAccessDenied");
    let token = token_for(&running, "https://outlook.office.com/SMTP.Send").await;
    assert_eq!(outcome(&running, &token, "/v1.0/me/sendMail", "anna").await, "401 InvalidAuthenticationToken");
}
