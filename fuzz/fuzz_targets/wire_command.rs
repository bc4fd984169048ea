//! A command line of any octets is understood or refused, and no reply carries a line end that the client put there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{LineEndings, LineReader, LineStep, parse_command};

fuzz_target!(|input: &[u8]| {
    for line_endings in [LineEndings::Reject, LineEndings::Normalize] {
        let mut reader = LineReader::new(512, line_endings);
        let mut rest = input;
        loop {
            let consumed = match reader.next(rest) {
                LineStep::NeedMore { consumed } => {
                    assert!(consumed <= rest.len());
                    break;
                }
                LineStep::Fault { consumed, .. } => consumed,
                LineStep::Line { line, consumed } => {
                    assert!(line.len() <= 512 && !line.contains(&b'\r') && !line.contains(&b'\n'));
                    check(line);
                    consumed
                }
            };
            assert!(consumed > 0, "a reader that does not move on never ends");
            rest = &rest[consumed..];
        }
    }
});

fn check(line: &[u8]) {
    let Err(error) = parse_command(line) else { return };
    let mut reply = Vec::new();
    error.reply().write_to(&mut reply);
    assert!(reply.ends_with(b"\r\n"));
    let lines = reply.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    for line in lines {
        assert!(line[..3].iter().all(u8::is_ascii_digit), "a line of the reply is not the server's own");
    }
}
