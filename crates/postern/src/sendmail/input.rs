//! Standard input as a message: to its end, or to a line with a single dot.
//!
//! Invariant: one piece of bounded size is in memory, however long a line is. Line ends are passed on as they are; the
//! intake makes them CRLF.

use std::io::{self, BufRead, BufReader, Read};

/// A piece of a longer line is no line: the dot rule looks only where a line begins.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) struct Input<R> {
    reader: BufReader<R>,
    ends_at_dot: bool,
    at_line_start: bool,
    is_over: bool,
    piece: Vec<u8>,
}

impl<R: Read> Input<R> {
    /// With `ends_at_dot`, a line that is a single dot ends the message (no `-i`).
    pub(super) fn new(reader: R, ends_at_dot: bool) -> Self {
        let reader = BufReader::with_capacity(PIECE_BYTES, reader);
        Self { reader, ends_at_dot, at_line_start: true, is_over: false, piece: Vec::new() }
    }

    /// The next line with its end, or the next piece of one that is very long; `None` at the end of the message.
    pub(super) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        if self.is_over {
            return Ok(None);
        }
        self.piece.clear();
        let most = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
        (&mut self.reader).take(most).read_until(b'\n', &mut self.piece)?;
        let begins_line = std::mem::replace(&mut self.at_line_start, self.piece.ends_with(b"\n"));
        let is_dot = begins_line && matches!(self.piece.as_slice(), b"." | b".\n" | b".\r\n");
        if self.piece.is_empty() || (is_dot && self.ends_at_dot) {
            self.is_over = true;
            return Ok(None);
        }
        Ok(Some(&self.piece))
    }

    /// As [`Self::next_line`], in larger pieces.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<&[u8]>> {
        if self.ends_at_dot {
            return self.next_line();
        }
        if self.is_over {
            return Ok(None);
        }
        self.piece.resize(PIECE_BYTES, 0);
        let length = self.reader.read(&mut self.piece)?;
        self.piece.truncate(length);
        self.is_over = length == 0;
        Ok((length > 0).then_some(self.piece.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], ends_at_dot: bool) -> Vec<u8> {
        let mut input = Input::new(bytes, ends_at_dot);
        let mut all = Vec::new();
        while let Some(chunk) = input.next_chunk().unwrap() {
            all.extend_from_slice(chunk);
        }
        assert!(input.next_chunk().unwrap().is_none(), "the end is the end");
        all
    }

    #[test]
    fn a_lone_dot_ends_the_message_unless_it_is_text() {
        let long = [vec![b'x'; PIECE_BYTES], b".\nb\n".to_vec()].concat();
        for (text, with_dot_rule) in [
            (&b"a\n.\nb\n"[..], &b"a\n"[..]),
            (b"a\r\n.\r\nb\n", b"a\r\n"),
            (b"a\n..\nb\n", b"a\n..\nb\n"), // two dots are text; nothing is unstuffed
            (b"a\n.", b"a\n"),              // at the very end, without a line break
            (b".\n", b""),
            (b"a\n. \n", b"a\n. \n"),
            (&long, &long), // the dot after a long line's first piece begins no line
        ] {
            assert_eq!(read_all(text, true), with_dot_rule, "{:?}", text.get(..8));
            assert_eq!(read_all(text, false), text, "with -i everything is text");
        }
    }
}
