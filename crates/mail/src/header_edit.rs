//! Changes to a header block, collected while it is read and then made in one copy.
//!
//! Invariant: bytes outside the edited spans are copied as they are, and a block without edits is not copied at all.

use std::borrow::Cow;
use std::ops::Range;

use crate::header::{self, Line, Other};

/// RFC 5322 §2.1.1: lines should stay within 78 characters.
const LINE_OCTETS: usize = 78;

#[derive(Debug, Default)]
pub(crate) struct HeaderEdits {
    /// In order of their spans, which do not overlap.
    edits: Vec<(Range<usize>, Vec<u8>)>,
    /// The line before was removed as disguised. A field takes its own continuations, so no line behind one is ever taken
    /// for the continuation of an earlier line.
    is_removing: bool,
}

impl HeaderEdits {
    pub(crate) fn remove(&mut self, span: Range<usize>) {
        self.edits.push((span, Vec::new()));
    }

    pub(crate) fn replace(&mut self, span: Range<usize>, bytes: Vec<u8>) {
        self.edits.push((span, bytes));
    }

    /// Removes a line that some reader would take for one of the fields `names` (lower case), with its continuations,
    /// which would otherwise fall to the field before it. Says whether it did.
    pub(crate) fn remove_disguised(&mut self, other: &Other<'_>, names: &[&str]) -> bool {
        let is_disguised = names.iter().any(|name| other.reads_as(name));
        self.is_removing = is_disguised || (self.is_removing && other.is_continuation());
        if self.is_removing {
            self.remove(other.span.clone());
        }
        self.is_removing
    }

    /// The lines to read, without those at the very top that continue nothing: they go, for they would continue whatever
    /// field is put in front of them.
    pub(crate) fn clear_top<'h>(&mut self, header: &'h [u8]) -> impl Iterator<Item = Line<'h>> + use<'h> {
        let is_stray = |line: &Line<'_>| matches!(line, Line::Other(other) if other.is_continuation());
        let end = header::lines(header).take_while(is_stray).last().map_or(0, |line| line.span().end);
        if end > 0 {
            self.remove(0..end);
        }
        header::lines(header).skip_while(is_stray)
    }

    /// The block with `first` in front (whole fields, each with its line end) and the edits made.
    pub(crate) fn apply(self, first: &[u8], header: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(first.len() + header.len());
        out.extend_from_slice(first);
        let mut at = 0;
        for (span, bytes) in self.edits {
            out.extend_from_slice(header.get(at..span.start).unwrap_or_default());
            out.extend_from_slice(&bytes);
            at = span.end;
        }
        out.extend_from_slice(header.get(at..).unwrap_or_default());
        out
    }

    pub(crate) fn apply_if_any<'h>(self, first: &[u8], header: &'h [u8]) -> Cow<'h, [u8]> {
        if self.edits.is_empty() && first.is_empty() { Cow::Borrowed(header) } else { self.apply(first, header).into() }
    }
}

/// Writes `Name: item, item,⏎ item⏎`, folded between items.
pub(crate) struct FoldedField {
    bytes: Vec<u8>,
    line_start: usize,
    is_first: bool,
}

impl FoldedField {
    pub(crate) fn new(name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(LINE_OCTETS + 2);
        bytes.extend_from_slice(name);
        bytes.push(b':');
        Self { bytes, line_start: 0, is_first: true }
    }

    /// `item` must not hold a line end that is no fold.
    pub(crate) fn item(&mut self, item: &[u8]) {
        if !self.is_first {
            self.bytes.push(b',');
        }
        self.word(item);
        self.is_first = false;
    }

    /// As `item`, without a comma before it.
    pub(crate) fn word(&mut self, word: &[u8]) {
        // An item with folds of its own counts with its first line: what follows is at least within bounds there.
        let length = word.iter().position(|byte| *byte == b'\r' || *byte == b'\n').unwrap_or(word.len());
        if self.bytes.len() - self.line_start + 1 + length + 1 > LINE_OCTETS && !self.is_first {
            self.bytes.extend_from_slice(b"\r\n");
            self.line_start = self.bytes.len();
        }
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(word);
        if let Some(fold) = word.iter().rposition(|byte| *byte == b'\n') {
            self.line_start = self.bytes.len() - (word.len() - fold - 1);
        }
        self.is_first = false;
    }

    /// The next `item` takes no comma before it (after a group's name).
    pub(crate) fn open(&mut self) {
        self.is_first = true;
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes
    }
}
