//! Command lines from a buffer of received octets.
//!
//! Invariant: a line handed out ends where the peer ended it, is no longer than the limit, and holds no CR or LF. An
//! over-long line is skipped to its end while it arrives and reported once, so it costs no memory and the line behind
//! it is read as what it is.

use crate::LineEndings;

/// Cuts command lines out of what was received.
#[derive(Debug)]
pub struct LineReader {
    max_octets: usize,
    line_endings: LineEndings,
    is_skipping: bool,
}

/// What the front of the buffer holds. `consumed` octets are to be dropped from it in any case.
#[derive(Debug, PartialEq, Eq)]
pub enum LineStep<'a> {
    /// No line end yet: read more.
    NeedMore { consumed: usize },
    /// A line without its line end.
    Line { line: &'a [u8], consumed: usize },
    /// A line that cannot be a command.
    Fault { fault: LineFault, consumed: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("the line is too long")]
    TooLong,
    /// Where bare line ends are refused, the line was ended by LF alone. What follows may have been meant as part of
    /// the same line by whoever composed it, so the connection should end here.
    #[error("the line ends in LF without CR")]
    BareLf,
    #[error("the line holds a CR that does not end it")]
    BareCr,
}

impl LineReader {
    /// `max_octets` counts a line with its line end.
    pub fn new(max_octets: usize, line_endings: LineEndings) -> Self {
        Self { max_octets, line_endings, is_skipping: false }
    }

    /// Looks for a line at the front of `input`.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> LineStep<'a> {
        let Some(newline) = memchr::memchr(b'\n', input) else {
            return self.without_newline(input);
        };
        let consumed = newline + 1;
        if std::mem::take(&mut self.is_skipping) || consumed > self.max_octets {
            return LineStep::Fault { fault: LineFault::TooLong, consumed };
        }
        let line = input.get(..newline).unwrap_or_default();
        let line = match (line.strip_suffix(b"\r"), self.line_endings) {
            (Some(line), _) => line,
            (None, LineEndings::Normalize) => line,
            (None, LineEndings::Reject) => return LineStep::Fault { fault: LineFault::BareLf, consumed },
        };
        if memchr::memchr(b'\r', line).is_some() {
            return LineStep::Fault { fault: LineFault::BareCr, consumed };
        }
        LineStep::Line { line, consumed }
    }

    fn without_newline<'a>(&mut self, input: &'a [u8]) -> LineStep<'a> {
        self.is_skipping |= input.len() >= self.max_octets;
        LineStep::NeedMore { consumed: if self.is_skipping { input.len() } else { 0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<String, LineFault>;

    /// Feeds `input` in pieces of `size` octets through a buffer, as a session does.
    fn read(input: &[u8], size: usize, reader: &mut LineReader) -> (Vec<Read>, usize) {
        let (mut lines, mut buffer, mut most) = (Vec::new(), Vec::new(), 0);
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            most = most.max(buffer.len());
            loop {
                let consumed = match reader.next(&buffer) {
                    LineStep::NeedMore { consumed } => {
                        buffer.drain(..consumed);
                        break;
                    }
                    LineStep::Line { line, consumed } => {
                        lines.push(Ok(String::from_utf8(line.to_vec()).unwrap()));
                        consumed
                    }
                    LineStep::Fault { fault, consumed } => {
                        lines.push(Err(fault));
                        consumed
                    }
                };
                buffer.drain(..consumed);
            }
        }
        (lines, most)
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        use LineEndings::{Normalize, Reject};
        let line = |text: &str| Ok(text.to_owned());
        let long = format!("{}\r\nNOOP\r\n", "x".repeat(100));
        let rows: Vec<(&str, LineEndings, Vec<Read>)> = vec![
            ("EHLO a\r\nNOOP\r\n", Reject, vec![line("EHLO a"), line("NOOP")]),
            ("\r\n", Reject, vec![line("")]),
            (&long, Reject, vec![Err(LineFault::TooLong), line("NOOP")]), // skipped to its end, then as usual
            ("NOOP\nRSET\r\n", Reject, vec![Err(LineFault::BareLf), line("RSET")]),
            ("NOOP\nRSET\r\n", Normalize, vec![line("NOOP"), line("RSET")]), // an old device
            ("NOOP\rRSET\r\n", Reject, vec![Err(LineFault::BareCr)]),
            ("NOOP\rRSET\r\n", Normalize, vec![Err(LineFault::BareCr)]), // two commands, or one? refuse
            ("NOOP\r\r\n", Normalize, vec![Err(LineFault::BareCr)]),
            ("QUIT", Reject, vec![]), // never ended
        ];
        for (input, policy, expected) in rows {
            for size in 1..=input.len() {
                let (lines, most) = read(input.as_bytes(), size, &mut LineReader::new(20, policy));
                assert_eq!(lines, expected, "{input:?} in pieces of {size}");
                assert!(most <= 20 + size, "the buffer grew to {most}");
            }
        }
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        let mut reader = LineReader::new(6, LineEndings::Reject);
        assert_eq!(reader.next(b"NOOP\r\n"), LineStep::Line { line: b"NOOP", consumed: 6 });
        assert_eq!(reader.next(b"NOOPS\r\n"), LineStep::Fault { fault: LineFault::TooLong, consumed: 7 });
    }
}
