//! What comes back to a sender, and reading an Inbox.

use sandbox::Running;
use serde_json::{Value, json};

use crate::client::*;

const INBOX: &str = "/v1.0/users/noreply@contoso.test/mailFolders/inbox/messages";
const CLASS: &str = "&$expand=singleValueExtendedProperties($filter=id%20eq%20'String%200x001A')";
const IMMUTABLE: (&str, &str) = ("Prefer", "IdType=\"ImmutableId\"");

async fn may_read(settings: &str) -> (Running, String) {
    let running = start_from(settings).await;
    let token = running.forge_token(CLIENT, &json!({"roles": ["Mail.Send", "Mail.Read"]})).unwrap();
    (running, token)
}

async fn ask(running: &Running, token: &str, target: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    request(running.addr, "GET", target, &[("Authorization", bearer.as_str()), IMMUTABLE], b"").await
}

async fn send_to(running: &Running, token: &str, recipient: &str) {
    let mail = format!(
        "From: noreply@contoso.test\r\nTo: {recipient}\r\nSubject: Order 7\r\nMessage-ID: <7@erp.test>\r\n\r\nhi\r\n"
    );
    assert_eq!(send(running, token, SEND, &mail).await.status, 202);
}

async fn inbox(running: &Running, token: &str) -> Vec<Value> {
    let target =
        format!("{INBOX}?$filter=receivedDateTime%20ge%202020-01-01T00:00:00Z&$orderby=receivedDateTime{CLASS}");
    let reply = ask(running, token, &target).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["value"].as_array().unwrap().clone()
}

#[tokio::test]
async fn mail_to_an_unknown_name_of_the_tenant_comes_back() {
    let (running, token) = may_read("").await;
    send_to(&running, &token, "anna@contoso.test").await;
    send_to(&running, &token, "somebody@elsewhere.test").await;
    assert_eq!(inbox(&running, &token).await, Vec::<Value>::new(), "what arrives does not come back");
    send_to(&running, &token, "gone@contoso.test").await;
    let listed = inbox(&running, &token).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["singleValueExtendedProperties"][0]["value"], "REPORT.IPM.Note.NDR");
    let id = listed[0]["id"].as_str().unwrap();
    let mime = ask(&running, &token, &format!("/v1.0/users/noreply@contoso.test/messages/{id}/$value")).await.text();
    for expected in [
        "Content-Type: multipart/report; report-type=delivery-status;",
        "Final-Recipient: rfc822;gone@contoso.test\r\nAction: failed\r\nStatus: 5.1.10\r\n",
        "Content-Type: message/rfc822\r\n\r\nFrom: noreply@contoso.test\r\n",
        "\r\nMessage-ID: <7@erp.test>\r\n",
    ] {
        assert!(mime.contains(expected), "{expected}: {mime}");
    }
}

#[tokio::test]
async fn a_report_takes_its_time_by_the_tenants_clock() {
    let settings = "[behaviour]\nbounce_after_seconds = 600\nunreachable_domains = ['nowhere.test']\n";
    let (running, token) = may_read(settings).await;
    send_to(&running, &token, "x@nowhere.test").await;
    assert!(inbox(&running, &token).await.is_empty());
    let order = json!({"advance_seconds": 601}).to_string();
    let headers = [("Content-Type", "application/json")];
    request(running.addr, "POST", "/sandbox/api/clock", &headers, order.as_bytes()).await;
    assert_eq!(inbox(&running, &token).await.len(), 1);
}

#[tokio::test]
async fn nothing_is_read_without_the_permission() {
    let running = start().await;
    let token = token(&running).await;
    let reply = ask(&running, &token, INBOX).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "ErrorAccessDenied"));
}

#[tokio::test]
async fn an_order_goes_with_a_filter_on_the_same_property() {
    let (running, token) = may_read("").await;
    let reply = ask(&running, &token, &format!("{INBOX}?$orderby=receivedDateTime")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "InefficientFilter"));
    let reply = ask(&running, &token, &format!("{INBOX}?$filter=subject%20eq%20'x'")).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn an_id_is_known_only_to_requests_of_its_kind() {
    let (running, token) = may_read("").await;
    send_to(&running, &token, "gone@contoso.test").await;
    let listed = inbox(&running, &token).await;
    let target = format!("/v1.0/users/noreply@contoso.test/messages/{}/$value", listed[0]["id"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let reply = request(running.addr, "GET", &target, &[("Authorization", &bearer)], b"").await;
    assert_eq!(reply.status, 404, "asked without Prefer: IdType");
}

#[tokio::test]
async fn a_report_is_not_reported_about() {
    let (running, token) = may_read("").await;
    let mail = "From: noreply@contoso.test\r\nTo: gone@contoso.test\r\nSubject: x\r\nContent-Type: multipart/report;\r\n \
                report-type=delivery-status; boundary=b\r\n\r\n--b--\r\n";
    assert_eq!(send(&running, &token, SEND, mail).await.status, 202);
    assert!(inbox(&running, &token).await.is_empty());
}
