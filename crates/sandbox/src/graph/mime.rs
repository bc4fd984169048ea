//! The MIME form of `sendMail`: base64 of a whole message, whose header fields are the only source of recipients.
//!
//! Promise: as strict as Graph about base64, as lenient as Exchange about MIME. Only content without any header field
//! is refused as such.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mail_parser::{Address, HeaderName, HeaderValue, Message, MessageParser};

use super::failure::Failure;
use super::submission::Submission;

/// Reads only what is looked at.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_address(HeaderName::Bcc)
        .header_text(HeaderName::Subject)
        .header_id(HeaderName::MessageId)
        .default_header_raw()
});

/// Reads the body of a request with `Content-Type: text/plain`.
pub(crate) fn read(body: &[u8]) -> Result<Submission, Failure> {
    read_raw(decode_base64(body)?.into())
}

/// Reads a message as it is.
pub(crate) fn read_raw(raw: Bytes) -> Result<Submission, Failure> {
    let message = PARSER.parse_headers(&raw).filter(|message| !message.headers().is_empty());
    let message = message.ok_or_else(|| Failure::known("ErrorMimeContentInvalid"))?;
    let mut submission = Submission {
        form: "mime",
        from: addresses(&message, &HeaderName::From)?,
        subject: message.subject().map(str::to_owned),
        internet_message_id: message.message_id().map(str::to_owned),
        to: addresses(&message, &HeaderName::To)?,
        cc: addresses(&message, &HeaderName::Cc)?,
        bcc: addresses(&message, &HeaderName::Bcc)?,
        // The MIME form has no say in it.
        save_to_sent_items: true,
        raw: Bytes::new(),
    };
    drop(message);
    submission.raw = raw;
    Ok(submission)
}

/// Canonical base64 with padding; line breaks may stand anywhere, nothing else may.
fn decode_base64(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let refused = |_| Failure::known("ErrorMimeContentInvalidBase64String");
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if body.iter().any(is_break) {
        let joined: Vec<u8> = body.iter().filter(|byte| !is_break(byte)).copied().collect();
        return STANDARD.decode(joined).map_err(refused);
    }
    STANDARD.decode(body).map_err(refused)
}

/// Every address of every field of this name, groups opened. A name without an address cannot be resolved.
fn addresses(message: &Message<'_>, name: &HeaderName<'_>) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for header in message.headers().iter().filter(|header| header.name == *name) {
        let HeaderValue::Address(list) = &header.value else { continue };
        let entries: Vec<_> = match list {
            Address::List(entries) => entries.iter().collect(),
            Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
        };
        for entry in entries {
            match (entry.address(), entry.name()) {
                (Some(address), _) => found.push(address.to_owned()),
                (None, Some(display)) if *name != HeaderName::From => {
                    return Err(Failure::unresolved_recipient(display));
                }
                (None, _) => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<Submission, Failure>) -> String {
        result.map_or_else(|failure| failure.code.into_owned(), |_| "taken".to_owned())
    }

    #[test]
    fn base64_is_strict_but_for_line_breaks() {
        let rows: [(&[u8], &str, &str); 9] = [
            (b"VG86IGFAYi50ZXN0DQoNCmhp", "taken", "the plain case"),
            (b"VG86IGFAYi50\r\nZXN0DQoNCmhp\r\n", "taken", "lines, as the samples wrap them"),
            (b"VG86IGFAYi50ZXN0DQoNCmg=", "taken", "padding"),
            (b"VG86IGFAYi50ZXN0DQoNCmg", "ErrorMimeContentInvalidBase64String", "padding left out"),
            (b"VG86IGFA Yi50ZXN0DQoNCmhp", "ErrorMimeContentInvalidBase64String", "a space"),
            (b"VG86IGFAYi50ZXN0DQoNCmh-", "ErrorMimeContentInvalidBase64String", "the alphabet of URLs"),
            (b"To: a@b.test\r\n\r\nhi", "ErrorMimeContentInvalidBase64String", "not encoded at all"),
            (b"", "ErrorMimeContentInvalid", "nothing"),
            (b"DQpib2R5", "ErrorMimeContentInvalid", "a body without header fields"),
        ];
        for (body, expected, reason) in rows {
            assert_eq!(code(read(body)), expected, "{reason}");
        }
    }

    #[test]
    fn recipients_come_from_every_field_of_the_three_names() {
        let mime = "TO: a@x.test, \"B, b\" <b@x.test>\r\nTo: c@x.test\r\ncc: team: d@x.test, e@x.test;\r\n\
             BCC:\r\n f@x.test\r\nSubject: =?utf-8?q?gr=C3=BCn?=\r\nX-To: g@x.test\r\n\r\nTo: h@x.test\r\n";
        let submission = read(STANDARD.encode(mime).as_bytes()).unwrap();
        assert_eq!(submission.to, ["a@x.test", "b@x.test", "c@x.test"]);
        assert_eq!(submission.cc, ["d@x.test", "e@x.test"], "groups are opened");
        assert_eq!(submission.bcc, ["f@x.test"], "folded and in capitals");
        assert_eq!(submission.subject.as_deref(), Some("grün"));
        assert!(submission.save_to_sent_items);
        assert_eq!(submission.raw, mime.as_bytes(), "kept byte for byte");
    }

    #[test]
    fn an_empty_group_names_nobody_and_a_bare_name_is_not_resolved() {
        let empty = STANDARD.encode("To: undisclosed-recipients:;\r\n\r\nhi");
        assert!(read(empty.as_bytes()).unwrap().recipients().is_empty());
        let bare = STANDARD.encode("To: Anna Example, b@x.test\r\n\r\nhi");
        assert_eq!(code(read(bare.as_bytes())), "ErrorInvalidRecipients");
    }

    proptest::proptest! {
        #[test]
        fn every_address_of_the_three_fields_is_mailed_once_and_the_bytes_are_kept(
            to in proptest::collection::vec("[a-z]{1,8}@[a-z]{1,8}\\.test", 1..6),
            bcc in proptest::collection::vec("[a-z]{1,8}@[a-z]{1,8}\\.test", 0..6),
            body in "[ -~\\r\\n]{0,200}",
            width in 1usize..100,
        ) {
            let mime = format!("To: {}\r\nBcc: {}\r\n\r\n{body}", to.join(",\r\n "), bcc.join(", "));
            let encoded = STANDARD.encode(&mime);
            let lines: Vec<&str> = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let submission = read(lines.join("\r\n").as_bytes()).unwrap();
            let expected: std::collections::BTreeSet<String> = to.into_iter().chain(bcc).collect();
            let mailed = submission.recipients();
            proptest::prop_assert_eq!(mailed.len(), expected.len());
            proptest::prop_assert_eq!(mailed.into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
            proptest::prop_assert_eq!(submission.raw.as_ref(), mime.as_bytes());
        }
    }
}
