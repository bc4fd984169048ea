//! The structure of a MIME message, found while it streams by.
//!
//! Promise: [`Scanner`] tells where each part's content lies and how long it is once decoded, and keeps nothing of the
//! message but the headers of its parts, which are bounded. [`Decoder`] then decodes a part in pieces of any size.
//!
//! Left to others: what a part means (`graph_json`), reading (the caller feeds bytes).
//!
//! Invariant: the content of a part is the bytes between its header's blank line and the line end that belongs to the next
//! delimiter (RFC 2046 §5.1.1). Messages inside messages are content, not parts, unless the scanner was told to open them.

mod content;
mod decoder;
mod octets;
mod scanner;

use std::ops::Range;

pub use content::{Content, Disposition};
pub use decoder::{Decoder, Encoding};
pub use octets::Octets;
pub use scanner::{Scanner, TooComplex};

/// One part, in the order of the message; the first is the message itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Of the header's first octet, from the start of the message.
    pub start: u64,
    /// Header block with its blank line.
    pub header: Vec<u8>,
    /// What the header says about the content.
    pub content: Content,
    /// Where the encoded content lies in the message, in octets from its start. Empty for a multipart.
    pub body: Range<u64>,
    /// Length of the content once decoded.
    pub decoded_bytes: u64,
    /// What stands in the encoded content; for a multipart, before its first and after its last part.
    pub octets: Octets,
    /// Positions of the parts of a multipart, or of the message that was opened.
    pub children: Vec<usize>,
}

/// All parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    pub(crate) parts: Vec<Part>,
}

impl Structure {
    pub fn part(&self, position: usize) -> Option<&Part> {
        self.parts.get(position)
    }

    /// The message itself: its header, and its content if it is no multipart.
    pub fn root(&self) -> Option<&Part> {
        self.parts.first()
    }
}
