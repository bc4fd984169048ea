//! What exactly goes over the wire.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use graph::{FailureClass, MailboxSegment, MimeBody, MimeSource, Who};
use tokio::io::AsyncWriteExt as _;

use crate::tenant::{MESSAGE, Tenant, accept, message_of, refuse, relay, token};

#[tokio::test]
async fn the_request_line_is_exact_for_hostile_mailboxes() {
    let mut tenant = Tenant::start(|_| accept()).await;
    let table = [
        ("relay@contoso.test", "users/relay%40contoso.test"),
        // Would become a request to /v1.0/x?y with the application's token.
        ("a+b/../../x?y#z@d", "users/a%2Bb%2F..%2F..%2Fx%3Fy%23z%40d"),
        // URL libraries decode these when they look for dot segments.
        ("%2e%2e", "users/%252e%252e"),
        ("..%2f..", "users/..%252f.."),
        ("%2f", "users/%252f"),
        ("../me", "users/..%2Fme"),
        ("...", "users/..."),
        // Backslashes are slashes to the URL standard.
        ("a\\..\\b@d", "users/a%5C..%5Cb%40d"),
        ("m\u{fc}ller@\u{4f8b}\u{3048}.test", "users/m%C3%BCller%40%E4%BE%8B%E3%81%88.test"),
        ("\u{202e}\u{2044}@d", "users/%E2%80%AE%E2%81%84%40d"),
        ("a b;c=d&e@d", "users/a%20b%3Bc%3Dd%26e%40d"),
        ("$x@y.test", "users('$x%40y.test')"),
        ("$x')/messages('y", "users('$x%27%27%29%2Fmessages%28%27%27y')"),
    ];
    for (mailbox, path) in table {
        let mailbox = MailboxSegment::new(mailbox).unwrap();
        tenant.mail.send_mime(&mailbox, &Bytes::from_static(MESSAGE)).await.unwrap();
        assert_eq!(tenant.next().await.line, format!("POST /v1.0/{path}/sendMail HTTP/1.1"), "{mailbox}");
    }
}

#[tokio::test]
async fn a_message_goes_out_as_unwrapped_base64_of_known_length() {
    let mut tenant = Tenant::start(|_| accept()).await;
    let accepted = tenant.send().await.unwrap();
    let seen = tenant.next().await;
    assert_eq!(message_of(&seen), MESSAGE);
    assert_eq!(seen.header("content-type"), Some("text/plain"));
    assert_eq!(seen.header("content-length"), Some(MESSAGE.len().div_ceil(3).saturating_mul(4).to_string().as_str()));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {}", token(0)).as_str()));
    assert_eq!(seen.header("client-request-id"), Some(accepted.client_request_id.as_str()));
    assert_eq!(accepted.request_id.as_deref(), Some("graph-1"));
    assert_eq!(accepted.date.as_deref(), Some("Mon, 23 Nov 2026 02:35:42 GMT"));
}

/// A header section in memory and the rest in a file, as the relay has it.
struct InFile {
    head: Bytes,
    path: std::path::PathBuf,
    rest_bytes: u64,
    opened: AtomicUsize,
}

#[async_trait]
impl MimeSource for InFile {
    async fn open(&self) -> io::Result<MimeBody> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let file = tokio::fs::File::open(&self.path).await?;
        Ok(MimeBody::with_rest(self.head.clone(), file, self.rest_bytes))
    }
}

async fn in_file(folder: &tempfile::TempDir, rest: &[u8], rest_bytes: u64) -> InFile {
    let path = folder.path().join("body");
    let mut file = tokio::fs::File::create(&path).await.unwrap();
    file.write_all(rest).await.unwrap();
    file.flush().await.unwrap();
    InFile { head: Bytes::from_static(b"Subject: big\r\n"), path, rest_bytes, opened: AtomicUsize::new(0) }
}

/// Bytes that do not repeat in step with any buffer.
fn noise(bytes: usize) -> Vec<u8> {
    (0_u32..).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).take(bytes).collect()
}

#[tokio::test]
async fn three_megabytes_from_a_file_are_streamed_with_their_exact_length() {
    let folder = tempfile::tempdir().unwrap();
    let rest = noise(3 * 1024 * 1024 + 1);
    let mut tenant = Tenant::start(|_| accept()).await;
    let message = in_file(&folder, &rest, u64::try_from(rest.len()).unwrap()).await;
    tenant.mail.send_mime(&relay(), &message).await.unwrap();
    let seen = tenant.next().await;
    let whole = [b"Subject: big\r\n".as_slice(), &rest].concat();
    assert_eq!(seen.header("content-length"), Some(whole.len().div_ceil(3).saturating_mul(4).to_string().as_str()));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert!(message_of(&seen) == whole, "the bytes differ");
}

#[tokio::test]
async fn a_token_refused_once_is_replaced_and_the_same_bytes_go_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let rest = noise(100_000);
    let mut tenant = Tenant::answering(vec![
        || {
            refuse(
                "401 Unauthorized",
                "",
                "InvalidAuthenticationToken",
                "Lifetime validation failed, the token is expired.",
            )
        },
        accept,
    ])
    .await;
    let message = in_file(&folder, &rest, 100_000).await;
    let accepted = tenant.mail.send_mime(&relay(), &message).await.unwrap();
    let (first, second) = (tenant.next().await, tenant.next().await);
    assert!(first.body == second.body && message_of(&first).len() == 100_014, "a consumed stream was sent again");
    assert_eq!(message.opened.load(Ordering::SeqCst), 2);
    assert_eq!(second.header("authorization"), Some(format!("Bearer {}", token(1)).as_str()));
    assert_ne!(first.header("client-request-id"), second.header("client-request-id"));
    assert_eq!(second.header("client-request-id"), Some(accepted.client_request_id.as_str()));
}

#[tokio::test]
async fn a_message_shorter_than_recorded_is_never_sent_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = Tenant::start(|_| accept()).await;
    let message = in_file(&folder, &noise(200_000), 200_001).await;
    let error = tenant.mail.send_mime(&relay(), &message).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Transient { retry_after: None });
    assert_eq!(error.explanation().who, Who::GatewayAdministrator, "{error}");
    assert!(error.to_string().contains("shorter than recorded"), "{error}");
}

#[tokio::test]
async fn a_message_that_cannot_be_opened_causes_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut message = in_file(&folder, b"", 0).await;
    message.path = folder.path().join("gone");
    let tenant = Tenant::start(|_| accept()).await;
    let error = tenant.mail.send_mime(&relay(), &message).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Transient { retry_after: None });
    assert_eq!(error.explanation().who, Who::GatewayAdministrator);
    assert_eq!(tenant.far.waiting(), 1, "the token's request and no other");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_message() {
    let mut tenant = Tenant::start(|_| accept()).await;
    tenant.send().await.unwrap();
    let connection = tenant.next().await.connection;
    for _ in 0..5 {
        tenant.send().await.unwrap();
        assert_eq!(tenant.next().await.connection, connection);
    }
}

#[tokio::test]
async fn after_a_503_the_next_message_takes_a_new_connection() {
    let mut tenant = Tenant::answering(vec![
        || refuse("503 Service Unavailable", "", "ServiceUnavailable", "The service is unavailable."),
        accept,
    ])
    .await;
    tenant.mail = tenant.mail.with_new_connections_from(|| Some(crate::tenant::client()));
    tenant.send().await.unwrap_err();
    let before = tenant.next().await.connection;
    tenant.send().await.unwrap();
    assert_ne!(tenant.next().await.connection, before);
}
