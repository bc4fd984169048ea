//! Pages and JSON to look into mailboxes with.

use sandbox::Folder;
use serde_json::Value;

use crate::client::*;

const HOSTILE: &str = "From: noreply@contoso.test\r\nTo: anna@contoso.test\r\nBcc: ben@contoso.test\r\n\
     Subject: <script>alert(1)</script>\r\n\r\n<img src=x onerror=alert(2)>\r\n";

fn ids(body: &Value) -> Vec<String> {
    let rows = body["messages"].as_array().unwrap();
    rows.iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn folders_list_their_messages_newest_first() {
    let running = start().await;
    let token = token(&running).await;
    for subject in ["one", "two", "three"] {
        let to = if subject == "two" { "ben@contoso.test" } else { "anna@contoso.test" };
        let mime = format!("From: noreply@contoso.test\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhi");
        assert_eq!(send(&running, &token, SEND, &mime).await.status, 202);
    }
    let rows = [
        ("", vec!["three", "two", "one"]),
        ("?limit=1", vec!["three"]),
        ("?mailbox=Anna%40contoso.test&folder=inbox", vec!["three", "one"]),
        ("?mailbox=anna@contoso.test&folder=sentitems", vec![]),
        ("?mailbox=noreply@contoso.test", vec!["three", "two", "one"]),
        ("?mailbox=noreply@contoso.test&folder=SentItems&limit=2", vec!["three", "two"]),
    ];
    for (query, subjects) in rows {
        let body = get(&running, &format!("/sandbox/api/messages{query}")).await.json();
        assert_eq!(ids(&body), subjects, "{query}");
    }
    assert_eq!(get(&running, "/sandbox/api/messages?folder=junk").await.status, 400);
}

#[tokio::test]
async fn a_message_can_be_fetched_as_submitted_and_as_delivered() {
    let running = start().await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, HOSTILE).await.status, 202);
    let waited = get(&running, "/sandbox/api/deliveries?wait_for=1&timeout_ms=20000").await.json();
    let id = waited["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(waited["total"], 1);
    let raw = get(&running, &format!("/sandbox/api/messages/{id}/raw")).await;
    assert_eq!(raw.text(), HOSTILE);
    assert_eq!(raw.header("content-type"), Some("text/plain; charset=utf-8"), "never interpreted by a browser");
    assert_eq!(raw.header("x-content-type-options"), Some("nosniff"));
    let delivered = get(&running, &format!("/sandbox/api/messages/{id}/delivered")).await.text();
    assert!(!delivered.contains("ben@contoso.test"), "{delivered}");
    let row = get(&running, &format!("/sandbox/api/messages/{id}")).await.json();
    assert_eq!(row["inboxes"], serde_json::json!(["anna@contoso.test", "ben@contoso.test"]));
    assert_eq!(row["sha256"], waited["deliveries"][0]["sha256"]);
}

#[tokio::test]
async fn pages_show_mail_as_text_and_load_nothing() {
    let running = start().await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, HOSTILE).await.status, 202);
    let id = running.deliveries()[0].id.clone();
    for path in ["/".to_owned(), "/mailboxes/anna%40contoso.test".to_owned(), format!("/messages/{id}")] {
        let page = get(&running, &path).await;
        let text = page.text();
        assert_eq!(page.status, 200, "{path}");
        assert!(text.contains("&#60;script&#62;"), "{path} shows the subject");
        assert!(!text.contains("<script") && !text.contains("<img"), "{path}");
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'self'"));
        assert!(!text.contains("http://") || path == "/", "{path} names no other address");
    }
    let overview = get(&running, "/").await.text();
    for shown in [TENANT, CLIENT, "sandbox-secret", "unlicensed@contoso.test"] {
        assert!(overview.contains(shown), "{shown}");
    }
    assert!(get(&running, &format!("/messages/{id}")).await.text().contains("ben@contoso.test"), "Bcc, for the tester");
    assert_eq!(get(&running, "/style.css").await.status, 200);
    assert_eq!(get(&running, "/messages/none").await.status, 404);
}

#[tokio::test]
async fn deleting_messages_starts_all_over() {
    let running = start().await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    let stats = get(&running, "/sandbox/api/stats").await.json();
    assert_eq!((&stats["deliveries"], &stats["by_status"]["202"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(stats["bytes_delivered"], MAIL.len());
    assert_eq!(request(running.addr, "DELETE", "/sandbox/api/messages", &[], b"").await.status, 204);
    assert_eq!(running.stats(), sandbox::Stats::default());
    assert!(running.deliveries().is_empty() && running.requests().is_empty());
    assert!(running.folder("x@example.test", Folder::Inbox).is_empty());
}

#[tokio::test]
async fn memory_is_bounded_and_counters_go_on() {
    let running = start_from("[storage]\nkeep_messages = 2\nkeep_deliveries = 3\nkeep_requests = 1").await;
    let token = token(&running).await;
    for _ in 0..5 {
        assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    }
    let stats = running.stats();
    assert_eq!((stats.deliveries, stats.messages_kept), (5, 2));
    assert_eq!((running.deliveries().len(), running.requests().len()), (3, 1));
    assert_eq!(stats.bytes_kept, u64::try_from(2 * MAIL.len()).unwrap());
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let running = start_from(&format!("[storage]\nkeep_bytes = {}", MAIL.len() * 3 / 2)).await;
    let token = token(&running).await;
    for _ in 0..3 {
        assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    }
    assert_eq!(running.stats().messages_kept, 1);
}

#[tokio::test]
async fn without_bodies_only_the_rows_are_kept() {
    let running = start_from("[storage]\nstore_bodies = false").await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    assert_eq!(running.stats().bytes_kept, 0);
    let message = running.folder("x@example.test", Folder::Inbox).remove(0);
    assert!(message.raw.is_empty());
    assert_eq!(message.delivery.bytes, MAIL.len());
}

#[tokio::test]
async fn other_addresses_lead_nowhere() {
    let running = start().await;
    for path in ["/nothing", "/sandbox/api/nothing", "/contoso.test/oauth2/v2.0/nothing"] {
        assert_eq!(get(&running, path).await.status, 404, "{path}");
    }
    assert_eq!(request(running.addr, "POST", "/", &[], b"").await.status, 404);
}
