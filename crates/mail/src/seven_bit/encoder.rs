//! Content-Transfer-Encoding, encoded in pieces (RFC 2045 §6.7, §6.8).
//!
//! Promise: what comes out decodes to exactly what went in, has lines of at most 76 characters, and no line that could be
//! taken for a delimiter.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::mime::Encoding;

/// Characters of a line without its end, and for quoted-printable without the `=` of a soft line break.
const LINE: usize = 75;
/// Octets that make a line of 76 characters in base64.
const BASE64_LINE: usize = 57;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[derive(Debug)]
pub(super) enum Encoder {
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
}

impl Encoder {
    /// Base64 for whatever is not quoted-printable.
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::QuotedPrintable => Self::QuotedPrintable(QuotedPrintable::default()),
            Encoding::Base64 | Encoding::Identity => Self::Base64(Base64::default()),
        }
    }

    pub(super) fn push(&mut self, content: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(it) => content.iter().for_each(|octet| it.push(*octet, out)),
            Self::Base64(it) => it.push(content, out),
        }
    }

    /// The content has ended; the line it ends in gets no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::QuotedPrintable(it) => it.finish(out),
            Self::Base64(it) => it.line(out),
        }
    }
}

/// A CRLF is a line's end; a CR or LF alone is not, and is encoded.
#[derive(Debug, Default)]
pub(super) struct QuotedPrintable {
    column: usize,
    /// Must be encoded if the line ends behind it.
    blank: Option<u8>,
    /// Whether it begins a line end shows the next octet.
    has_cr: bool,
}

impl QuotedPrintable {
    fn push(&mut self, octet: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.has_cr) {
            if octet == b'\n' {
                return self.end_line(out);
            }
            self.put_blank(out);
            self.escape(b'\r', out);
        }
        match octet {
            b'\r' => self.has_cr = true,
            b' ' | b'\t' => {
                self.put_blank(out);
                self.blank = Some(octet);
            }
            b'!'..=b'<' | b'>'..=b'~' => {
                self.put_blank(out);
                self.put(&[octet], out);
            }
            _ => {
                self.put_blank(out);
                self.escape(octet, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.has_cr) {
            self.put_blank(out);
            self.escape(b'\r', out);
        }
        if let Some(blank) = self.blank.take() {
            self.escape(blank, out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.escape(blank, out);
        }
        out.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    fn put_blank(&mut self, out: &mut Vec<u8>) {
        if let Some(blank) = self.blank.take() {
            self.put(&[blank], out);
        }
    }

    fn escape(&mut self, octet: u8, out: &mut Vec<u8>) {
        let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
        self.put(&[b'=', digit(octet >> 4), digit(octet & 15)], out);
    }

    fn put(&mut self, sign: &[u8], out: &mut Vec<u8>) {
        if self.column.saturating_add(sign.len()) > LINE {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        // A line that begins anew in the middle of another one might look like a delimiter.
        let sign: &[u8] = if self.column == 0 && sign == b"-" { b"=2D" } else { sign };
        out.extend_from_slice(sign);
        self.column = self.column.saturating_add(sign.len());
    }
}

#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// Less than a line's worth.
    waiting: Vec<u8>,
    has_line: bool,
}

impl Base64 {
    fn push(&mut self, mut content: &[u8], out: &mut Vec<u8>) {
        while !content.is_empty() {
            let room = BASE64_LINE.saturating_sub(self.waiting.len());
            let (some, rest) = content.split_at_checked(room).unwrap_or((content, &[]));
            self.waiting.extend_from_slice(some);
            content = rest;
            if self.waiting.len() == BASE64_LINE {
                self.line(out);
            }
        }
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        if self.waiting.is_empty() {
            return;
        }
        if std::mem::replace(&mut self.has_line, true) {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(BASE64_STANDARD.encode(&self.waiting).as_bytes());
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mime::Decoder;

    fn encoded(encoding: Encoding, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(encoding), Vec::new());
        pieces.iter().for_each(|piece| encoder.push(piece, &mut out));
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn quoted_printable_is_as_the_rfc_has_it() {
        let table: [(&[u8], &str, &str); 8] = [
            ("grün\r\n".as_bytes(), "gr=C3=BCn\r\n", "the plain case"),
            (b"a=b", "a=3Db", "the escape itself"),
            (b"a \r\nb\t", "a=20\r\nb=09", "a blank at the end would get lost"),
            (b"a b", "a b", "a blank inside"),
            (b"a\nb\rc", "a=0Ab=0Dc", "no line ends: they stay what they are"),
            (b" \r", " =0D", "a CR at the very end"),
            (b"--x\r\n-", "=2D-x\r\n=2D", "what could be a delimiter"),
            (b"\0\x7f", "=00=7F", "control characters"),
        ];
        for (content, expected, why) in table {
            assert_eq!(String::from_utf8(encoded(Encoding::QuotedPrintable, &[content])).unwrap(), expected, "{why}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself_in_short_lines_that_delimit_nothing(
            content in proptest::collection::vec(
                prop_oneof![Just(b'-'), Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..500),
            cut in 0_usize..500, is_base64: bool,
        ) {
            let encoding = if is_base64 { Encoding::Base64 } else { Encoding::QuotedPrintable };
            let (one, two) = content.split_at(cut.min(content.len()));
            let wire = encoded(encoding, &[one, two]);
            prop_assert!(wire.is_ascii());
            let lines = String::from_utf8(wire.clone()).unwrap();
            prop_assert!(lines.split("\r\n").all(|line| line.len() <= 76 && !line.starts_with('-')), "{}", lines);
            let (mut decoder, mut decoded) = (Decoder::new(encoding), Vec::new());
            decoder.decode(&wire, &mut decoded);
            decoder.finish(&mut decoded);
            prop_assert_eq!(decoded, content);
        }
    }
}
