//! Drafts, attachments, upload sessions on their own origin, and ids that last.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Fault, FaultKind, Folder, Running};
use serde_json::{Value, json};

use crate::client::*;

const MESSAGES: &str = "/v1.0/users/noreply@contoso.test/messages";
const IMMUTABLE: (&str, &str) = ("Prefer", "IdType=\"ImmutableId\"");
const PROPERTY: &str = "String {8f7b0c1e-0000-4000-8000-00000000000a} Name Own";

async fn may_write() -> (Running, String) {
    let running = start().await;
    let token = running.forge_token(CLIENT, &json!({"roles": ["Mail.Send", "Mail.ReadWrite"]})).unwrap();
    (running, token)
}

async fn ask(running: &Running, token: &str, method: &str, target: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), IMMUTABLE];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(running.addr, method, target, &headers, body.as_bytes()).await
}

fn draft() -> Value {
    json!({"subject": "large", "toRecipients": [{"emailAddress": {"address": "x@example.test"}}],
        "body": {"contentType": "text", "content": "hi"},
        "singleValueExtendedProperties": [{"id": PROPERTY, "value": "one"}]})
}

async fn new_draft(running: &Running, token: &str) -> String {
    let reply = ask(running, token, "POST", MESSAGES, &draft()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(reply.json()["isDraft"], true);
    reply.json()["id"].as_str().unwrap().to_owned()
}

struct Upload {
    addr: SocketAddr,
    target: String,
}

async fn session(running: &Running, token: &str, id: &str, size: usize) -> Upload {
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "a.bin", "size": size}});
    let target = format!("{MESSAGES}/{id}/attachments/createUploadSession");
    let reply = ask(running, token, "POST", &target, &item).await;
    assert_eq!((reply.status, &reply.json()["nextExpectedRanges"]), (201, &json!(["0-"])), "{}", reply.text());
    let url: url::Url = reply.json()["uploadUrl"].as_str().unwrap().parse().unwrap();
    let addr = SocketAddr::new([127, 0, 0, 1].into(), url.port().unwrap());
    Upload { addr, target: format!("{}?{}", url.path(), url.query().unwrap()) }
}

impl Upload {
    async fn put(&self, first: usize, body: &[u8], total: usize) -> Reply {
        let range = format!("bytes {first}-{}/{total}", first + body.len() - 1);
        request(self.addr, "PUT", &self.target, &[("Content-Range", &range)], body).await
    }
}

#[tokio::test]
async fn a_large_attachment_goes_up_in_order_and_the_draft_is_sent_once() {
    let (running, token) = may_write().await;
    let id = new_draft(&running, &token).await;
    let content: Vec<u8> = (0..7_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let upload = session(&running, &token, &id, content.len()).await;
    assert_ne!(upload.addr, running.addr, "another origin");
    let (first, rest) = content.split_at(3_932_160);
    assert_eq!(upload.put(10, first, content.len()).await.code(), "fragmentOutOfOrder");
    let reply = upload.put(0, first, content.len()).await;
    assert_eq!((reply.status, &reply.json()["nextExpectedRanges"]), (200, &json!(["3932160"])));
    assert_eq!(upload.put(0, first, content.len()).await.code(), "fragmentOverlap");
    assert_eq!(upload.put(3_932_160, rest, content.len() + 1).await.code(), "invalidRange");
    let state = request(upload.addr, "GET", &upload.target, &[], b"").await;
    assert_eq!(state.json()["nextExpectedRanges"], json!(["3932160-6999999"]), "where to go on");
    let last = upload.put(3_932_160, rest, content.len()).await;
    assert_eq!((last.status, last.body.len(), last.header("location").is_some()), (201, 0, true));
    assert_eq!(upload.put(3_932_160, rest, content.len()).await.code(), "uploadSessionNotFound");

    let send = format!("{MESSAGES}/{id}/send");
    assert_eq!(ask(&running, &token, "POST", &send, &Value::Null).await.status, 202);
    assert_eq!(ask(&running, &token, "POST", &send, &Value::Null).await.status, 400, "it is no draft any more");
    let [sent] = &running.folder("noreply@contoso.test", Folder::SentItems)[..] else { panic!("not one message") };
    let mail = mail_parser::MessageParser::default().parse(&sent.raw).unwrap();
    assert_eq!(mail.attachment(0).unwrap().contents(), content);
}

#[tokio::test]
async fn immutable_ids_outlive_the_move_and_others_do_not() {
    let (running, token) = may_write().await;
    let id = new_draft(&running, &token).await;
    let target = format!("{MESSAGES}/{id}");
    let bearer = format!("Bearer {token}");
    let plain = request(running.addr, "GET", &target, &[("Authorization", &bearer)], b"").await;
    assert_eq!(plain.code(), "ErrorItemNotFound", "an immutable id is known only to those who ask for the kind");
    let wrong_case: String =
        id.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    assert_eq!(ask(&running, &token, "GET", &format!("{MESSAGES}/{wrong_case}"), &Value::Null).await.status, 404);
    assert_eq!(ask(&running, &token, "GET", &target, &Value::Null).await.json()["isDraft"], true);
    ask(&running, &token, "POST", &format!("{target}/send"), &Value::Null).await;
    assert_eq!(
        ask(&running, &token, "GET", &format!("{target}?$select=isDraft"), &Value::Null).await.json(),
        json!({"id": id, "isDraft": false})
    );
    let filter = format!(
        "{MESSAGES}?$filter=singleValueExtendedProperties/Any(ep:%20ep/id%20eq%20'{}'%20and%20ep/value%20eq%20'one')",
        PROPERTY.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D")
    );
    let found = ask(&running, &token, "GET", &filter, &Value::Null).await.json();
    assert_eq!((found["value"].as_array().unwrap().len(), &found["value"][0]["id"]), (1, &json!(id)));
    let expand = format!(
        "{target}?$select=isDraft&$expand=singleValueExtendedProperties($filter=id%20eq%20'{}')",
        PROPERTY.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D")
    );
    let shown = ask(&running, &token, "GET", &expand, &Value::Null).await.json();
    assert_eq!(shown["singleValueExtendedProperties"], json!([{"id": PROPERTY, "value": "one"}]));
}

#[tokio::test]
async fn drafts_need_their_permission_and_sessions_accept_no_token() {
    let (running, token) = may_write().await;
    let only_send = running.forge_token(CLIENT, &json!({"roles": ["Mail.Send"]})).unwrap();
    let refused = ask(&running, &only_send, "POST", MESSAGES, &draft()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "ErrorAccessDenied"));
    let id = new_draft(&running, &token).await;
    let only_write = running.forge_token(CLIENT, &json!({"roles": ["Mail.ReadWrite"]})).unwrap();
    assert_eq!(ask(&running, &only_write, "POST", &format!("{MESSAGES}/{id}/send"), &Value::Null).await.status, 403);
    let upload = session(&running, &token, &id, 4_000_000).await;
    let headers = [("Authorization", "Bearer x"), ("Content-Range", "bytes 0-3/4000000")];
    assert_eq!(request(upload.addr, "PUT", &upload.target, &headers, b"abcd").await.status, 401);
    assert_eq!(
        request(running.addr, "PUT", &upload.target, &headers[1..], b"abcd").await.status,
        404,
        "not on Graph's origin"
    );
    let elsewhere = request(upload.addr, "GET", MESSAGES, &[], b"").await;
    assert_eq!(elsewhere.code(), "uploadSessionNotFound", "nothing else is there");
}

#[tokio::test]
async fn sizes_decide_between_a_post_and_a_session() {
    let (running, token) = may_write().await;
    let id = new_draft(&running, &token).await;
    let sessions = format!("{MESSAGES}/{id}/attachments/createUploadSession");
    for (size, code) in [
        (3 * 1024 * 1024 - 1, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
        (151 * 1024 * 1024, "ErrorAttachmentSizeLimitExceeded"),
    ] {
        let item = json!({"attachmentItem": {"attachmentType": "file", "name": "a", "size": size}});
        assert_eq!(ask(&running, &token, "POST", &sessions, &item).await.code(), code);
    }
    let file = |bytes: usize| json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": STANDARD.encode(vec![0; bytes])});
    let posts = format!("{MESSAGES}/{id}/attachments");
    assert_eq!(ask(&running, &token, "POST", &posts, &file(3_000_000)).await.status, 201);
    assert_eq!(ask(&running, &token, "POST", &posts, &file(3_200_000)).await.status, 413);
}

#[tokio::test]
async fn sessions_end_by_cancelling_by_time_and_by_fault() {
    let (running, token) = may_write().await;
    let id = new_draft(&running, &token).await;
    let cancelled = session(&running, &token, &id, 4_000_000).await;
    assert_eq!(request(cancelled.addr, "DELETE", &cancelled.target, &[], b"").await.status, 204);
    assert_eq!(cancelled.put(0, b"abc", 4_000_000).await.status, 404);
    let lost = session(&running, &token, &id, 4_000_000).await;
    running.add_fault(Fault::new(FaultKind::UploadSessionLost).operation("putRange"));
    assert_eq!(lost.put(0, b"abc", 4_000_000).await.code(), "uploadSessionNotFound");
    assert_eq!(lost.put(0, b"abc", 4_000_000).await.code(), "uploadSessionNotFound", "for good");
    let old = session(&running, &token, &id, 4_000_000).await;
    running.advance_clock(std::time::Duration::from_secs(3601));
    assert_eq!(old.put(0, b"abc", 4_000_000).await.code(), "uploadSessionNotFound");
}

#[tokio::test]
async fn uploaded_ranges_count_against_the_limits_of_the_mailbox() {
    let running = start_from("[limits]\nupload_bytes_per_window = 5000000\nrequests_per_window = 5").await;
    let token = running.forge_token(CLIENT, &json!({"roles": ["Mail.Send", "Mail.ReadWrite"]})).unwrap();
    let id = new_draft(&running, &token).await;
    let upload = session(&running, &token, &id, 7_000_000).await;
    assert_eq!(upload.put(0, &vec![0; 3_500_000], 7_000_000).await.status, 200);
    let second = upload.put(3_500_000, &vec![0; 3_500_000], 7_000_000).await;
    assert_eq!((second.status, second.header("retry-after").is_some()), (429, true), "bytes");
    assert_eq!(request(upload.addr, "GET", &upload.target, &[], b"").await.status, 200);
    assert_eq!(request(upload.addr, "GET", &upload.target, &[], b"").await.status, 429, "requests");
}

#[tokio::test]
async fn a_mime_draft_is_sent_with_its_bytes_and_a_deleted_one_never() {
    let (running, token) = may_write().await;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain"), IMMUTABLE];
    let create = || request(running.addr, "POST", MESSAGES, &headers, b"VG86IHhAZXhhbXBsZS50ZXN0DQoNCmhp");
    let made = create().await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.json()["toRecipients"][0]["emailAddress"]["address"], "x@example.test");
    let change = json!({"singleValueExtendedProperties": [{"id": PROPERTY, "value": "two"}]});
    assert_eq!(ask(&running, &token, "PATCH", &format!("{MESSAGES}/{id}"), &change).await.status, 200);
    running.add_fault(Fault::new(FaultKind::GatewayTimeoutAfterCommit).operation("send"));
    assert_eq!(ask(&running, &token, "POST", &format!("{MESSAGES}/{id}/send"), &Value::Null).await.status, 504);
    assert_eq!(ask(&running, &token, "GET", &format!("{MESSAGES}/{id}"), &Value::Null).await.json()["isDraft"], false);
    assert_eq!(
        running.folder("noreply@contoso.test", Folder::SentItems)[0].raw,
        b"To: x@example.test\r\n\r\nhi".as_slice()
    );

    let second = create().await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(running.drafts("noreply@contoso.test").len(), 1);
    assert_eq!(ask(&running, &token, "DELETE", &format!("{MESSAGES}/{second}"), &Value::Null).await.status, 204);
    assert!(running.drafts("noreply@contoso.test").is_empty());
    assert_eq!(ask(&running, &token, "POST", &format!("{MESSAGES}/{second}/send"), &Value::Null).await.status, 404);
}
