//! What another server answers is understood or refused, and its text can be shown on one line of a log.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(Some((reply, consumed))) = wire::parse_reply(input) {
        assert!(consumed > 0 && consumed <= input.len());
        assert!(input[..consumed].ends_with(b"\n"));
        let _ = (reply.severity(), reply.text());
    }
});
