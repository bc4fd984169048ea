//! The limits per app and mailbox.

use sandbox::Running;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::*;

/// A request whose head has been admitted and whose body is still to come: the server says when it wants the body.
struct Half {
    stream: TcpStream,
}

impl Half {
    async fn open(running: &Running, token: &str, target: &str, length: usize) -> Self {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain"), ("Expect", "100-continue")];
        stream.write_all(head("POST", target, &headers, length).as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream }
    }

    async fn finish(mut self, body: &[u8]) -> Reply {
        self.stream.write_all(body).await.unwrap();
        read_reply(&mut self.stream).await.unwrap()
    }
}

fn body() -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(MAIL).into_bytes()
}

#[tokio::test]
async fn the_fifth_request_at_once_on_a_mailbox_is_throttled() {
    let running = start_from("[limits]\nretry_after_seconds = 2.128").await;
    let token = token(&running).await;
    let body = body();
    let mut halves = Vec::new();
    for _ in 0..4 {
        halves.push(Half::open(&running, &token, SEND, body.len()).await);
    }
    let fifth = send(&running, &token, SEND, MAIL).await;
    assert_eq!((fifth.status, fifth.code().as_str()), (429, "ApplicationThrottled"));
    assert_eq!(fifth.header("retry-after"), Some("2.128"), "fractions are allowed");
    assert_eq!(fifth.json()["error"]["innerError"]["code"], "429");
    let by_id = running_id(&running, &token).await;
    assert_eq!(by_id.status, 429, "the object id is the same mailbox");
    let other_mailbox = "/v1.0/users/anna@contoso.test/sendMail";
    assert_eq!(send(&running, &token, other_mailbox, "To: x@example.test\r\n\r\nhi").await.status, 202);
    for half in halves {
        assert_eq!(half.finish(&body).await.status, 202);
    }
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202, "room again");
}

/// A send to the default mailbox by the object id the page would show.
async fn running_id(running: &Running, token: &str) -> Reply {
    // The id is derived from the name, so it can be computed as the sandbox does: the first 16 bytes of SHA-256 with
    // the version and variant bits of a GUID.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"noreply@contoso.test");
    let number = u128::from_be_bytes(digest.as_ref()[..16].try_into().unwrap());
    let hex = format!("{:032x}", (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62));
    let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    send(running, token, &format!("/v1.0/users/{id}/sendMail"), MAIL).await
}

#[tokio::test]
async fn requests_in_the_window_are_counted_refused_ones_too() {
    let running = start_from("[limits]\nrequests_per_window = 2").await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, "nonsense").await.status, 400);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    let third = send(&running, &token, SEND, MAIL).await;
    assert_eq!((third.status, third.code().as_str()), (429, "TooManyRequests"));
    let wait: f64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!((590.0..=600.0).contains(&wait), "{wait}");
}

#[tokio::test]
async fn uploaded_bytes_in_the_window_are_counted() {
    let length = body().len();
    let running = start_from(&format!("[limits]\nupload_bytes_per_window = {}", 2 * length)).await;
    let token = token(&running).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202);
    assert_eq!(send(&running, &token, SEND, MAIL).await.code(), "TooManyRequests");
}

#[tokio::test]
async fn recipients_of_the_day_are_counted_when_asked_for() {
    let running = start_from("[limits]\nrecipients_per_day = 3").await;
    let token = token(&running).await;
    let two = "From: noreply@contoso.test\r\nTo: a@b.test, c@d.test\r\n\r\nhi";
    assert_eq!(send(&running, &token, SEND, two).await.status, 202);
    assert_eq!(send(&running, &token, SEND, two).await.code(), "ErrorSubmissionQuotaExceeded");
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202, "one more fits");
}

#[tokio::test]
async fn a_client_that_goes_away_gives_its_place_back() {
    let running = start_from("[limits]\nconcurrent_requests = 1").await;
    let token = token(&running).await;
    let half = Half::open(&running, &token, SEND, 100).await;
    assert_eq!(send(&running, &token, SEND, MAIL).await.status, 429);
    drop(half);
    // The server notices on its own time; a request that is let in shows that it has.
    let freed = async { while send(&running, &token, SEND, MAIL).await.status == 429 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), freed).await.unwrap();
}

#[tokio::test]
async fn two_apps_do_not_share_a_budget() {
    let running = start_from(
        r#"
        limits = { requests_per_window = 1 }
        [[tenant]]
        id = "t"
        name = "T"
        app = [{ client_id = "one", roles = ["Mail.Send"] }, { client_id = "two", roles = ["Mail.Send"] }]
        user = [{ upn = "noreply@contoso.test" }]
        "#,
    )
    .await;
    for app in ["one", "two"] {
        let token = running.forge_token(app, &json!({})).unwrap();
        assert_eq!(send(&running, &token, SEND, MAIL).await.status, 202, "{app}");
        assert_eq!(send(&running, &token, SEND, MAIL).await.status, 429, "{app}");
    }
}
