//! The header block of a raw message, read as it is: fields keep their bytes, and whatever is not a field is reported.
//!
//! Promise: [`split`] and [`lines`] never fail and never allocate, and the spans of [`lines`] cover the block without a
//! gap up to its blank line. Left to others: what a field means (`address_list`, `trace`), how it is changed
//! (`header_edit`).
//!
//! Invariant: the block is taken as far as any reader could take it. Only a truly empty line ends it; a line without a
//! colon does not, for some readers skip such a line and go on. So nothing that a lenient reader would still take for
//! a header field escapes notice.

use std::ops::Range;

use memchr::memchr;

/// One logical line of the header block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    Field(Field<'a>),
    /// A line that is no field: no colon, a strange name, an mbox `From ` line, a continuation of nothing.
    Other(Other<'a>),
}

impl Line<'_> {
    pub fn span(&self) -> Range<usize> {
        match self {
            Self::Field(field) => field.span.clone(),
            Self::Other(other) => other.span.clone(),
        }
    }
}

/// A header field with its continuation lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// As spelled, without white space before the colon.
    pub name: &'a [u8],
    /// Everything after the colon, folds included, without the last line end.
    pub value: &'a [u8],
    /// The whole field in the header block, with its last line end.
    pub span: Range<usize>,
    /// Every reader agrees on this field: no white space before the colon, no bare CR (a line end for some readers), and
    /// no continuation line that is blank (the end of the header for some).
    pub is_regular: bool,
}

impl Field<'_> {
    /// Field names ignore case (RFC 5322 §1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// A reader for whom a bare CR ends a line would find the field `name` (lower case) inside this one.
    pub fn hides(&self, name: &str) -> bool {
        // The part behind the CR of a fold begins with LF: that is no new field for anybody.
        !self.is_regular
            && self
                .value
                .split(|byte| *byte == b'\r')
                .skip(1)
                .any(|part| !part.starts_with(b"\n") && reads_as(part, name))
    }

    /// The value as one line: folds undone, bytes that are not UTF-8 replaced, surrounding white space gone.
    pub fn unfolded(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        text.chars().filter(|c| *c != '\r' && *c != '\n').collect::<String>().trim().to_owned()
    }
}

/// See [`Line::Other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other<'a> {
    /// Without its line end.
    pub text: &'a [u8],
    pub span: Range<usize>,
}

impl Other<'_> {
    /// The line begins with white space: whatever stands before it takes it as its continuation.
    pub fn is_continuation(&self) -> bool {
        self.text.first().is_some_and(|byte| is_white(*byte))
    }

    /// A reader that ignores white space, control characters and stray colons, or for whom a bare CR ends a line, would
    /// find the field `name` (lower case) here.
    pub fn reads_as(&self, name: &str) -> bool {
        reads_as(self.text, name) || self.text.split(|byte| *byte == b'\r').any(|part| reads_as(part, name))
    }
}

fn reads_as(line: &[u8], name: &str) -> bool {
    let noise = |byte: &u8| byte.is_ascii_control() || byte.is_ascii_whitespace() || !byte.is_ascii();
    let start = line.iter().position(|byte| !noise(byte) && *byte != b':').unwrap_or(line.len());
    let Some(line) = line.get(start..) else { return false };
    let Some(colon) = memchr(b':', line) else { return false };
    let letters = line.iter().take(colon).filter(|byte| !noise(byte)).map(u8::to_ascii_lowercase);
    letters.eq(name.bytes())
}

/// The header block with the blank line that ends it, and the body. Joined they are the message.
///
/// ```
/// let (header, body) = mail::header::split(b"Subject: x\r\n\r\nbody");
/// assert_eq!((header, body), (&b"Subject: x\r\n\r\n"[..], &b"body"[..]));
/// ```
pub fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(line) = physical_line(raw, at) {
        at = line.end;
        if line.ends_header() {
            break;
        }
    }
    raw.split_at_checked(at).unwrap_or((raw, &[]))
}

/// The logical lines of a header block; ends at the blank line.
pub fn lines(header: &[u8]) -> Lines<'_> {
    Lines { header, at: 0 }
}

/// The fields of a header block, without what is no field.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    lines(header).filter_map(|line| match line {
        Line::Field(field) => Some(field),
        Line::Other(_) => None,
    })
}

/// See [`lines`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    header: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let first = physical_line(self.header, self.at)?;
        if first.ends_header() {
            return None;
        }
        let start = first.start;
        self.at = first.end;
        let text = self.header.get(start..first.text_end).unwrap_or_default();
        let Some((name, is_tight)) = field_name(text) else {
            return Some(Line::Other(Other { text, span: start..first.end }));
        };
        let mut is_regular = is_tight && memchr(b'\r', text).is_none();
        let mut text_end = first.text_end;
        while let Some(line) = self.continuation() {
            let text = self.header.get(line.start..line.text_end).unwrap_or_default();
            is_regular &= memchr(b'\r', text).is_none() && !text.iter().all(|byte| is_white(*byte));
            text_end = line.text_end;
            self.at = line.end;
        }
        let value_start = start + memchr(b':', text).map_or(text.len(), |colon| colon + 1);
        let value = self.header.get(value_start..text_end).unwrap_or_default();
        Some(Line::Field(Field { name, value, span: start..self.at, is_regular }))
    }
}

impl Lines<'_> {
    fn continuation(&self) -> Option<PhysicalLine> {
        let starts_white = self.header.get(self.at).is_some_and(|byte| is_white(*byte));
        if starts_white { physical_line(self.header, self.at) } else { None }
    }
}

/// The name before the colon, and whether the colon follows at once. Names are printable ASCII (RFC 5322 §2.2).
fn field_name(text: &[u8]) -> Option<(&[u8], bool)> {
    let before = text.get(..memchr(b':', text)?)?;
    let name = before.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name, name.len() == before.len()))
}

struct PhysicalLine {
    start: usize,
    text_end: usize,
    end: usize,
}

impl PhysicalLine {
    fn ends_header(&self) -> bool {
        self.start == self.text_end && self.end > self.text_end
    }
}

/// The line at `start`: ended by CRLF, LF or the end of the text. `None` at the end of the text.
fn physical_line(bytes: &[u8], start: usize) -> Option<PhysicalLine> {
    let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
    let Some(length) = memchr(b'\n', rest) else {
        return Some(PhysicalLine { start, text_end: bytes.len(), end: bytes.len() });
    };
    let text = rest.get(..length).unwrap_or_default();
    let text_length = text.strip_suffix(b"\r").unwrap_or(text).len();
    Some(PhysicalLine { start, text_end: start + text_length, end: start + length + 1 })
}

fn is_white(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn described(header: &[u8]) -> Vec<String> {
        lines(header)
            .map(|line| match line {
                Line::Field(field) => format!(
                    "{}{}={}",
                    String::from_utf8_lossy(field.name),
                    if field.is_regular { "" } else { "?" },
                    field.unfolded()
                ),
                Line::Other(other) => format!("!{}", String::from_utf8_lossy(other.text)),
            })
            .collect()
    }

    #[test]
    fn the_header_ends_at_an_empty_line_and_nowhere_else() {
        for (raw, header_length) in [
            (&b""[..], 0),                       // nothing at all
            (b"\r\nbody", 2),                    // no fields
            (b"\nbody", 1),                      // no fields, LF
            (b"A: 1\r\n\r\nbody", 8),            // the usual
            (b"A: 1\n\nbody", 6),                // LF
            (b"A: 1\r\nB: 2", 10),               // header only, last line unfinished
            (b"A: 1\r\n", 6),                    // header only
            (b"A: 1\r\n \r\nB: 2\r\n\r\nx", 17), // a blank continuation line is no empty line
            (b"no header\r\nat all\r\n", 19),    // text without an empty line: readers that skip lines read it all
            (b"A: 1\r\r\nTo: b\r\n\r\nx", 16),   // a bare CR does not make the line after it empty
        ] {
            assert_eq!(split(raw).0.len(), header_length, "{:?}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn fields_keep_their_folds_and_strange_lines_are_reported() {
        let header = b"From anna@x Mon Jan  1 00:00:00 2024\r\nSubject: a\r\n b\r\n\tc\r\nno colon here\r\n stray\r\n\
            To : x\r\nCc: y\r\n \r\nX-8: \xfc\r\n\xfc: y\r\nCR: 1\r\n 2\r3\r\nlast: 1";
        assert_eq!(
            described(header),
            [
                "!From anna@x Mon Jan  1 00:00:00 2024", // mbox
                "Subject=a b\tc",
                "!no colon here",
                "! stray", // continues nothing
                "To?=x",   // white space before the colon
                "Cc?=y",   // a blank continuation line
                "X-8=\u{fffd}",
                "!\u{fffd}: y", // a name that is not ASCII
                "CR?=1 23",     // a bare CR, on a continuation line
                "last=1",
            ]
        );
    }

    #[test]
    fn a_disguised_field_name_is_recognised() {
        for (text, reads_as_to) in [
            (&b" To: x"[..], true), // a reader that trims
            (b"\0To: x", true),     // a reader that drops NUL
            (b"T o: x", true),      // a reader that ignores white space in names
            (b": To: x", true),     // a reader that skips empty names
            (b"Too: x", false),
            (b"To x: y", false),
            (b"To", false),
        ] {
            let other = Other { text, span: 0..text.len() };
            assert_eq!(other.reads_as("to"), reads_as_to, "{:?}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn spans_cover_the_header_without_a_gap(raw in proptest::collection::vec(prop_oneof![
            Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()), Just(b" ".to_vec()), Just(b":".to_vec()),
            Just(b"To".to_vec()), Just(vec![0]), Just(vec![0xff]), Just(b"text".to_vec())], 0..40)) {
            let raw = raw.concat();
            let (header, body) = split(&raw);
            prop_assert_eq!([header, body].concat(), raw.clone());
            let mut at = 0;
            for line in lines(header) {
                prop_assert_eq!(line.span().start, at);
                at = line.span().end;
            }
            let blank = header.get(at..).unwrap();
            prop_assert!(matches!(blank, b"" | b"\n" | b"\r\n"), "{:?}", blank);
        }
    }
}
