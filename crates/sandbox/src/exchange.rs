//! One HTTP exchange as the rest of the crate sees it: the request head, its body within a limit, and the answer.
//!
//! Invariant: the request target is kept as it came; whoever decodes a segment does so exactly once.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// A peer that sends nothing for this long is given up.
const BODY_IDLE: Duration = Duration::from_mins(1);
/// A refused body is still read to this length, so that the client sees the answer instead of a broken connection.
const DRAIN_BYTES: u64 = 256 * 1024 * 1024;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The request target as received.
    pub(crate) target: String,
    /// Its path, still encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// Came over TLS.
    pub(crate) secure: bool,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Scheme and authority as the client wrote them.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.header("host").unwrap_or("localhost"))
    }

    /// The media type without parameters, in lower case; empty if there is none.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// Percent-decodes one path segment; `None` if the result is not UTF-8.
pub(crate) fn decode_segment(raw: &str) -> Option<String> {
    percent_decode_str(raw).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// What became of reading a body.
#[derive(Debug)]
pub(crate) enum Received {
    Whole(Bytes),
    /// Longer than the limit; read to its end and thrown away.
    TooLarge,
    /// The client went away in the middle.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(mut body: Incoming, limit: u64) -> Received {
    let mut kept = Vec::new();
    let mut total: u64 = 0;
    let mut first: Option<Bytes> = None;
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Received::Broken,
        };
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if total > limit {
            kept = Vec::new();
            first = None;
            if total > DRAIN_BYTES {
                return Received::TooLarge;
            }
        } else {
            // A body that came in one piece is not copied.
            match (first.take(), kept.is_empty()) {
                (None, true) => first = Some(data),
                (Some(before), _) => {
                    kept.extend_from_slice(&before);
                    kept.extend_from_slice(&data);
                }
                (None, false) => kept.extend_from_slice(&data),
            }
        }
    }
    if total > limit {
        return Received::TooLarge;
    }
    Received::Whole(first.unwrap_or_else(|| Bytes::from(kept)))
}

/// What the connection does next.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Response<Full<Bytes>>),
    /// Cut the connection with a TCP reset.
    Reset,
}

/// A reply of `content_type`.
pub(crate) fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON reply.
pub(crate) fn json_reply<T: Serialize>(status: StatusCode, value: &T) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => reply(status, "application/json; charset=utf-8", body),
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, "application/json", "{}"),
    }
}

/// Sets a header whose value comes from the request or a generator; a value that is no header value is left out.
pub(crate) fn set_header(response: &mut Response<Full<Bytes>>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
