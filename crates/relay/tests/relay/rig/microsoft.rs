//! The least of Microsoft that a delegated connection needs: refresh tokens are exchanged and rotated, mail is taken.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The refresh token that is of no more use.
pub(crate) const REVOKED: &str = "revoked";

/// Starts it; returns its address.
pub(crate) async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    origin
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_until(&mut stream, &mut buffer, b"\r\n\r\n").await else { return };
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let body = match length {
            Some(length) => read_exactly(&mut stream, &mut buffer, length).await,
            None => read_until(&mut stream, &mut buffer, b"0\r\n\r\n").await,
        };
        let Some(body) = body else { return };
        if stream.write_all(answer(&head, &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(head: &str, body: &str) -> String {
    let (status, body) = if !head.contains("/oauth2/v2.0/token ") {
        ("202 Accepted", String::new())
    } else if body.contains(&format!("refresh_token={REVOKED}&")) || body.ends_with(&format!("={REVOKED}")) {
        (
            "400 Bad Request",
            r#"{"error":"invalid_grant","error_description":"AADSTS50173: Revoked.","error_codes":[50173]}"#.to_owned(),
        )
    } else {
        let token = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"T","refresh_token":"rotated"}"#;
        ("200 OK", token.to_owned())
    };
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn read_until(stream: &mut TcpStream, buffer: &mut Vec<u8>, end: &[u8]) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            return read_exactly(stream, buffer, at + end.len()).await;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_exactly(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Option<String> {
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let rest = buffer.split_off(length);
    Some(String::from_utf8_lossy(&std::mem::replace(buffer, rest)).into_owned())
}
