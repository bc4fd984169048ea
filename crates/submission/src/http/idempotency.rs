//! `Idempotency-Key`: the same request again is not sent again.

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use store::IdempotencyKey;

use super::Problem;

const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
const MAX_KEY_CHARS: usize = 255;

/// A key and the digest, as it grows, of what is asked under it.
#[derive(Debug)]
pub(super) struct Idempotency {
    key: String,
    digest: Sha256,
}

impl Idempotency {
    /// `kind` and `query` belong to what is asked as much as the body does.
    pub(super) fn from_headers(headers: &HeaderMap, kind: &str, query: &str) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.to_str().unwrap_or_default();
        let is_key = !key.is_empty() && key.len() <= MAX_KEY_CHARS && values.next().is_none();
        if !is_key {
            let detail = format!("Send one Idempotency-Key of 1 to {MAX_KEY_CHARS} ASCII characters, such as a UUID");
            return Err(Problem::bad_request(detail));
        }
        let mut digest = Sha256::new();
        for part in [kind, query] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        Ok(Some(Self { key: key.to_owned(), digest }))
    }

    pub(super) fn update(&mut self, body: &[u8]) {
        self.digest.update(body);
    }

    pub(super) fn finish(self, now: Timestamp) -> IdempotencyKey {
        IdempotencyKey {
            key: self.key,
            request_digest: self.digest.finalize().into(),
            expires_at: now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX),
        }
    }
}
