//! A message is read the same however it is cut into pieces, ends at CRLF.CRLF only, and has no bare CR or LF afterwards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{DataReader, LineEndings};

fuzz_target!(|input: (u8, u16, Vec<u8>)| {
    let (piece, limit, octets) = input;
    let piece = usize::from(piece).max(1);
    for line_endings in [LineEndings::Reject, LineEndings::Normalize] {
        let whole = read(&octets, octets.len().max(1), limit, line_endings);
        let pieces = read(&octets, piece, limit, line_endings);
        assert_eq!(whole, pieces);
        let (content, end, fault) = whole;
        if let Some(end) = end {
            assert!(octets[..end].ends_with(b"\r\n.\r\n") || octets[..end] == *b".\r\n");
        }
        if fault.is_none() {
            assert!(content.len() <= usize::from(limit));
            assert!(is_canonical_but_for_the_end(&content));
        }
    }
});

type Outcome = (Vec<u8>, Option<usize>, Option<wire::DataFault>);

fn read(octets: &[u8], piece: usize, limit: u16, line_endings: LineEndings) -> Outcome {
    let mut reader = DataReader::new(usize::from(limit), line_endings);
    let (mut content, mut read) = (Vec::new(), 0);
    for chunk in octets.chunks(piece) {
        if let Some(consumed) = reader.push(chunk, &mut content) {
            let end = read + consumed;
            return (if reader.fault().is_some() { Vec::new() } else { content }, Some(end), reader.fault());
        }
        read += chunk.len();
    }
    // Without an end, what has been handed on so far may lag behind by what is undecided.
    (if reader.fault().is_some() { Vec::new() } else { content }, None, reader.fault())
}

fn is_canonical_but_for_the_end(content: &[u8]) -> bool {
    let mut previous = 0;
    for &octet in content {
        if (octet == b'\n') != (previous == b'\r') {
            return false;
        }
        previous = octet;
    }
    previous != b'\r'
}
