//! A message of any octets, pushed through in pieces of any size, has one structure: its parts lie in it and in order, and
//! decode to the length that was said. What JSON is planned from it names each part once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::mime::{Decoder, Scanner, Structure, TooComplex};
use mail::{Address, graph_json};

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, raw) = input;
    let whole = scanned(raw, raw.len().max(1));
    assert_eq!(scanned(raw, usize::from(piece) + 1), whole, "the pieces decide what the message is");
    let Ok(structure) = whole else { return };
    let mut position = 0;
    while let Some(part) = structure.part(position) {
        let range = usize::try_from(part.body.start).unwrap()..usize::try_from(part.body.end).unwrap();
        let encoded = raw.get(range).expect("a part lies in the message");
        assert!(part.children.iter().all(|child| *child > position && structure.part(*child).is_some()));
        if let Some(encoding) = part.content.encoding.filter(|_| part.children.is_empty()) {
            let mut decoder = Decoder::new(encoding);
            let mut decoded = Vec::new();
            for piece in encoded.chunks(usize::from(piece) + 1) {
                decoder.decode(piece, &mut decoded);
            }
            decoder.finish(&mut decoded);
            assert_eq!(u64::try_from(decoded.len()).unwrap(), part.decoded_bytes, "part {position}");
        }
        position += 1;
    }
    let recipient: Address = "anna@x.test".parse().unwrap();
    let Ok(plan) = graph_json::plan(&structure, &[&recipient]) else { return };
    let parts: Vec<usize> = plan.files.iter().map(|file| file.part).collect();
    assert!(parts.is_sorted_by(|before, after| before < after), "{parts:?}");
    assert!(plan.body.is_none_or(|body| !parts.contains(&body.part)));
});

fn scanned(raw: &[u8], piece: usize) -> Result<Structure, TooComplex> {
    let mut scanner = Scanner::default();
    for piece in raw.chunks(piece) {
        scanner.push(piece)?;
    }
    scanner.finish()
}
