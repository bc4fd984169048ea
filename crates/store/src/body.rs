//! Bodies on their way in and out, never whole in memory.
//!
//! A body up to [`INLINE_BODY_MAX_BYTES`] stays in memory and lies in the message's row; a larger one is streamed to a
//! spool file that is written and synced, with its folder, before the row that names it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::StoreError;
use crate::spool::{Spool, SpoolFile, SpoolGuard, SpoolName};

/// Bodies up to this size lie in the row: one sync for row and body, no file.
pub const INLINE_BODY_MAX_BYTES: usize = 64 * 1024;

/// What is gathered before a trip to the disk: large enough that the trip is cheap, small enough that a hundred bodies
/// coming in at once cost little memory.
const WRITE_CHUNK_BYTES: usize = 128 * 1024;

/// A body coming in. Bounding its size is the caller's business.
#[derive(Debug)]
pub struct BodyWriter {
    /// `None`: everything stays in memory.
    spool: Option<Arc<Spool>>,
    pending: BytesMut,
    file: Option<SpoolFile>,
}

impl BodyWriter {
    pub(crate) fn spooling(spool: Arc<Spool>) -> Self {
        Self { spool: Some(spool), pending: BytesMut::new(), file: None }
    }

    pub(crate) fn in_memory() -> Self {
        Self { spool: None, pending: BytesMut::new(), file: None }
    }

    /// After an error the body is lost; the writer can only be dropped.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.pending.extend_from_slice(bytes);
        let most = if self.file.is_some() { WRITE_CHUNK_BYTES } else { INLINE_BODY_MAX_BYTES };
        match self.spool.clone() {
            Some(spool) if self.pending.len() > most => self.write_out(spool).await,
            _ => Ok(()),
        }
    }

    async fn write_out(&mut self, spool: Arc<Spool>) -> Result<(), StoreError> {
        let chunk = self.pending.split().freeze();
        let file = self.file.take();
        let written = off_thread(move || {
            let mut file = file.map_or_else(|| spool.create(), Ok)?;
            file.write(&chunk)?;
            // Given back so that its memory is used again instead of growing anew for every chunk.
            Ok((file, chunk.try_into_mut().unwrap_or_default()))
        });
        let (file, mut memory) = written.await?;
        memory.clear();
        self.file = Some(file);
        self.pending = memory;
        Ok(())
    }

    /// Ends the body. A large one is on disk when this returns.
    pub async fn finish(mut self) -> Result<StagedBody, StoreError> {
        let rest = self.pending.split().freeze();
        let Some(mut file) = self.file.take() else { return Ok(StagedBody { content: Content::Inline(rest) }) };
        let finished = off_thread(move || {
            file.write(&rest)?;
            file.finish()
        });
        let (name, guard) = finished.await?;
        Ok(StagedBody { content: Content::Spooled(name, guard) })
    }
}

/// A whole body that no message owns yet. Dropped, it is forgotten.
#[derive(Debug)]
pub struct StagedBody {
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Inline(Bytes),
    Spooled(SpoolName, SpoolGuard),
}

impl StagedBody {
    /// A body that is in memory anyway and not larger than [`INLINE_BODY_MAX_BYTES`]; `None`: it is, stage it.
    pub fn inline(bytes: Bytes) -> Option<Self> {
        (bytes.len() <= INLINE_BODY_MAX_BYTES).then_some(Self { content: Content::Inline(bytes) })
    }

    /// In octets.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Content::Spooled(name, _) => name.length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content, for a store that keeps bodies in memory. A body that another store spooled is not its to take.
    pub(crate) fn take_bytes(&mut self) -> Result<Bytes, StoreError> {
        match &mut self.content {
            Content::Inline(bytes) => Ok(std::mem::take(bytes)),
            Content::Spooled(..) => {
                Err(StoreError::Unavailable { detail: "the body was staged in another store".into() })
            }
        }
    }

    /// The row is written: the file is no longer ours to remove.
    pub(crate) fn keep(&mut self) {
        if let Content::Spooled(_, guard) = &mut self.content {
            guard.keep();
        }
    }
}

/// A stored body, read from its first byte. It was found undamaged when it was opened.
#[derive(Debug)]
pub struct BodyReader {
    length: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Inline(Bytes),
    Spooled(tokio::fs::File),
}

impl BodyReader {
    pub(crate) fn inline(bytes: Bytes) -> Self {
        Self { length: u64::try_from(bytes.len()).unwrap_or(u64::MAX), source: Source::Inline(bytes) }
    }

    pub(crate) fn spooled(file: std::fs::File, length: u64) -> Self {
        Self { length, source: Source::Spooled(tokio::fs::File::from_std(file)) }
    }

    /// Of the whole body, in octets, however much was read already.
    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What is left of the body, in memory; an error when the body is larger than `max_bytes`.
    pub async fn into_bytes(self, max_bytes: usize) -> io::Result<Bytes> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > max_bytes {
            let message = format!("a body of {length} octets where at most {max_bytes} fit");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        match self.source {
            Source::Inline(bytes) => Ok(bytes),
            Source::Spooled(mut file) => {
                let mut bytes = Vec::with_capacity(length);
                file.read_to_end(&mut bytes).await?;
                Ok(bytes.into())
            }
        }
    }
}

impl AsyncRead for BodyReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.source {
            Source::Inline(bytes) => {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(bytes.get(..count).unwrap_or_default());
                bytes.advance(count);
                Poll::Ready(Ok(()))
            }
            Source::Spooled(file) => Pin::new(file).poll_read(context, buffer),
        }
    }
}

/// Runs what waits for the disk where waiting hurts nobody.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Unavailable { detail: format!("the work was broken off: {error}") }))
}
