use proptest::prelude::*;

use super::*;
use crate::DotStuffer;

#[derive(Debug, PartialEq, Eq)]
struct Read {
    content: Vec<u8>,
    end: Option<usize>,
    fault: Option<DataFault>,
}

fn read_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>, limit: usize, policy: LineEndings) -> Read {
    let mut reader = DataReader::new(limit, policy);
    let (mut content, mut before) = (Vec::new(), 0);
    for piece in pieces {
        if let Some(consumed) = reader.push(piece, &mut content) {
            return Read { content, end: Some(before + consumed), fault: reader.fault() };
        }
        before += piece.len();
    }
    Read { content, end: None, fault: reader.fault() }
}

fn read(input: &[u8], policy: LineEndings) -> Read {
    read_pieces(std::iter::once(input), usize::MAX, policy)
}

/// The end by definition: the first CRLF.CRLF, the CRLF of the DATA command included.
fn end_of(input: &[u8]) -> Option<usize> {
    let stream = [b"\r\n", input].concat();
    memchr::memmem::find(&stream, b"\r\n.\r\n").map(|at| at + 5 - 2)
}

/// The content by definition, line by line and slowly.
fn normalized(input: &[u8]) -> Vec<u8> {
    let mut input = &input[..end_of(input).map_or(input.len(), |end| end - 3)];
    let (mut content, mut after_crlf) = (Vec::new(), true);
    while !input.is_empty() {
        let length = input.iter().position(|octet| b"\r\n".contains(octet)).unwrap_or(input.len());
        let (line, rest) = input.split_at(length);
        let ended_by = if rest.starts_with(b"\r\n") { 2 } else { rest.len().min(1) };
        let stuffed = match line {
            b"." => false, // it would have been the end, were it written as the end is
            [b'.', b'.', ..] => true,
            [b'.', ..] => after_crlf,
            _ => false,
        };
        content.extend_from_slice(&line[usize::from(stuffed)..]);
        if ended_by > 0 {
            content.extend_from_slice(b"\r\n");
        }
        after_crlf = ended_by == 2;
        input = &rest[ended_by..];
    }
    content
}

fn is_canonical(content: &[u8]) -> bool {
    let without = String::from_utf8_lossy(content).replace("\r\n", "");
    !without.contains(['\r', '\n'])
}

#[test]
fn lines_dots_and_ends() {
    for (input, content, end) in [
        (&b".\r\n"[..], &b""[..], Some(3)), // an empty message
        (b"a\r\n.\r\n", b"a\r\n", Some(6)),
        (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", Some(6)), // pipelined commands stay
        (b"..\r\n.\r\n", b".\r\n", Some(7)),        // a stuffed lone dot
        (b".a\r\n...\r\n.\r\n", b"a\r\n..\r\n", Some(12)),
        (b"a.\r\n.\r\n", b"a.\r\n", Some(7)), // a dot elsewhere in a line
        (b"\r\n\r\n.\r\n", b"\r\n\r\n", Some(7)),
        (b"a\0\xff\r\n.\r\n", b"a\0\xff\r\n", Some(8)), // NUL and 8-bit are content
        (b"a\r\n", b"a\r\n", None),
        (b"a", b"a", None),
    ] {
        for policy in [LineEndings::Reject, LineEndings::Normalize] {
            let expected = Read { content: content.to_vec(), end, fault: None };
            assert_eq!(read(input, policy), expected, "{:?}", String::from_utf8_lossy(input));
        }
    }
}

#[test]
fn bare_line_ends_become_crlf_where_that_is_asked_for() {
    for (input, content) in [
        (&b"a\nb\r\n.\r\n"[..], &b"a\r\nb\r\n"[..]),
        (b"a\rb\r\n.\r\n", b"a\r\nb\r\n"),
        (b"a\n\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"), // a lone dot that must stay content
        (b"a\r.\rb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n..b\r\n.\r\n", b"a\r\n.b\r\n"), // stuffed by a client whose lines end in LF
        (b"a\n.b\r\n.\r\n", b"a\r\n.b\r\n"),  // not stuffed
    ] {
        let expected = Read { content: content.to_vec(), end: Some(input.len()), fault: None };
        assert_eq!(read(input, LineEndings::Normalize), expected, "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn bare_line_ends_are_reported_once_the_message_is_over() {
    for (input, fault) in [
        (&b"a\nb\r\n.\r\n"[..], DataFault::BareLf),
        (b"a\rb\r\n.\r\n", DataFault::BareCr),
        (b"a\n\r\n.\r\n", DataFault::BareLf),
        (b"a\r\n.\nb\r\n.\r\n", DataFault::BareLf),
        (b"a\r\n.\rb\r\n.\r\n", DataFault::BareCr),
        (b"a\r\r\n.\r\n", DataFault::BareCr),
    ] {
        let read = read(input, LineEndings::Reject);
        assert_eq!((read.end, read.fault), (Some(input.len()), Some(fault)), "{:?}", String::from_utf8_lossy(input));
    }
}

/// Every way to write the line ends around the dot. Only the real one may end the message, in both policies, in one
/// piece, cut anywhere, and octet by octet.
#[test]
fn no_sequence_around_the_dot_but_crlf_dot_crlf_ends_a_message() {
    let ends = [
        "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\n\n", "\r\r", "", "\0", "\r\0\n", "\0\r\n", " \r\n", "\u{b}", "\u{85}",
    ];
    let mut early = 0;
    for before in ends {
        for after in ends {
            let smuggled = "MAIL FROM:<a@evil.test>\r\nRCPT TO:<b@c.test>\r\nDATA\r\nfrom: ceo";
            let input = format!("line{before}.{after}{smuggled}\r\n.\r\nQUIT\r\n");
            let input = input.as_bytes();
            let end = end_of(input).unwrap();
            early += usize::from(end < input.len() - b"QUIT\r\n".len());
            for policy in [LineEndings::Reject, LineEndings::Normalize] {
                let whole = read(input, policy);
                assert_eq!(whole.end, Some(end), "{before:?}.{after:?}");
                assert!(is_canonical(&whole.content), "{before:?}.{after:?}");
                if whole.fault.is_none() {
                    assert_eq!(whole.content, normalized(input), "{before:?}.{after:?}");
                }
                assert_eq!(read_pieces(input.chunks(1), usize::MAX, policy), whole, "{before:?}.{after:?}");
                for at in 0..=input.len() {
                    let (first, second) = input.split_at(at);
                    let cut = read_pieces([first, second].into_iter(), usize::MAX, policy);
                    assert_eq!(cut, whole, "{before:?}.{after:?} cut at {at}");
                }
            }
        }
    }
    // CRLF, CR CRLF, NUL CRLF and blank CRLF before the dot, and CRLF behind it, hold the real end.
    assert_eq!(early, 4);
}

#[test]
fn past_the_limit_nothing_is_kept_and_the_end_is_still_found() {
    let input = b"12345\r\n6789\r\n..\r\n.\r\nQUIT\r\n";
    for limit in 0..16 {
        for size in [1, 2, 3, 100] {
            let read = read_pieces(input.chunks(size), limit, LineEndings::Reject);
            assert_eq!(read.end, Some(20));
            assert_eq!(read.content.len(), limit);
            assert_eq!(read.fault, Some(DataFault::TooLarge), "{limit} octets of 16");
        }
    }
    let exact = read_pieces(input.chunks(7), 16, LineEndings::Reject);
    assert_eq!((exact.content.len(), exact.fault), (16, None), "the limit itself is allowed");
}

#[test]
fn nothing_is_taken_behind_the_end() {
    let mut reader = DataReader::new(100, LineEndings::Reject);
    let mut content = Vec::new();
    assert_eq!(reader.push(b".\r\n", &mut content), Some(3));
    assert_eq!(reader.push(b"RSET\r\n", &mut content), Some(0));
    assert!(content.is_empty());
}

/// Octets that matter, far more often than chance would have them.
fn hostile_octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![4 => Just(b'\r'), 4 => Just(b'\n'), 4 => Just(b'.'), 2 => Just(b'x'), 1 => any::<u8>()],
        0..60,
    )
}

fn policy() -> impl Strategy<Value = LineEndings> {
    prop_oneof![Just(LineEndings::Reject), Just(LineEndings::Normalize)]
}

/// `input` cut at `cuts`.
fn pieces<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).chain([0, input.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect()
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_cuts(
        input in hostile_octets(), cuts in prop::collection::vec(any::<usize>(), 0..8), policy in policy(), limit in 0..80_usize,
    ) {
        let whole = read_pieces(std::iter::once(&input[..]), limit, policy);
        prop_assert_eq!(read_pieces(pieces(&input, &cuts).into_iter(), limit, policy), whole);
    }

    #[test]
    fn the_end_and_the_content_are_those_of_the_definition(input in hostile_octets()) {
        let stream = [&input[..], b"\r\n.\r\n"].concat();
        let read = read(&stream, LineEndings::Normalize);
        prop_assert_eq!(read.end, end_of(&stream));
        prop_assert!(is_canonical(&read.content));
        prop_assert_eq!(read.content, normalized(&stream));
        prop_assert_eq!(read.fault, None);
    }

    #[test]
    fn a_message_is_refused_exactly_when_normalizing_would_change_a_line_end(input in hostile_octets()) {
        let stream = [&input[..], b"\r\n.\r\n"].concat();
        let message = &stream[..end_of(&stream).unwrap()];
        let read = read(&stream, LineEndings::Reject);
        prop_assert_eq!(read.end, Some(message.len()));
        prop_assert!(is_canonical(&read.content));
        prop_assert_eq!(read.fault.is_none(), is_canonical(message));
    }

    #[test]
    fn what_the_dot_stuffer_wrote_is_read_back(
        lines in prop::collection::vec("[.x]{0,4}", 0..12), cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let message: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
        let (mut stuffer, mut wire) = (DotStuffer::default(), Vec::new());
        for piece in pieces(&message, &cuts) {
            stuffer.push(piece, &mut wire);
        }
        stuffer.finish(&mut wire);
        let expected = Read { content: message, end: Some(wire.len()), fault: None };
        prop_assert_eq!(read(&wire, LineEndings::Reject), expected);
    }
}
