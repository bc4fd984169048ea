//! A header of any octets is cut into fields that lie in it, in order; From is found or not, and keeping it keeps the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::{from, header, line_endings};

fuzz_target!(|input: &[u8]| {
    let (head, body) = header::split(input);
    assert_eq!([head, body].concat(), input);
    let mut at = 0;
    for field in header::fields(head) {
        let span = &field.span;
        assert!(at <= span.start && span.start < span.end && span.end <= head.len());
        at = span.end;
        let _ = field.unfolded();
    }
    let _ = from::parse_from(head);
    let mailbox: mail::Address = "mailbox@contoso.test".parse().unwrap();
    let rewritten = from::rewrite_from(head, &mailbox);
    let (again, rest) = header::split(&rewritten);
    assert!(rest.is_empty() || body.is_empty() || head.is_empty(), "the header ended early");
    let _ = from::parse_from(again);

    let mut lines = line_endings::Canonicalizer::default();
    let mut canonical = lines.push(input).into_owned();
    canonical.extend_from_slice(lines.finish());
    assert!(line_endings::is_canonical(&canonical));
});
