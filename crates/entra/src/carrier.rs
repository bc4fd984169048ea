//! One HTTP request to Entra and its answer, for the `oauth2` crate, which brings no client of its own here.
//!
//! Promise: bounded in time and memory; nothing of the request and nothing of a successful answer is put into an error.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use oauth2::{HttpRequest, HttpResponse, RequestTokenError, http};

use crate::error::Cause;
use crate::refusal::Refusal;
use crate::{EntraError, Obstacle, parse_retry_after};

/// Entra answers in well under a second; a proxy that inspects TLS may take several.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A token answer is a few kilobytes. More is not an answer, and must not fill our memory.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Carries one request, and notes what the `oauth2` crate throws away.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    http: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Carrier {
    pub(crate) fn new(http: &reqwest::Client) -> Self {
        Self { http: http.clone(), seen: Arc::default() }
    }

    /// Sends the request and reads the whole answer, whatever its status.
    pub(crate) async fn carry(self, request: HttpRequest) -> Result<HttpResponse, Lost> {
        let request = reqwest::Request::try_from(request).map_err(Lost::from)?;
        let mut answer = self.http.execute(request).await.map_err(Lost::from)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Seen { status: answer.status().as_u16(), retry_after: retry_after(answer.headers()) };
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Lost::from)? {
            if body.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
                return Err(Lost::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// What went wrong with the request that this carried to `host`.
    pub(crate) fn explain(&self, host: &str, error: RequestTokenError<Lost, Refusal>) -> EntraError {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host.to_owned();
        let unreadable = |problem| Cause::Unreadable { status: seen.status, problem };
        let cause = match error {
            RequestTokenError::ServerResponse(refusal) if refusal.error.is_empty() => {
                unreadable("a JSON object without 'error'")
            }
            RequestTokenError::ServerResponse(refusal) => Cause::Refused { status: seen.status, refusal },
            RequestTokenError::Request(Lost::Unreachable(obstacle)) => Cause::Unreachable { host, obstacle },
            RequestTokenError::Request(Lost::Broken(detail)) => Cause::Broken { host, detail },
            RequestTokenError::Request(Lost::TooLong) => unreadable("the answer is far too long"),
            // The answer itself is withheld: what could not be read may be half a token.
            RequestTokenError::Parse(..) => unreadable("the answer is not the JSON it should be"),
            RequestTokenError::Other(_) => unreadable("the answer is empty or not JSON"),
        };
        EntraError::new(cause, seen.retry_after)
    }
}

/// Ends a request that has no answer in time.
pub(crate) async fn in_time<T>(request: impl Future<Output = Result<T, EntraError>>) -> Result<T, EntraError> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(result) => result,
        Err(_) => Err(EntraError::new(Cause::Deadline(DEADLINE), None)),
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    status: u16,
    retry_after: Option<Duration>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Unreachable(Obstacle),
    #[error("{0}")]
    Broken(String),
    #[error("the answer is too long")]
    TooLong,
}

impl From<reqwest::Error> for Lost {
    fn from(error: reqwest::Error) -> Self {
        let obstacle = Obstacle::of(&error);
        if error.is_connect() { Self::Unreachable(obstacle) } else { Self::Broken(obstacle.why) }
    }
}

fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    parse_retry_after(headers.get(http::header::RETRY_AFTER)?.to_str().ok()?, Timestamp::now())
}
