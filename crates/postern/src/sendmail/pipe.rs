//! What a program on this machine writes to `sendmail -bs`.
//!
//! Such programs may end lines as files on this machine do. One that ends its first line so ends all lines so, and is
//! made to speak SMTP here. Nothing from a network comes this way, so nobody can hide a message's end in it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// The first line has not ended yet.
    Unknown,
    Lf,
    Crlf,
}

/// Input in which all lines end in CRLF if the first one ends in a bare LF; else as it is.
#[derive(Debug)]
pub(super) struct Pipe<R> {
    inner: R,
    lines: Lines,
    /// The last octet handed on was a CR.
    after_cr: bool,
    /// Made of what was read, and not yet handed on.
    ready: Vec<u8>,
    handed_on: usize,
}

const READ_OCTETS: usize = 16 * 1024;

impl<R> Pipe<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, lines: Lines::Unknown, after_cr: false, ready: Vec::new(), handed_on: 0 }
    }

    fn take(&mut self, octets: &[u8]) {
        for octet in octets {
            let is_bare = *octet == b'\n' && !self.after_cr;
            if *octet == b'\n' && self.lines == Lines::Unknown {
                self.lines = if is_bare { Lines::Lf } else { Lines::Crlf };
            }
            if is_bare && self.lines == Lines::Lf {
                self.ready.push(b'\r');
            }
            self.ready.push(*octet);
            self.after_cr = *octet == b'\r';
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Pipe<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.handed_on == self.ready.len() {
            let mut octets = [0; READ_OCTETS];
            let mut read = ReadBuf::new(&mut octets);
            match Pin::new(&mut self.inner).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            self.ready.clear();
            self.handed_on = 0;
            let read = read.filled().to_vec();
            self.take(&read);
        }
        let (from, room) = (self.handed_on, out.remaining());
        let waiting = self.ready.get(from..).unwrap_or_default();
        let part = waiting.get(..room).unwrap_or(waiting);
        out.put_slice(part);
        self.handed_on = from + part.len();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn through(pieces: &[&[u8]]) -> Vec<u8> {
        let mut pipe = Pipe::new(std::io::Cursor::new(Vec::new()));
        for piece in pieces {
            Pipe::take(&mut pipe, piece);
        }
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test]
    async fn the_first_line_says_how_lines_end() {
        for (pieces, expected) in [
            (vec![&b"EHLO a\nDATA\n.\n"[..]], &b"EHLO a\r\nDATA\r\n.\r\n"[..]),
            (vec![b"EHLO a\r\nx\ny\r\n"], b"EHLO a\r\nx\ny\r\n"), // SMTP as it should be: a bare LF stays one
            (vec![b"EHLO a\nx\r\ny\n"], b"EHLO a\r\nx\r\ny\r\n"), // a line that is right already
            (vec![b"EHLO a\r", b"\nx\n"], b"EHLO a\r\nx\n"),      // CR and LF in two pieces
        ] {
            assert_eq!(through(&pieces).await, expected, "{pieces:?}");
        }
    }
}
