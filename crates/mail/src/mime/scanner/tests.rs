use proptest::prelude::*;

use super::*;

fn scan(message: &[u8], piece: usize) -> Structure {
    let mut scanner = Scanner::default();
    message.chunks(piece).for_each(|piece| scanner.push(piece).unwrap());
    scanner.finish().unwrap()
}

/// Types and encoded contents, in order.
fn contents(message: &[u8], piece: usize) -> Vec<(String, String)> {
    let structure = scan(message, piece);
    let text = |part: &Part| {
        let range = usize::try_from(part.body.start).unwrap()..usize::try_from(part.body.end).unwrap();
        String::from_utf8_lossy(&message[range]).into_owned()
    };
    structure.parts.iter().map(|part| (part.content.media_type.clone(), text(part))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect()
}

const NESTED: &[u8] = b"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n--out\r\n\
    Content-Type: multipart/alternative; boundary=\"in\"\r\n\r\n--in\r\n\r\nplain\r\n\r\n--in\r\nContent-Type: text/html\r\n\r\n\
    <p>\r\n--in--\r\nepilogue\r\n--out  \r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=deep\r\n\
    \r\n--deep\r\n\r\nx\r\n--deep--\r\n\r\n--out--\r\nmore\r\n--out\r\n\r\nno part\r\n";

#[test]
fn parts_are_found_where_they_lie_and_inner_messages_stay_closed() {
    let expected = pairs(&[
        ("multipart/mixed", ""),
        ("multipart/alternative", ""),
        ("text/plain", "plain\r\n"),
        ("text/html", "<p>"),
        ("message/rfc822", "Content-Type: multipart/mixed; boundary=deep\r\n\r\n--deep\r\n\r\nx\r\n--deep--\r\n"),
    ]);
    for piece in [1, 2, 3, 7, 1000] {
        assert_eq!(contents(NESTED, piece), expected, "in pieces of {piece}");
    }
    let structure = scan(NESTED, 1000);
    assert_eq!(
        (structure.parts[0].children.as_slice(), structure.parts[1].children.as_slice()),
        (&[1, 4][..], &[2, 3][..])
    );
}

/// A message, its parts, and why it is here.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn odd_messages_are_read_as_everybody_reads_them() {
    let table: [Case; 6] = [
        ("Subject: x\r\n\r\nhello\r\n", &[("text/plain", "hello\r\n")], "no MIME at all"),
        ("Subject: x\r\n", &[("text/plain", "")], "nothing but a header"),
        ("\r\n--a\r\n", &[("text/plain", "--a\r\n")], "a delimiter of nothing is text"),
        (
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\none\r\n",
            &[("multipart/mixed", ""), ("text/plain", "one\r\n")],
            "the last delimiter is missing",
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n--ab\r\n\r\n--ab\r\n--a--",
            &[("multipart/mixed", ""), ("text/html", "--ab")],
            "a boundary that begins like another",
        ),
        (
            "Content-Type: multipart/mixed\r\n\r\n--a\r\n",
            &[("multipart/mixed", "--a\r\n")],
            "no boundary: nothing to divide by",
        ),
    ];
    for (message, expected, why) in table {
        assert_eq!(contents(message.as_bytes(), 5), pairs(expected), "{why}");
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    let mut scanner = Scanner::default();
    scanner.push(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n").unwrap();
    for _ in 0..1000 {
        scanner.push(&[b'x'; 1000]).unwrap();
        assert!(scanner.line.capacity() < 8192);
    }
    scanner.push(b"\r").unwrap();
    scanner.push(b"\n--a--").unwrap();
    assert_eq!(scanner.finish().unwrap().parts[1].decoded_bytes, 1_000_000);
}

#[test]
fn more_structure_than_anybody_sends_is_refused() {
    let parts = format!("Content-Type: multipart/mixed; boundary=a\r\n\r\n{}", "--a\r\n\r\n".repeat(300));
    assert_eq!(Scanner::default().push(parts.as_bytes()), Err(TooComplex::Parts));
    let level = |n: u32| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let deep = (0..40).map(level).collect::<Vec<_>>().concat();
    assert_eq!(Scanner::default().push(deep.as_bytes()), Err(TooComplex::Depth));
    let long = vec![b'x'; MAX_HEADER_BYTES + 1];
    assert_eq!(Scanner::default().push(&long), Err(TooComplex::Headers));
}

proptest! {
    #[test]
    fn every_part_is_found_with_its_bytes_in_any_pieces(
        texts in proptest::collection::vec("[a\r\n -]{0,300}", 1..5), piece in 1_usize..400,
    ) {
        let parts: Vec<String> =
            texts.iter().map(|text| format!("--=_b\r\nContent-Type: x/y\r\n\r\n{text}\r\n")).collect();
        let parts = parts.concat();
        let message = format!("Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n{parts}--=_b--\r\n");
        let found: Vec<String> = contents(message.as_bytes(), piece).into_iter().skip(1).map(|(_, text)| text).collect();
        prop_assert_eq!(&found, &texts);
        let structure = scan(message.as_bytes(), piece);
        for (part, text) in structure.parts.iter().skip(1).zip(&texts) {
            prop_assert_eq!(part.decoded_bytes, u64::try_from(text.len()).unwrap());
        }
    }
}
