//! Finds the parts of a message that is pushed through in pieces.
//!
//! ```text
//!   header ──blank line──► content (leaf)          a delimiter of any open multipart ends whatever stands inside it
//!      │                                           and begins the next part's header, or the multipart's epilogue
//!      └────► preamble (multipart) ──delimiter──► header of a part ...
//! ```

use memchr::memchr;

use super::{Content, Decoder, Encoding, Octets, Part, Structure};
use crate::header;

/// Exchange takes 250 parts and 30 levels of nesting.
const MAX_PARTS: usize = 250;
const MAX_DEPTH: usize = 30;

/// All headers together; intake takes 512 KiB for the message's own.
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// A delimiter is at most 70 characters and some white space (RFC 2046 §5.1.1). A longer line is content, and is not kept.
const MAX_DELIMITER_LINE: usize = 256;

/// The message has more structure than anybody sends by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooComplex {
    #[error("the message has more than {MAX_PARTS} parts")]
    Parts,
    #[error("the parts of the message are nested more than {MAX_DEPTH} deep")]
    Depth,
    #[error("the headers of the message are larger than {MAX_HEADER_BYTES} bytes")]
    Headers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Content,
    /// Before the first or after the last part of a multipart: nobody's.
    Between,
}

/// Finds the structure; push the message through it, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Scanner {
    parts: Vec<Part>,
    /// Positions of the open parts, outermost first; the last is the current one.
    open: Vec<usize>,
    state: State,
    /// Of the byte after everything looked at.
    offset: u64,
    /// The line so far, while it may be a delimiter or is a header's.
    line: Vec<u8>,
    /// The rest of this line is content, whatever it is.
    is_long: bool,
    /// A line end that belongs to the content only if no delimiter follows.
    line_end: Vec<u8>,
    header_bytes: usize,
    decoder: Option<Decoder>,
    decoded: Vec<u8>,
    opens_messages: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            parts: vec![new_part(0)],
            open: vec![0],
            state: State::Header,
            offset: 0,
            line: Vec::new(),
            is_long: false,
            line_end: Vec::new(),
            header_bytes: 0,
            decoder: None,
            decoded: Vec::new(),
            opens_messages: false,
        }
    }
}

fn new_part(start: u64) -> Part {
    Part {
        start,
        header: Vec::new(),
        content: Content::parse(b""),
        body: start..start,
        decoded_bytes: 0,
        octets: Octets::default(),
        children: Vec::new(),
    }
}

impl Scanner {
    /// A scanner for which a message inside a message is a part with parts of its own.
    pub fn opening_messages() -> Self {
        Self { opens_messages: true, ..Self::default() }
    }

    /// Takes the next piece of the message.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), TooComplex> {
        while !piece.is_empty() {
            let end = memchr(b'\n', piece).map(|at| at + 1);
            let (line, rest) = piece.split_at(end.unwrap_or(piece.len()));
            self.take(line, end.is_some())?;
            piece = rest;
        }
        Ok(())
    }

    /// The message has ended. A multipart that was left open ends here as well.
    pub fn finish(mut self) -> Result<Structure, TooComplex> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        if self.state == State::Header {
            self.end_header()?;
        }
        let last = std::mem::take(&mut self.line_end);
        self.content(&last);
        self.close_to(0);
        self.close_current();
        Ok(Structure { parts: self.parts })
    }

    /// A line, or a part of one.
    fn take(&mut self, bytes: &[u8], ends: bool) -> Result<(), TooComplex> {
        if self.is_long {
            self.is_long = !ends;
            self.long_line(bytes, ends);
            return Ok(());
        }
        self.line.extend_from_slice(bytes);
        if ends {
            return self.end_line();
        }
        if self.state == State::Header {
            return self.check_header(self.line.len());
        }
        if self.line.len() > MAX_DELIMITER_LINE {
            self.is_long = true;
            let line = std::mem::take(&mut self.line);
            self.long_line(&line, false);
        }
        Ok(())
    }

    /// A line that is too long to be a delimiter, in pieces. What may be its line end is withheld.
    fn long_line(&mut self, bytes: &[u8], ends: bool) {
        let before = std::mem::take(&mut self.line_end);
        if before == b"\r" && bytes == b"\n" {
            self.line_end = b"\r\n".to_vec();
            return;
        }
        self.content(&before);
        let text = without_line_end(bytes);
        // A piece may end between CR and LF.
        let text = if ends { text } else { bytes.strip_suffix(b"\r").unwrap_or(bytes) };
        self.content(text);
        self.line_end = bytes.get(text.len()..).unwrap_or_default().to_vec();
    }

    fn end_line(&mut self) -> Result<(), TooComplex> {
        let line = std::mem::take(&mut self.line);
        let text = without_line_end(&line);
        if let Some((level, is_last)) = self.delimiter(text) {
            return self.delimit(level, is_last, length(&line));
        }
        match self.state {
            State::Header => {
                self.offset = self.offset.saturating_add(length(&line));
                self.check_header(line.len())?;
                self.header_bytes += line.len();
                if let Some(part) = self.current() {
                    part.header.extend_from_slice(&line);
                }
                if text.is_empty() { self.end_header() } else { Ok(()) }
            }
            State::Content | State::Between => {
                let before = std::mem::take(&mut self.line_end);
                self.content(&before);
                self.content(text);
                self.line_end = line.get(text.len()..).unwrap_or_default().to_vec();
                Ok(())
            }
        }
    }

    fn check_header(&self, more: usize) -> Result<(), TooComplex> {
        if self.header_bytes.saturating_add(more) > MAX_HEADER_BYTES { Err(TooComplex::Headers) } else { Ok(()) }
    }

    fn end_header(&mut self) -> Result<(), TooComplex> {
        let start = self.offset;
        let Some(part) = self.current() else { return Ok(()) };
        part.content = Content::parse(&part.header);
        part.body = start..start;
        let is_divided = part.content.is_multipart() && part.content.boundary.is_some();
        self.decoder = part.content.encoding.filter(|_| !is_divided).map(Decoder::new);
        self.state = if is_divided { State::Between } else { State::Content };
        if self.open.len() > MAX_DEPTH {
            return Err(TooComplex::Depth);
        }
        if self.opens_messages && self.encloses_message() {
            self.decoder = None;
            self.open_part()?;
        }
        Ok(())
    }

    /// The content is a message that stands there as it is. In a digest, it need not say so (RFC 2046 §5.1.5).
    fn encloses_message(&self) -> bool {
        let level = |back: usize| {
            let position = self.open.len().checked_sub(back).and_then(|level| self.open.get(level))?;
            self.parts.get(*position)
        };
        let Some(part) = level(1).filter(|part| part.content.encoding == Some(Encoding::Identity)) else {
            return false;
        };
        let is_in_digest = || level(2).is_some_and(|around| around.content.media_type == "multipart/digest");
        let says_nothing = || !header::fields(&part.header).any(|field| field.is("content-type"));
        part.content.media_type == "message/rfc822" || (is_in_digest() && says_nothing())
    }

    fn open_part(&mut self) -> Result<(), TooComplex> {
        if self.parts.len() >= MAX_PARTS {
            return Err(TooComplex::Parts);
        }
        let child = self.parts.len();
        if let Some(part) = self.current() {
            part.children.push(child);
        }
        self.parts.push(new_part(self.offset));
        self.open.push(child);
        self.state = State::Header;
        Ok(())
    }

    /// Bytes of the message that are no delimiter and no header.
    fn content(&mut self, bytes: &[u8]) {
        self.offset = self.offset.saturating_add(length(bytes));
        if let Some(part) = self.current() {
            part.octets.add(bytes);
        }
        if self.state != State::Content {
            return;
        }
        self.decoded.clear();
        match &mut self.decoder {
            Some(decoder) => decoder.decode(bytes, &mut self.decoded),
            None => self.decoded.extend_from_slice(bytes),
        }
        let (end, decoded) = (self.offset, length(&self.decoded));
        if let Some(part) = self.current() {
            part.body.end = end;
            part.decoded_bytes = part.decoded_bytes.saturating_add(decoded);
        }
    }

    /// Which open multipart the line delimits, innermost first, and whether it is the last delimiter.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?;
        let levels = self.open.iter().enumerate().rev();
        levels.filter_map(|(level, position)| Some((level, self.parts.get(*position)?))).find_map(|(level, part)| {
            let boundary = part.content.boundary.as_ref().filter(|_| part.content.is_multipart())?;
            let rest = text.strip_prefix(boundary.as_bytes())?;
            let (rest, is_last) = rest.strip_prefix(b"--").map_or((rest, false), |rest| (rest, true));
            rest.iter().all(|byte| matches!(byte, b' ' | b'\t')).then_some((level, is_last))
        })
    }

    fn delimit(&mut self, level: usize, is_last: bool, line_bytes: u64) -> Result<(), TooComplex> {
        if self.state == State::Header {
            self.end_header()?;
        }
        self.close_to(level);
        self.offset = self.offset.saturating_add(length(&self.line_end)).saturating_add(line_bytes);
        self.line_end.clear();
        if is_last {
            // Its boundary means nothing any more: what follows is the epilogue.
            if let Some(part) = self.current() {
                part.content.boundary = None;
            }
            self.state = State::Between;
            return Ok(());
        }
        self.open_part()
    }

    fn close_to(&mut self, level: usize) {
        while self.open.len() > level + 1 {
            self.close_current();
            self.open.pop();
        }
    }

    fn close_current(&mut self) {
        let Some(mut decoder) = self.decoder.take() else { return };
        self.decoded.clear();
        decoder.finish(&mut self.decoded);
        let more = length(&self.decoded);
        if let Some(part) = self.current() {
            part.decoded_bytes = part.decoded_bytes.saturating_add(more);
        }
    }

    fn current(&mut self) -> Option<&mut Part> {
        let position = *self.open.last()?;
        self.parts.get_mut(position)
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    if text.len() == line.len() { text } else { text.strip_suffix(b"\r").unwrap_or(text) }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
