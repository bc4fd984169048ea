//! `sendMail` in JSON form.

use mail_parser::{MessageParser, MimeHeaders as _};
use sandbox::Folder;
use serde_json::{Value, json};

use crate::client::*;

fn recipients(addresses: &[&str]) -> Value {
    addresses.iter().map(|address| json!({"emailAddress": {"address": address}})).collect()
}

fn message() -> Value {
    json!({
        "subject": "Backup grün",
        "body": {"contentType": "HTML", "content": "<p>done</p>"},
        "toRecipients": recipients(&["ops@example.test"]),
        "ccRecipients": [{"emailAddress": {"address": "anna@contoso.test", "name": "Anna, A."}}],
        "bccRecipients": recipients(&["hidden@example.test"]),
        "replyTo": recipients(&["help@example.test"]),
        "importance": "high",
        "internetMessageId": "<7@gateway.test>",
        "internetMessageHeaders": [{"name": "X-Queue-Id", "value": "17"}],
        "singleValueExtendedProperties": [{"id": "String 0x1042", "value": "<6@gateway.test>"}],
        "attachments": [
            {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentType": "text/plain",
             "contentBytes": "aGVsbG8="},
            {"@odata.type": "#microsoft.graph.itemAttachment", "name": "inner",
             "item": {"@odata.type": "microsoft.graph.message", "subject": "Inside",
                      "body": {"contentType": "text", "content": "deep"}}},
        ],
    })
}

#[tokio::test]
async fn a_json_message_becomes_the_mime_it_describes() {
    let running = start().await;
    let token = token(&running).await;
    let reply = send_json(&running, &token, &json!({"message": message()})).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    let stored = running.folder("hidden@example.test", Folder::Inbox).remove(0);
    let mime = MessageParser::default().parse(stored.raw.as_ref()).unwrap();
    assert_eq!(mime.subject(), Some("Backup grün"));
    assert_eq!(mime.body_html(0).unwrap().trim_end(), "<p>done</p>");
    assert_eq!(mime.cc().unwrap().first().unwrap().name(), Some("Anna, A."));
    assert_eq!(mime.reply_to().unwrap().first().unwrap().address(), Some("help@example.test"));
    assert_eq!(mime.message_id(), Some("7@gateway.test"));
    assert_eq!(mime.in_reply_to().as_text(), Some("6@gateway.test"));
    assert_eq!(mime.header_raw("X-Queue-Id").map(str::trim), Some("17"));
    assert_eq!(mime.header_raw("Importance").map(str::trim), Some("high"));
    let file = mime.attachment(0).unwrap();
    assert_eq!((file.attachment_name(), file.contents()), (Some("a.txt"), b"hello".as_slice()));
    assert_eq!(mime.attachment(1).unwrap().message().unwrap().subject(), Some("Inside"));
    assert_eq!(stored.delivery.form, "json");
    assert_eq!(stored.delivery.bcc, ["hidden@example.test"]);
}

#[tokio::test]
async fn parameters_go_by_either_case_and_booleans_may_be_strings() {
    let running = start().await;
    let token = token(&running).await;
    let rows = [
        (json!({"message": message()}), 1, "saved by default"),
        (json!({"Message": message(), "SaveToSentItems": true}), 1, "as the SDKs write it"),
        (json!({"message": message(), "saveToSentItems": "false"}), 0, "as the documentation's sample writes it"),
        (json!({"message": message(), "saveToSentItems": false}), 0, "a Boolean"),
    ];
    for (body, saved, reason) in rows {
        running.clear();
        assert_eq!(send_json(&running, &token, &body).await.status, 202, "{reason}");
        assert_eq!(running.folder("noreply@contoso.test", Folder::SentItems).len(), saved, "{reason}");
        assert_eq!(running.folder("ops@example.test", Folder::Inbox).len(), 1, "{reason}");
    }
}

fn message_with(name: &str, value: Value) -> Value {
    let mut message = message();
    message[name] = value;
    json!({"message": message})
}

#[tokio::test]
async fn refusals_of_json() {
    let running = start().await;
    let token = token(&running).await;
    let header = |name: &str| json!({"name": name, "value": "v"});
    let headers = |count: usize| (0..count).map(|n| header(&format!("x-h{n}"))).collect::<Value>();
    let file =
        |bytes: &str| json!([{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": bytes}]);
    let rows = [
        ("no wrapper", message()),
        ("nothing", json!({})),
        ("an array", json!([])),
        ("unknown property", message_with("subjekt", json!("s"))),
        ("unknown property inside", message_with("from", json!({"address": "a@b.test"}))),
        ("a number for a string", message_with("subject", json!(1))),
        ("not a Boolean", json!({"message": message(), "saveToSentItems": "maybe"})),
        ("header without x-", message_with("internetMessageHeaders", json!([header("In-Reply-To")]))),
        ("six headers", message_with("internetMessageHeaders", headers(6))),
        ("attachment without a type", message_with("attachments", json!([{"name": "a"}]))),
        ("attachment not base64", message_with("attachments", file("*"))),
        ("bad recipient", message_with("toRecipients", recipients(&["a.@example.test"]))),
        ("recipient without address", message_with("toRecipients", json!([{"emailAddress": {"name": "Anna"}}]))),
        ("another author", message_with("from", recipients(&["ceo@contoso.test"])[0].clone())),
        ("nobody", json!({"message": {"subject": "s"}})),
    ];
    let mut seen = String::new();
    for (name, body) in rows {
        let reply = send_json(&running, &token, &body).await;
        seen = format!("{seen}{name}: {} {}\n", reply.status, without_ids(&reply));
    }
    insta::assert_snapshot!(seen);
    let five = send_json(&running, &token, &message_with("internetMessageHeaders", headers(5))).await;
    assert_eq!(five.status, 202, "five headers are allowed");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let running = start().await;
    let bearer = format!("Bearer {}", token(&running).await);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let reply = request(running.addr, "POST", SEND, &headers, b"{").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "BadRequest"));
}
