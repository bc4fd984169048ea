//! What a request to Graph consists of, and what having sent it means.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Body, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::body::{EncodedBody, Progress};
use crate::client::Accepted;
use crate::error::{FailureClass, Sent};
use crate::mime::MimeSource;
use crate::refusal::Refusal;

/// Answers that hold a message repeat its text, which went out in a request of at most 4 MiB.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// One request below a mailbox.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query after the mailbox, encoded.
    pub(crate) below_mailbox: String,
    pub(crate) payload: Payload<'a>,
    /// The one status that means it was done.
    pub(crate) expected: StatusCode,
    pub(crate) effect: Effect,
}

pub(crate) enum Payload<'a> {
    Nothing,
    Json(Bytes),
    Mime(&'a dyn MimeSource),
}

/// What a request does if it is executed, whether its answer comes or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Mail leaves.
    Sends,
    /// Nothing leaves: a draft is made, changed, read or removed.
    Prepares,
    /// Nothing changes.
    Reads,
}

impl Effect {
    /// How much of what can have an effect on recipients was sent.
    pub(crate) fn sent(self, sent: Sent) -> Sent {
        match (self, sent) {
            (Self::Prepares | Self::Reads, Sent::Everything) => Sent::Part,
            _ => sent,
        }
    }

    /// What a refusal means for the message. A draft that cannot be prepared, or was removed by somebody, is begun anew.
    pub(crate) fn class(self, class: FailureClass, refusal: &Refusal) -> FailureClass {
        let is_gone = refusal.codes().any(|code| code.eq_ignore_ascii_case("ErrorItemNotFound"));
        match (self, class) {
            (Self::Prepares | Self::Reads, FailureClass::Uncertain) => {
                FailureClass::Transient { retry_after: refusal.retry_after }
            }
            (_, FailureClass::Permanent) if is_gone => FailureClass::Transient { retry_after: None },
            _ => class,
        }
    }
}

pub(crate) struct OpenedPayload {
    pub(crate) body: Option<Body>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) request_bytes: u64,
}

impl Call<'_> {
    pub(crate) async fn open(&self) -> io::Result<OpenedPayload> {
        Ok(match &self.payload {
            Payload::Nothing => {
                OpenedPayload { body: None, progress: Progress::of_one_piece(), content_type: None, request_bytes: 0 }
            }
            Payload::Json(bytes) => OpenedPayload {
                body: Some(Body::from(bytes.clone())),
                progress: Progress::of_one_piece(),
                content_type: Some("application/json"),
                request_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            },
            Payload::Mime(message) => {
                let opened = message.open().await?;
                let request_bytes = opened.request_bytes();
                let (body, progress) = EncodedBody::new(opened);
                OpenedPayload {
                    body: Some(Body::wrap(body)),
                    progress,
                    content_type: Some("text/plain"),
                    request_bytes,
                }
            }
        })
    }
}

pub(crate) fn with_body(mut request: Request, body: Option<Body>) -> Request {
    *request.body_mut() = body;
    request
}

/// The expected answer, its body not yet read.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) client_request_id: String,
}

impl Answered {
    pub(crate) fn accepted(&self) -> Accepted {
        let text =
            |name| self.response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned);
        Accepted {
            request_id: text("request-id"),
            date: text("date"),
            client_request_id: self.client_request_id.clone(),
        }
    }

    /// The body; `None` if it is none, or breaks off.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Option<T> {
        read_json(self.response).await
    }
}

/// The body; `Some(None)` if it is larger than `max_bytes`, `None` if it breaks off.
pub(crate) async fn read_bytes(mut response: Response, max_bytes: usize) -> Option<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len().saturating_add(chunk.len()) > max_bytes {
            return Some(None);
        }
        body.extend_from_slice(&chunk);
    }
    Some(Some(body))
}

pub(crate) async fn read_json<T: DeserializeOwned>(mut response: Response) -> Option<T> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}
