//! A message to send: where it can be read from, as often as it takes.
//!
//! Promise: a [`MimeSource`] opens the same bytes each time. A retry reads them again; no attempt ever continues a body that
//! another one began (a consumed stream was once re-sent as an empty mail).

use std::fmt;
use std::io;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::draft::Pieces;

/// Opens the message, from its first byte, once per attempt.
#[async_trait]
pub trait MimeSource: Send + Sync {
    async fn open(&self) -> io::Result<MimeBody>;
}

/// A message held in memory.
#[async_trait]
impl MimeSource for Bytes {
    async fn open(&self) -> io::Result<MimeBody> {
        Ok(MimeBody::from_bytes(self.clone()))
    }
}

pub(crate) type Reader = Pin<Box<dyn AsyncRead + Send + Sync>>;

/// One reading of a message: a part in memory, such as a rewritten header section, then the rest from a reader.
pub struct MimeBody {
    pub(crate) head: Bytes,
    pub(crate) rest: Option<(Reader, u64)>,
}

impl MimeBody {
    pub fn from_bytes(whole: Bytes) -> Self {
        Self { head: whole, rest: None }
    }

    /// `rest` gives exactly `rest_bytes` bytes; fewer is a read error, more are not read.
    pub fn with_rest(head: Bytes, rest: impl AsyncRead + Send + Sync + 'static, rest_bytes: u64) -> Self {
        Self { head, rest: Some((Box::pin(rest), rest_bytes)) }
    }

    /// The message in pieces of at most 64 KiB.
    pub fn into_pieces(self) -> Box<dyn Pieces> {
        Box::new(Reading { head: self.head, rest: self.rest, buffer: BytesMut::new() })
    }

    /// Length of the message in bytes.
    pub fn len(&self) -> u64 {
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        head.saturating_add(self.rest.as_ref().map_or(0, |(_, bytes)| *bytes))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the request body that carries it: base64 without line breaks.
    pub fn request_bytes(&self) -> u64 {
        Self::request_bytes_for(self.len())
    }

    /// Length of the request body that carries a message of `mime_bytes`. Graph takes 4 MiB, which is 3 145 728 bytes of
    /// message; the administrator's threshold is compared with this.
    pub fn request_bytes_for(mime_bytes: u64) -> u64 {
        mime_bytes.div_ceil(3).saturating_mul(4)
    }
}

/// Of a message that is read in pieces.
const PIECE_BYTES: usize = 64 * 1024;

struct Reading {
    head: Bytes,
    rest: Option<(Reader, u64)>,
    buffer: BytesMut,
}

#[async_trait]
impl Pieces for Reading {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if !self.head.is_empty() {
            return Ok(Some(self.head.split_to(PIECE_BYTES.min(self.head.len()))));
        }
        let Some((reader, left)) = self.rest.as_mut().filter(|(_, left)| *left > 0) else { return Ok(None) };
        self.buffer.reserve(PIECE_BYTES);
        let wanted = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX).min(*left);
        let read = reader.as_mut().take(wanted).read_buf(&mut self.buffer).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the message is shorter than recorded"));
        }
        *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(Some(self.buffer.split().freeze()))
    }
}

impl fmt::Debug for MimeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MimeBody").field("bytes", &self.len()).finish_non_exhaustive()
    }
}
