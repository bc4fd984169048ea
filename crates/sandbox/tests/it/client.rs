//! A client that sends what it is told and nothing else: no URL is normalised, no header added but its own.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Config, Running, Sandbox};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
pub(crate) const SEND: &str = "/v1.0/users/noreply@contoso.test/sendMail";
pub(crate) const MAIL: &str = "From: noreply@contoso.test\r\nTo: x@example.test\r\nSubject: Hello\r\n\r\nhi\r\n";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Graph's or Entra's error code.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        let code = body.pointer("/error/code").or_else(|| body.pointer("/error_codes/0"));
        code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned)).unwrap_or_default()
    }
}

pub(crate) async fn start() -> Running {
    start_with(Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> Running {
    Sandbox::start(config, ([127, 0, 0, 1], 0).into(), None).await.unwrap()
}

/// A sandbox from settings in TOML.
pub(crate) async fn start_from(toml: &str) -> Running {
    start_with(Config::from_toml(toml).unwrap()).await
}

/// One request on a connection of its own.
pub(crate) async fn request(
    addr: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let stream = TcpStream::connect(addr).await.unwrap();
    request_on(stream, method, target, headers, body).await
}

pub(crate) async fn request_on<S>(
    mut stream: S,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = head(method, target, headers, body.len()).into_bytes();
    wire.extend_from_slice(body);
    stream.write_all(&wire).await.unwrap();
    read_reply(&mut stream).await.unwrap()
}

/// A request head that asks for the connection to be closed.
pub(crate) fn head(method: &str, target: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    format!("{head}Content-Length: {length}\r\n\r\n")
}

/// Reads a reply up to the end of the connection.
pub(crate) async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Reply> {
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).await?;
    let end = wire.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(wire[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    Ok(Reply { status, headers: lines.map(split).collect(), body: wire[end + 4..].to_vec() })
}

pub(crate) async fn get(running: &Running, target: &str) -> Reply {
    request(running.addr, "GET", target, &[], b"").await
}

/// A token request with these form parameters.
pub(crate) async fn ask_token(running: &Running, tenant: &str, form: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let target = format!("/{tenant}/oauth2/v2.0/token");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    request(running.addr, "POST", &target, &headers, body.as_bytes()).await
}

/// The form that gets a token.
pub(crate) fn good_form() -> Vec<(&'static str, &'static str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", "sandbox-secret"),
        ("scope", "https://graph.microsoft.com/.default"),
    ]
}

pub(crate) async fn token(running: &Running) -> String {
    token_with(running, &good_form()).await
}

pub(crate) async fn token_with(running: &Running, form: &[(&str, &str)]) -> String {
    let reply = ask_token(running, TENANT, form).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// Sends a message in MIME form.
pub(crate) async fn send(running: &Running, token: &str, target: &str, mime: &str) -> Reply {
    send_bytes(running, token, target, STANDARD.encode(mime).as_bytes()).await
}

/// Sends a body in MIME form, as it is.
pub(crate) async fn send_bytes(running: &Running, token: &str, target: &str, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {token}");
    request(running.addr, "POST", target, &[("Authorization", &bearer), ("Content-Type", "text/plain")], body).await
}

/// Sends a body in JSON form.
pub(crate) async fn send_json(running: &Running, token: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    request(running.addr, "POST", SEND, &headers, body.to_string().as_bytes()).await
}

/// An error body with everything that changes from run to run replaced.
pub(crate) fn without_ids(reply: &Reply) -> String {
    let mut body = reply.json();
    let paths = [
        "/error/innerError/date",
        "/error/innerError/request-id",
        "/error/innerError/client-request-id",
        "/timestamp",
        "/trace_id",
        "/correlation_id",
        "/error_uri",
    ];
    for path in paths {
        if let Some(value) = body.pointer_mut(path) {
            *value = Value::from("…");
        }
    }
    if let Some(Value::String(text)) = body.pointer_mut("/error_description") {
        *text = text.split("\r\n").next().unwrap().to_owned();
    }
    serde_json::to_string(&body).unwrap()
}
