//! A message made to pass where only seven bits do (RFC 6152 §3): its 8-bit parts in quoted-printable or base64.
//!
//! ```text
//!   message ─► Scanner::opening_messages ─► Structure ─► Plan      (first reading)
//!   message ─► Converter ─► message in ASCII                       (second reading)
//! ```
//!
//! Promise: every part decodes to the octets it decoded to before, delimiters stay as they are, and what comes out is ASCII.
//! A signed part is never touched. What cannot be converted is refused as a whole, with the reason.
//!
//! Left to others: reading twice, and whether it is needed (`relay`).
//!
//! Invariant: the memory of a [`Plan`] is bounded by the headers of the message, and a [`Converter`] holds one line.

mod encoder;
mod header;
mod parameters;
mod plan;
mod words;

use std::ops::Range;
use std::sync::Arc;

use crate::mime::{Decoder, Encoding};
use encoder::Encoder;

/// Why a message cannot go where only seven bits pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotConvert {
    #[error("a signed part has octets beyond ASCII, and changing it would break the signature")]
    Signed,
    #[error("an address in the field {0} has letters beyond ASCII")]
    International(String),
    #[error("the field {0} has octets beyond ASCII where none can be encoded")]
    Field(String),
    #[error("a line of a header has octets beyond ASCII and is no field")]
    NoField,
    #[error("a header of a part with octets beyond ASCII can be read in more than one way")]
    Ambiguous,
    #[error("a part has octets beyond ASCII in an encoding that is not known here")]
    Encoding,
    #[error("a part of type {0} has octets beyond ASCII, and such a part must not be encoded")]
    MediaType(String),
}

/// What is done to a stretch of the message; all stretches that have none are passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    /// Other octets stand there.
    Replace(Vec<u8>),
    /// Decoded, then encoded.
    Encode(Encoding, Encoding),
    /// Octets beyond ASCII are left out: in base64 they mean nothing (RFC 2045 §6.8).
    Strip,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    /// Octets of the message.
    span: Range<u64>,
    work: Work,
}

/// What is to be done to a message.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In order of their spans, which do not overlap.
    edits: Arc<[Edit]>,
}

impl Plan {
    /// The message's second reading.
    pub fn converter(&self) -> Converter {
        Converter { edits: Arc::clone(&self.edits), current: 0, offset: 0, at_work: None }
    }
}

/// Converts a message that is pushed through in pieces of any size.
#[derive(Debug)]
pub struct Converter {
    edits: Arc<[Edit]>,
    current: usize,
    /// Of the next octet of the message.
    offset: u64,
    at_work: Option<(Decoder, Encoder)>,
}

impl Converter {
    /// Appends to `out` what the next octets of the message become.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        let edits = Arc::clone(&self.edits);
        while !piece.is_empty() {
            let Some(edit) = edits.get(self.current) else {
                out.extend(piece.iter().map(|octet| masked(*octet)));
                return;
            };
            let is_before = self.offset < edit.span.start;
            let end = if is_before { edit.span.start } else { edit.span.end };
            let some = usize::try_from(end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            let (octets, rest) = piece.split_at_checked(some).unwrap_or((piece, &[]));
            if is_before {
                out.extend(octets.iter().map(|octet| masked(*octet)));
            } else {
                self.work(edit, octets, out);
            }
            self.offset = self.offset.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
            piece = rest;
            if !is_before && self.offset >= edit.span.end {
                self.end_work(out);
            }
        }
    }

    fn work(&mut self, edit: &Edit, octets: &[u8], out: &mut Vec<u8>) {
        match &edit.work {
            Work::Replace(other) if self.offset == edit.span.start => out.extend_from_slice(other),
            Work::Replace(_) => {}
            Work::Strip => out.extend(octets.iter().filter(|octet| octet.is_ascii())),
            Work::Encode(from, to) => {
                let (decoder, encoder) = self.at_work.get_or_insert_with(|| (Decoder::new(*from), Encoder::new(*to)));
                let mut decoded = Vec::with_capacity(octets.len());
                decoder.decode(octets, &mut decoded);
                encoder.push(&decoded, out);
            }
        }
    }

    fn end_work(&mut self, out: &mut Vec<u8>) {
        self.current = self.current.saturating_add(1);
        if let Some((mut decoder, mut encoder)) = self.at_work.take() {
            let mut decoded = Vec::new();
            decoder.finish(&mut decoded);
            encoder.push(&decoded, out);
            encoder.finish(out);
        }
    }
}

/// Before the first and after the last part of a multipart nobody's text stands, so that a sign may stand for another.
fn masked(octet: u8) -> u8 {
    if octet.is_ascii() { octet } else { b'?' }
}

#[cfg(test)]
mod tests;
