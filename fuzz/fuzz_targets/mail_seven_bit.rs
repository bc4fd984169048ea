//! Whatever a message is, it is converted to ASCII with every part decoding to what it was, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::mime::{Decoder, Scanner, Structure};
use mail::seven_bit::Plan;

fuzz_target!(|message: &[u8]| {
    let Some(structure) = scan(message) else { return };
    let Ok(plan) = Plan::of(&structure) else { return };
    let mut converter = plan.converter();
    let mut converted = Vec::new();
    message.chunks(3).for_each(|piece| converter.push(piece, &mut converted));
    assert!(converted.is_ascii());
    let again = scan(&converted).expect("no more complex than before");
    assert_eq!(contents(&converted, &again), contents(message, &structure));
});

fn scan(message: &[u8]) -> Option<Structure> {
    let mut scanner = Scanner::opening_messages();
    scanner.push(message).ok()?;
    scanner.finish().ok()
}

fn contents(message: &[u8], structure: &Structure) -> Vec<Vec<u8>> {
    let parts = (0..).map_while(|position| structure.part(position));
    let leaves = parts.filter(|part| part.children.is_empty() && !part.content.is_multipart());
    leaves
        .map(|part| {
            let span = part.body.start as usize..part.body.end as usize;
            let Some(encoding) = part.content.encoding else { return message[span].to_vec() };
            let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
            decoder.decode(&message[span], &mut out);
            decoder.finish(&mut out);
            out
        })
        .collect()
}
