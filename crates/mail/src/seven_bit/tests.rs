use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;

use super::*;
use crate::mime::{Part, Scanner, Structure};

fn scan(message: &[u8]) -> Structure {
    let mut scanner = Scanner::opening_messages();
    scanner.push(message).unwrap();
    scanner.finish().unwrap()
}

fn convert_in(message: &[u8], piece: usize) -> Result<Vec<u8>, CannotConvert> {
    let mut converter = Plan::of(&scan(message))?.converter();
    let mut out = Vec::new();
    message.chunks(piece).for_each(|piece| converter.push(piece, &mut out));
    Ok(out)
}

fn convert(message: &str) -> String {
    String::from_utf8(convert_in(message.as_bytes(), 7).unwrap()).unwrap()
}

/// Media type and decoded content of every part that has a content.
fn contents(message: &[u8]) -> Vec<(String, Vec<u8>)> {
    let structure = scan(message);
    let leaves = structure.parts.iter().filter(|part| part.children.is_empty() && !part.content.is_multipart());
    leaves.map(|part| (part.content.media_type.clone(), decoded(message, part))).collect()
}

fn decoded(message: &[u8], part: &Part) -> Vec<u8> {
    let span = usize::try_from(part.body.start).unwrap()..usize::try_from(part.body.end).unwrap();
    let (mut decoder, mut out) = (Decoder::new(part.content.encoding.unwrap_or(Encoding::Identity)), Vec::new());
    decoder.decode(&message[span], &mut out);
    decoder.finish(&mut out);
    out
}

#[test]
fn a_text_leaves_in_quoted_printable_and_says_so() {
    assert_eq!(
        convert(
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\
             Subject: hi\r\n\r\nWir grüßen alle=Welt \r\n"
        ),
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
         Subject: hi\r\n\r\nWir gr=C3=BC=C3=9Fen alle=3DWelt=20\r\n"
    );
}

#[test]
fn a_text_that_says_nothing_of_itself_is_made_mime() {
    let table: [(&[u8], &str); 2] = [
        ("A: b\r\n\r\nhier und dort ist es grün\r\n".as_bytes(), "utf-8"),
        (b"A: b\r\n\r\nhier und dort ist es gr\xfcn\r\n", "unknown-8bit"),
    ];
    for (message, charset) in table {
        let out = String::from_utf8(convert_in(message, 3).unwrap()).unwrap();
        let header = format!(
            "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        );
        assert!(out.starts_with(&header), "{out}");
    }
}

#[test]
fn every_part_is_converted_as_it_needs_and_delimiters_stay() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: 8bit\r\n\
        \r\nVorwörter\r\n--out\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsome words, and one is grün\r\n--out  \r\n\
        Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\u{89}PNG\r\n--out\r\nContent-Type: text/plain\r\n\r\n\
        seven --out bits \r\n--out\r\nContent-Type: text/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        =C3=BC and ü, raw=\r\n\r\n--out\r\nContent-Type: text/y\r\nContent-Transfer-Encoding: base64\r\n\r\neHü h6\r\n--out--\r\n\
        Nachwörter\r\n";
    assert_eq!(
        convert(message),
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: 7bit\r\n\
         \r\nVorw??rter\r\n--out\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nsome words, and one is gr=C3=BCn\r\n--out  \r\n\
         Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nwolQTkc=\r\n--out\r\n\
         Content-Type: text/plain\r\n\r\nseven --out bits \r\n--out\r\nContent-Type: text/x\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC and =C3=BC, raw\r\n--out\r\nContent-Type: text/y\r\n\
         Content-Transfer-Encoding: base64\r\n\r\neH h6\r\n--out--\r\nNachw??rter\r\n"
    );
}

#[test]
fn a_message_inside_is_converted_where_it_lies() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: grün\r\n\r\n\
        innen ist es grün und nicht blau\r\n--d\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=e\r\n\r\n--e\r\n\r\nauch hier ist es grün\r\n--e--\r\n\r\n--d--\r\n";
    assert_eq!(
        convert(message),
        "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n\
         Subject: =?utf-8?q?gr=C3=BCn?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\ninnen ist es gr=C3=BCn und nicht blau\r\n--d\r\n\
         Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=e\r\n\r\n--e\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         auch hier ist es gr=C3=BCn\r\n--e--\r\n\r\n--d--\r\n"
    );
}

#[test]
fn what_cannot_be_converted_is_refused_and_what_is_signed_is_not_touched() {
    let part = |fields: &str, content: &str| {
        format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n{fields}\r\n{content}\r\n--s\r\n\
             Content-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n"
        )
    };
    let field = |field: &str| format!("{field}\r\n\r\nx\r\n");
    let other = |name: &str| CannotConvert::Field(name.to_owned());
    let table = [
        (part("", "grün"), CannotConvert::Signed),
        (part("Content-Type: multipart/mixed; boundary=t\r\n", "Vorwörter\r\n--t--"), CannotConvert::Signed),
        (part("Content-Description: grün\r\n", "x"), CannotConvert::Signed),
        (field("To: grün@x.test"), CannotConvert::International("To".into())),
        (field("Resent-To: Grün <a@grün.test>"), CannotConvert::International("Resent-To".into())),
        (field("To: Grün <a@x.test> oder so"), other("To")),
        (field("Message-ID: <grün@x.test>"), other("Message-ID")),
        (field("no field, but grün"), CannotConvert::NoField), // some take it for the beginning of the text
        (field("Content-Type: multipart/mixed; boundary=\"grün\""), other("Content-Type")),
        (field("Content-Type: grün; x=y"), other("Content-Type")),
        ("Content-Transfer-Encoding: x-uuencode\r\n\r\ngrün".to_owned(), CannotConvert::Encoding),
        (
            "Content-Type: message/partial; id=x\r\n\r\ngrün".to_owned(),
            CannotConvert::MediaType("message/partial".into()),
        ),
        // Its parts are not found, so that nothing says what they are.
        ("Content-Type: multipart/x\r\n\r\ngrün".to_owned(), CannotConvert::MediaType("multipart/x".into())),
        (
            "Content-Type: multipart/x; boundary=y\r\n\r\ngrün".to_owned(),
            CannotConvert::MediaType("multipart/x".into()),
        ),
    ];
    for (message, reason) in table {
        assert_eq!(convert_in(message.as_bytes(), 5), Err(reason), "{message}");
    }
    let signed = part("Content-Transfer-Encoding: 8bit\r\n", "x");
    assert_eq!(convert(&signed), signed);
    assert!(convert(&format!("Subject: grün\r\n{signed}")).ends_with(&signed), "what is around a signature may change");
}

#[test]
fn fields_beyond_ascii_say_the_same_in_ascii() {
    for (field, expected) in [
        ("Subject: Die grüne Wiese", "Subject: Die =?utf-8?q?gr=C3=BCne?= Wiese"),
        ("Subject:grün", "Subject:=?utf-8?q?gr=C3=BCn?="),
        ("Subject: für  Größe\r\n\tüber", "Subject: =?utf-8?q?f=C3=BCr__Gr=C3=B6=C3=9Fe=09=C3=BCber?="),
        // The blank between two encoded words is none.
        ("Subject: =?utf-8?q?a?= ü =?utf-8?q?b?=", "Subject: =?utf-8?q?a?= =?utf-8?q?_=C3=BC_?= =?utf-8?q?b?="),
        ("Subject: каждый охотник", "Subject: =?utf-8?b?0LrQsNC20LTRi9C5INC+0YXQvtGC0L3QuNC6?="),
        ("From: Jörg <j@x.test>", "From: =?utf-8?q?J=C3=B6rg?= <j@x.test>"),
        (
            "To: \"Grün, \\\"Jörg\\\"\" <j@x.test>,a@x.test",
            "To: =?utf-8?q?Gr=C3=BCn=2C_=22J=C3=B6rg=22?= <j@x.test>, a@x.test",
        ),
        (
            "Cc: Räte: Önder <a@x.test>, b@x.test;",
            "Cc: =?utf-8?q?R=C3=A4te?=: =?utf-8?q?=C3=96nder?= <a@x.test>, b@x.test;",
        ),
        (
            "Content-Disposition: attachment; filename=\"grün; \\\"1\\\".txt\"; size=7",
            "Content-Disposition: attachment;\r\n filename*=utf-8''gr%C3%BCn%3B%20%221%22.txt; size=7",
        ),
        ("Content-Type: image/png; name=grün.png", "Content-Type: image/png;\r\n name*=utf-8''gr%C3%BCn.png"),
    ] {
        assert_eq!(convert(&format!("{field}\r\n\r\nx")), format!("{expected}\r\n\r\nx"));
    }
    let latin = convert_in(b"Subject: gr\xfcn\r\n\r\n", 4).unwrap();
    assert_eq!(String::from_utf8(latin).unwrap(), "Subject: =?unknown-8bit?q?gr=FCn?=\r\n\r\n");
    let long = convert(&format!("Subject: {}\r\n\r\n", "Größenänderung ".repeat(40).trim()));
    assert!(long.lines().all(|line| line.len() <= 76), "{long}");
}

/// The other reader stumbles over a message whose only content is a message.
fn begins_with_message(part: &str) -> bool {
    part.starts_with("Content-Type: message/rfc822")
}

/// A part with what is in it: its text, and how it ends.
fn entity() -> impl Strategy<Value = String> {
    let content = || "[-a-z ü€\u{1f600}=.]{0,90}(\r\n[-aü ]{0,9}){0,3}";
    let fields = prop_oneof![
        Just(""),
        Just("Content-Transfer-Encoding: 8bit\r\n"),
        Just("Content-Type: text/plain; charset=utf-8\r\n"),
        Just("Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n"),
        Just("Content-Type: text/html; charset=utf-8; name=\"ü\"\r\nContent-Description: ü ü\r\n"),
    ];
    let leaf = (fields, content()).prop_map(|(fields, content)| format!("{fields}\r\n{content}"));
    leaf.prop_recursive(4, 20, 4, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (any::<bool>(), "[a-z]{12}", parts).prop_map(|(is_digest, name, parts)| {
                let (kind, message) = if is_digest { ("digest", "\r\nSubject: ü\r\n") } else { ("mixed", "") };
                let one = |part: &String| {
                    let message = if begins_with_message(part) { "" } else { message };
                    format!("\r\n--{name}\r\n{message}{part}")
                };
                let text = parts.iter().map(one).collect::<Vec<_>>().concat();
                format!("Content-Type: multipart/{kind}; boundary={name}\r\n\r\nüber{text}\r\n--{name}--")
            }),
            inner.prop_map(|part| match part {
                part if begins_with_message(&part) => part,
                part => format!("Content-Type: message/rfc822\r\n\r\nSubject: ü\r\n{part}"),
            }),
        ]
    })
}

/// Texts and files as another reader finds them, messages inside included.
fn read_by_another(message: &mail_parser::Message<'_>) -> Vec<(Vec<u8>, Option<String>)> {
    let mut found = Vec::new();
    for part in &message.parts {
        match part.message() {
            Some(inner) => found.extend(read_by_another(inner)),
            None if part.is_multipart() => {}
            None => found.push((part.contents().to_vec(), part.attachment_name().map(str::to_owned))),
        }
    }
    found
}

/// Pieces of messages in no order.
fn rubble() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"--b",
        b"--b--",
        b"--c",
        b"=",
        b"=C3",
        b";",
        b"\"",
        b"\\",
        b":",
        b"\xfc",
        "ü".as_bytes(),
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/digest; boundary=c\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/x; name=",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Subject: ",
        b"To: ",
        b"a@x.test",
        b"\r\n\r\n",
        b"text",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..60)
        .prop_map(|pieces| [&pieces.concat()[..], b"\r\n"].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn rubble_is_converted_without_loss_or_refused(message in rubble()) {
        if let Ok(converted) = convert_in(&message, 3) {
            prop_assert!(converted.is_ascii());
            let written = String::from_utf8_lossy(&message);
            prop_assert_eq!(contents(&converted), contents(&message), "{:?} to {}", written, String::from_utf8_lossy(&converted));
        }
    }
}

proptest! {
    #[test]
    fn every_part_decodes_to_what_it_was(part in entity(), piece in 1_usize..80) {
        let message = format!("MIME-Version: 1.0\r\nSubject: Über\r\n{part}\r\n");
        let converted = convert_in(message.as_bytes(), piece).unwrap();
        prop_assert!(converted.is_ascii());
        prop_assert_eq!(contents(&converted), contents(message.as_bytes()), "{}", String::from_utf8_lossy(&converted));
        prop_assert_eq!(&convert_in(&converted, piece).unwrap(), &converted, "converted twice is not converted once");
        let (before, after) = (MessageParser::new().parse(&message).unwrap(), MessageParser::new().parse(&converted).unwrap());
        prop_assert_eq!(after.subject(), Some("Über"));
        prop_assert_eq!(read_by_another(&after), read_by_another(&before));
    }

    #[test]
    fn a_field_says_to_another_reader_what_it_said(text in "[a-zü€ \u{1f600}=?_.]{0,200}") {
        let text = format!("x{text}x");
        let converted = convert(&format!("Subject: {text}\r\n\r\n"));
        let read = MessageParser::new().parse(converted.as_bytes()).unwrap();
        // The other reader takes several blanks for one.
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(words(read.subject().unwrap()), words(&text), "{}", converted);
    }
}
