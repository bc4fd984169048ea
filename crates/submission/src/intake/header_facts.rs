//! What intake must know of a header: gathered while the message streams by.

use mail::Address;
use mail::from::{HeaderFrom, parse_from};
use mail::header;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use memchr::memmem;

/// Longer subjects are cut for the record; the message keeps its own.
const MAX_SUBJECT_CHARS: usize = 998;
/// RFC 5322 §2.1.1 bounds a line; a longer Message-ID is not one that anybody looks for.
const MAX_MESSAGE_ID_BYTES: usize = 998;

/// Keeps the header block of a message that comes in pieces (in canonical form).
#[derive(Debug)]
pub(super) struct HeaderKeeper {
    kept: Vec<u8>,
    is_complete: bool,
    limit: usize,
}

/// The header is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderTooLarge;

impl HeaderKeeper {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), is_complete: false, limit }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), HeaderTooLarge> {
        if self.is_complete {
            return Ok(());
        }
        // The blank line may begin in the piece before.
        let from = self.kept.len().saturating_sub(3);
        let room = (self.limit + 1).saturating_sub(self.kept.len());
        self.kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
        let found = if self.kept.starts_with(b"\r\n") {
            Some(2)
        } else {
            memmem::find(self.kept.get(from..).unwrap_or_default(), b"\r\n\r\n").map(|at| from + at + 4)
        };
        if let Some(end) = found {
            self.kept.truncate(end);
            self.is_complete = true;
        }
        if self.kept.len() > self.limit { Err(HeaderTooLarge) } else { Ok(()) }
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.kept
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct HeaderFacts {
    pub(super) from: HeaderFrom,
    pub(super) received_fields: usize,
    pub(super) subject: Option<String>,
    /// With its angle brackets.
    pub(super) message_id: Option<String>,
}

impl HeaderFacts {
    pub(super) fn of(header: &[u8]) -> Self {
        let mut facts = Self { from: parse_from(header), received_fields: 0, subject: None, message_id: None };
        for field in header::fields(header) {
            if field.is("received") {
                facts.received_fields += 1;
            } else if field.is("subject") && facts.subject.is_none() {
                facts.subject = Some(decoded(&field));
            } else if field.is("message-id") && facts.message_id.is_none() {
                facts.message_id =
                    Some(field.unfolded()).filter(|id| !id.is_empty() && id.len() <= MAX_MESSAGE_ID_BYTES);
            }
        }
        facts
    }

    /// The address that routes the message: the first of a From that was understood.
    pub(super) fn sender(&self) -> Option<&Address> {
        self.from.addresses.first().filter(|_| self.from.is_understood)
    }
}

/// The subject as people read it: folds undone, encoded words (RFC 2047) decoded, no control characters.
fn decoded(field: &header::Field<'_>) -> String {
    let unfolded = field.unfolded();
    let text = if unfolded.contains("=?") { decode_words(&unfolded) } else { unfolded };
    text.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT_CHARS).collect()
}

fn decode_words(text: &str) -> String {
    // The parser wants the line end that a field has.
    let line = format!("{text}\n");
    match MessageStream::new(line.as_bytes()).parse_unstructured() {
        HeaderValue::Text(decoded) => decoded.into_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subjects_are_readable() {
        for (header, subject) in [
            ("Subject: plain\r\n", Some("plain")),
            ("SUBJECT: folded\r\n over lines\r\n", Some("folded over lines")),
            ("Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= =?utf-8?B?IPCfkYs=?=\r\n", Some("Grüße 👋")),
            ("Subject: =?utf-8?Q?a=0D=0ABcc=3A_x?=\r\n", Some("aBcc: x")), // no line break gets through
            ("Subject: one\r\nSubject: two\r\n", Some("one")),
            ("Subject:\r\n", Some("")),
            ("X: y\r\n", None),
        ] {
            assert_eq!(HeaderFacts::of(header.as_bytes()).subject.as_deref(), subject, "{header:?}");
        }
    }

    #[test]
    fn the_sender_is_the_first_of_a_from_that_was_understood() {
        for (header, sender) in [
            ("From: A <a@x.test>, b@x.test\r\n", Some("a@x.test")),
            ("From: a@x.test <b@x.test>\r\n", None), // routed by guesswork, it could go out as anybody
            ("Sender: a@x.test\r\n", None),
        ] {
            let facts = HeaderFacts::of(header.as_bytes());
            assert_eq!(facts.sender().map(Address::as_str), sender, "{header:?}");
        }
    }

    #[test]
    fn a_header_over_the_limit_is_noticed_without_being_kept() {
        let mut keeper = HeaderKeeper::new(100);
        assert_eq!(keeper.push(&[b'x'; 100]), Ok(()));
        assert_eq!(keeper.push(&[b'x'; 1000]), Err(HeaderTooLarge));
        assert!(keeper.header().len() <= 101);
        let mut keeper = HeaderKeeper::new(100);
        let message = [&b"A: 1\r\n\r\n"[..], &[b'x'; 1000]].concat();
        assert_eq!(keeper.push(&message), Ok(()), "the body does not count");
    }

    proptest! {
        #[test]
        fn no_subject_breaks_the_record(pieces in proptest::collection::vec(prop::sample::select(vec![
            &b"=?"[..], b"utf-8", b"iso-2022-jp", b"?Q?", b"?B?", b"?=", b"=", b"?", b"=C3", b"=0D=0A", b"4pi6", b"\xff", b" ", b"\r\n ",
            b"\t", b"gb18030", b"*en", b"utf-16", b"utf-7", b"+AGE-", b"a", b"\0"]), 0..16)) {
            let header = [&b"Subject:"[..], &pieces.concat(), b"\r\n"].concat();
            let subject = HeaderFacts::of(&header).subject.unwrap_or_default();
            prop_assert!(!subject.chars().any(char::is_control), "{subject:?}");
        }

        #[test]
        fn the_header_is_the_same_whatever_the_pieces(message in "(a|:|\r\n){0,20}", size in 1_usize..5) {
            let mut keeper = HeaderKeeper::new(1000);
            for piece in message.as_bytes().chunks(size) {
                keeper.push(piece).unwrap();
            }
            prop_assert_eq!(keeper.header(), header::split(message.as_bytes()).0);
        }
    }
}
