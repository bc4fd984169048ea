//! Canonical line ends: every line of a stored message ends in CRLF, and CR and LF stand nowhere else.
//!
//! Promise: [`Canonicalizer`] turns any mixture of LF, CRLF and bare CR into CRLF, in pieces of any size, and gives
//! pieces that are canonical already back without a copy. Left to others: refusing such input (SMTP's `wire`).

use std::borrow::Cow;

use memchr::memchr2;

/// Turns line ends into CRLF while a message streams by.
///
/// ```
/// let mut lines = mail::line_endings::Canonicalizer::default();
/// let mut out = lines.push(b"one\ntwo\r").into_owned();
/// out.extend_from_slice(&lines.push(b"\nthree\r"));
/// out.extend_from_slice(lines.finish());
/// assert_eq!(out, b"one\r\ntwo\r\nthree\r\n");
/// ```
#[derive(Debug, Default, Clone)]
pub struct Canonicalizer {
    /// The last piece ended in CR, which has been passed on: an LF must follow.
    after_cr: bool,
}

impl Canonicalizer {
    /// The next piece, in canonical form as far as it is known: a CR at the end is passed on at once.
    pub fn push<'c>(&mut self, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        let Some(last) = chunk.last() else { return Cow::Borrowed(chunk) };
        let start_state = self.after_cr;
        self.after_cr = *last == b'\r';
        match first_flaw(chunk, start_state) {
            None => Cow::Borrowed(chunk),
            Some(sound) => Cow::Owned(mended(chunk, sound, start_state)),
        }
    }

    /// What is missing at the end: the LF of a last CR.
    pub fn finish(&mut self) -> &'static [u8] {
        if std::mem::take(&mut self.after_cr) { b"\n" } else { b"" }
    }
}

/// Every CR is followed by LF and every LF follows a CR.
pub fn is_canonical(message: &[u8]) -> bool {
    first_flaw(message, false).is_none() && message.last() != Some(&b'\r')
}

/// Where the first byte stands that needs something inserted before it. A CR at the very end is not yet a flaw.
fn first_flaw(chunk: &[u8], after_cr: bool) -> Option<usize> {
    let mut at = 0;
    if after_cr {
        if chunk.first() != Some(&b'\n') {
            return Some(0);
        }
        at = 1;
    }
    loop {
        let rest = chunk.get(at..)?;
        let found = at + memchr2(b'\r', b'\n', rest)?;
        if chunk.get(found) == Some(&b'\n') {
            return Some(found);
        }
        match chunk.get(found + 1) {
            Some(b'\n') => at = found + 2,
            Some(_) => return Some(found + 1),
            None => return None,
        }
    }
}

/// The chunk in canonical form; its first `sound` bytes are so already.
fn mended(chunk: &[u8], sound: usize, after_cr: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 32 + 2);
    let (head, rest) = chunk.split_at_checked(sound).unwrap_or((chunk, &[]));
    out.extend_from_slice(head);
    let mut after_cr = if sound == 0 { after_cr } else { head.last() == Some(&b'\r') };
    for byte in rest {
        match (after_cr, *byte) {
            (true, b'\n') | (false, b'\r') => out.push(*byte),
            (false, b'\n') => out.extend_from_slice(b"\r\n"),
            (true, _) => out.extend_from_slice(&[b'\n', *byte]),
            (false, _) => out.push(*byte),
        }
        after_cr = *byte == b'\r';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(chunks: &[&[u8]]) -> Vec<u8> {
        let mut lines = Canonicalizer::default();
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&lines.push(chunk));
        }
        out.extend_from_slice(lines.finish());
        out
    }

    #[test]
    fn every_line_end_becomes_crlf() {
        for (input, expected) in [
            (&b""[..], &b""[..]),
            (b"a\r\nb\r\n", b"a\r\nb\r\n"), // canonical already
            (b"a\nb\n", b"a\r\nb\r\n"),     // Unix
            (b"a\rb\r", b"a\r\nb\r\n"),     // old Mac, and a CR at the very end
            (b"a\r\r\nb", b"a\r\n\r\nb"),   // a bare CR before a CRLF
            (b"a\r", b"a\r\n"),
            (b"a\n\rb", b"a\r\n\r\nb"), // the wrong way round
            (b"a\n\n.\n", b"a\r\n\r\n.\r\n"),
            (b"no end", b"no end"),
        ] {
            assert_eq!(canonical(&[input]), expected, "{input:?}");
            assert_eq!(is_canonical(input), input == expected, "{input:?}");
        }
    }

    #[test]
    fn a_canonical_piece_is_not_copied() {
        let mut lines = Canonicalizer::default();
        assert!(matches!(lines.push(b"a\r\nb\r"), Cow::Borrowed(_)));
        assert!(matches!(lines.push(b"\nc"), Cow::Borrowed(_)));
        assert!(matches!(lines.push(b"d\ne"), Cow::Owned(_)));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(input in "[ab\r\n]{0,40}", cuts in proptest::collection::vec(0_usize..41, 0..6)) {
            let input = input.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let whole = canonical(&[input]);
            prop_assert_eq!(canonical(&chunks), whole.clone());
            prop_assert!(is_canonical(&whole));
            prop_assert_eq!(canonical(&[&whole]), whole);
        }
    }
}
