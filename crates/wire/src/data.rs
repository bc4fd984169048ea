//! The message after `354`: where it ends, and its content in canonical form.
//!
//! Promise: the message ends at the first `CRLF . CRLF` and nowhere else (RFC 5321 §4.1.1.4; the CRLF of the DATA command
//! counts as the first). What is handed on has no CR or LF that stands alone, so no later hop can read an end into it.
//! The same octets give the same result however they were cut into pieces. Past the size limit, or after a line end that
//! is refused, octets are read to the end of the message and dropped.
//!
//! ```text
//!            '.'            CR             LF
//!   Start ────────► Dot ──────────► DotCr ─────► End
//!     ▲  \ other     │ other: drop the dot  \ other: a line "." with a bare CR
//! LF  │   ▼          ▼                       ▼
//!    Cr ◄──── Inside ──── bare CR or LF ──► SoftStart ── '.' ──► SoftDot ── any ──► Inside
//!         CR
//! ```

/// What happens to a CR without LF, or an LF without CR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineEndings {
    /// The message is refused.
    #[default]
    Reject,
    /// It becomes CRLF, for old devices. It still never ends the message.
    Normalize,
}

/// Why a message that was read to its end cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataFault {
    #[error("the message is larger than the limit")]
    TooLarge,
    #[error("the message holds a CR without LF")]
    BareCr,
    #[error("the message holds an LF without CR")]
    BareLf,
}

/// Reads one message.
///
/// ```
/// use wire::{DataReader, LineEndings};
/// let mut reader = DataReader::new(1000, LineEndings::Reject);
/// let mut content = Vec::new();
/// assert_eq!(reader.push(b"Hello\r\n..dot\r\n.\r", &mut content), None);
/// assert_eq!(reader.push(b"\nQUIT\r\n", &mut content), Some(1));
/// assert_eq!(content, b"Hello\r\n.dot\r\n");
/// assert_eq!(reader.fault(), None);
/// ```
#[derive(Debug)]
pub struct DataReader {
    state: State,
    line_endings: LineEndings,
    room: usize,
    fault: Option<DataFault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// After CRLF: a dot here may be the end, or is stuffing.
    Start,
    /// After a bare CR or LF: a dot here is never the end.
    SoftStart,
    Inside,
    /// After a CR in a line.
    Cr,
    Dot,
    DotCr,
    SoftDot,
    End,
}

impl DataReader {
    /// `max_octets` counts the content with its CRLFs and without dot-stuffing (RFC 1870 §5).
    pub fn new(max_octets: usize, line_endings: LineEndings) -> Self {
        Self { state: State::Start, line_endings, room: max_octets, fault: None }
    }

    /// Takes the next octets and appends their content, at most two octets for each, to `content`.
    ///
    /// `Some(consumed)` when the message ended within `chunk`: the octets behind `consumed` are commands. After that,
    /// nothing more is taken.
    pub fn push(&mut self, chunk: &[u8], content: &mut Vec<u8>) -> Option<usize> {
        let mut rest = chunk;
        while self.state != State::End {
            let (&octet, behind) = rest.split_first()?;
            rest = match (self.state, octet) {
                (State::Start, b'.') => self.go(State::Dot, behind),
                (State::SoftStart, b'.') => self.go(State::SoftDot, behind),
                (State::Start | State::SoftStart | State::Inside, b'\r') => self.go(State::Cr, behind),
                (State::Start | State::SoftStart | State::Inside, b'\n') => {
                    self.break_line(DataFault::BareLf, content);
                    behind
                }
                (State::Start | State::SoftStart | State::Inside, _) => self.take_lines(rest, content),
                (State::Cr, b'\n') => {
                    self.emit(b"\r\n", content);
                    self.go(State::Start, behind)
                }
                (State::Cr, _) => {
                    self.break_line(DataFault::BareCr, content);
                    rest
                }
                (State::Dot, b'\r') => self.go(State::DotCr, behind),
                // A dot that is alone on its line only because a bare LF or CR ends it is content, not stuffing.
                (State::Dot, b'\n') => {
                    self.emit(b".", content);
                    self.break_line(DataFault::BareLf, content);
                    behind
                }
                (State::Dot, _) => self.go(State::Inside, rest),
                (State::DotCr, b'\n') => self.go(State::End, behind),
                (State::DotCr, _) => {
                    self.emit(b".", content);
                    self.break_line(DataFault::BareCr, content);
                    rest
                }
                // Who ends lines with LF stuffs the dots of these lines too; a single dot is not stuffing.
                (State::SoftDot, _) => {
                    self.emit(b".", content);
                    self.go(State::Inside, if octet == b'.' { behind } else { rest })
                }
                (State::End, _) => rest,
            };
        }
        Some(chunk.len() - rest.len())
    }

    /// Why the message cannot be taken, as far as it was read. The first reason stands; it never goes away.
    pub fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    fn go<'a>(&mut self, state: State, rest: &'a [u8]) -> &'a [u8] {
        self.state = state;
        rest
    }

    /// Takes the longest run of whole lines and parts of lines in which nothing is special; this is nearly everything.
    fn take_lines<'a>(&mut self, rest: &'a [u8], content: &mut Vec<u8>) -> &'a [u8] {
        let mut length = 0;
        loop {
            let ahead = rest.get(length..).unwrap_or_default();
            let at = memchr::memchr2(b'\r', b'\n', ahead).unwrap_or(ahead.len());
            length += at;
            if at > 0 {
                self.state = State::Inside;
            }
            let Some([b'\r', b'\n', after @ ..]) = ahead.get(at..) else {
                break;
            };
            length += 2;
            self.state = State::Start;
            if after.first() == Some(&b'.') {
                break;
            }
        }
        let (run, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.emit(run, content);
        rest
    }

    /// A line end that is not CRLF.
    fn break_line(&mut self, fault: DataFault, content: &mut Vec<u8>) {
        self.state = State::SoftStart;
        match self.line_endings {
            LineEndings::Normalize => self.emit(b"\r\n", content),
            LineEndings::Reject => _ = self.fault.get_or_insert(fault),
        }
    }

    fn emit(&mut self, octets: &[u8], content: &mut Vec<u8>) {
        if self.fault.is_some() {
            return;
        }
        match octets.get(..self.room) {
            Some(fitting) if fitting.len() < octets.len() => {
                self.fault = Some(DataFault::TooLarge);
                self.room = 0;
                content.extend_from_slice(fitting);
            }
            _ => {
                self.room -= octets.len();
                content.extend_from_slice(octets);
            }
        }
    }
}

#[cfg(test)]
mod tests;
