//! Request bodies, piece by piece, with a bound on size and patience.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::Problem;

/// All of a body that is not larger than `max_bytes` and arrives within `deadline`.
pub async fn read_body(body: Body, max_bytes: u32, deadline: Duration) -> Result<Vec<u8>, Problem> {
    timeout(deadline, Pieces::new(body, deadline).whole(max_bytes)).await.map_err(|_| Problem::timeout())?
}

#[derive(Debug)]
pub(super) struct Pieces {
    stream: BodyDataStream,
    idle_timeout: Duration,
}

impl Pieces {
    pub(super) fn new(body: Body, idle_timeout: Duration) -> Self {
        Self { stream: body.into_data_stream(), idle_timeout }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let next = timeout(self.idle_timeout, self.stream.next()).await.map_err(|_| Problem::timeout())?;
        let broken = |_| Problem::bad_request("The request broke off before its end: send it again");
        next.transpose().map_err(broken)
    }

    /// The whole body, if it is not larger than `limit`.
    pub(super) async fn whole(mut self, limit: u32) -> Result<Vec<u8>, Problem> {
        let limit_bytes = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > limit_bytes {
                return Err(Problem::too_large(u64::from(limit)));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}
