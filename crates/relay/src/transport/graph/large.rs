//! A stored message taken apart, for Graph's JSON form.
//!
//! Promise: the message is read from the store as a stream, once to find its parts, once for its text and once for its
//! files; in memory are the headers of its parts (1 MiB at most), its text (3 MiB at most, then the draft made of it), and
//! pieces of files of 64 KiB.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use graph::{LargeSource, MARKER_PROPERTY, MimeBody, MimeSource as _, Pieces};
use mail::Address;
use mail::graph_json::{File, JsonMessage, Unsupported, plan};
use mail::mime::{Decoder, Encoding, Scanner, Structure};

use super::outgoing::OutgoingMime;

/// Why a message was not taken apart.
#[derive(Debug)]
pub(super) enum NotTakenApart {
    Unsupported(Unsupported),
    Unread(io::Error),
}

impl From<Unsupported> for NotTakenApart {
    fn from(error: Unsupported) -> Self {
        Self::Unsupported(error)
    }
}

impl From<io::Error> for NotTakenApart {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

pub(super) struct LargeMessage<'m> {
    message: &'m OutgoingMime,
    draft: Bytes,
    files: Vec<File>,
    /// Where the files' content lies, in their order.
    spans: Arc<[Span]>,
}

/// Encoded content in the message.
#[derive(Debug, Clone)]
struct Span {
    body: std::ops::Range<u64>,
    encoding: Encoding,
}

impl<'m> LargeMessage<'m> {
    pub(super) async fn read(message: &'m OutgoingMime, marker: &str) -> Result<Self, NotTakenApart> {
        let structure = scan(message.open().await?).await?;
        let recipients: Vec<&Address> = message.recipients.iter().collect();
        let plan = plan(&structure, &recipients)?;
        let text = read_text(message, &structure, &plan).await?;
        let draft = Bytes::from(plan.draft(&text, &[(MARKER_PROPERTY, marker)])?.to_string());
        let spans = plan.files.iter().filter_map(|file| span(&structure, file.part)).collect();
        Ok(Self { message, draft, files: plan.files, spans })
    }
}

async fn scan(body: MimeBody) -> Result<Structure, NotTakenApart> {
    let mut pieces = body.into_pieces();
    let mut scanner = Scanner::default();
    while let Some(piece) = pieces.next().await? {
        scanner.push(&piece).map_err(Unsupported::from)?;
    }
    Ok(scanner.finish().map_err(Unsupported::from)?)
}

fn span(structure: &Structure, position: usize) -> Option<Span> {
    let part = structure.part(position)?;
    Some(Span { body: part.body.clone(), encoding: part.content.encoding? })
}

async fn read_text(message: &OutgoingMime, structure: &Structure, plan: &JsonMessage) -> io::Result<Vec<u8>> {
    let Some(span) = plan.body.as_ref().and_then(|body| span(structure, body.part)) else { return Ok(Vec::new()) };
    let mut pieces = Decoded::new(message.open().await?, Arc::new([span]));
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await? {
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

#[async_trait]
impl LargeSource for LargeMessage<'_> {
    fn draft(&self) -> Bytes {
        self.draft.clone()
    }

    fn files(&self) -> &[File] {
        &self.files
    }

    async fn open(&self) -> io::Result<Box<dyn Pieces>> {
        Ok(Box::new(Decoded::new(self.message.open().await?, Arc::clone(&self.spans))))
    }
}

/// The decoded content of some spans of a message, read from its start.
struct Decoded {
    message: Box<dyn Pieces>,
    /// Of the message, read and not yet used.
    piece: Bytes,
    /// Of the first byte of `piece`.
    offset: u64,
    spans: Arc<[Span]>,
    /// The span that is read, and its decoder.
    current: usize,
    decoder: Option<Decoder>,
}

impl Decoded {
    fn new(body: MimeBody, spans: Arc<[Span]>) -> Self {
        Self { message: body.into_pieces(), piece: Bytes::new(), offset: 0, spans, current: 0, decoder: None }
    }

    /// Up to `count` bytes of the piece.
    fn advance(&mut self, count: u64) -> Bytes {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.piece.len());
        self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.piece.split_to(count)
    }
}

#[async_trait]
impl Pieces for Decoded {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut out = Vec::new();
        while out.is_empty() {
            let Some(Span { body, encoding }) = self.spans.get(self.current).cloned() else { return Ok(None) };
            let mut decoder = self.decoder.take().unwrap_or_else(|| Decoder::new(encoding));
            if self.offset >= body.end {
                decoder.finish(&mut out);
                self.current = self.current.saturating_add(1);
                continue;
            }
            if self.piece.is_empty() {
                let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "the message is shorter than recorded");
                self.piece = self.message.next().await?.ok_or_else(ended)?;
            }
            if self.offset < body.start {
                self.advance(body.start.saturating_sub(self.offset));
            } else {
                let encoded = self.advance(body.end.saturating_sub(self.offset));
                decoder.decode(&encoded, &mut out);
            }
            self.decoder = Some(decoder);
        }
        Ok(Some(Bytes::from(out)))
    }
}
