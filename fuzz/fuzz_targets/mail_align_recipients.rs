//! Whatever a header says, after alignment another parser finds the recipients in it, all of them and nobody else.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use mail::Address;
use mail::{header, recipients};

fuzz_target!(|input: (u8, &[u8])| {
    let (chosen, raw) = input;
    let (head, _) = header::split(raw);
    let names = ["anna@x.test", "ben@y.test", "\"c d\"@z.test", "grüße@w.test"];
    let wanted: Vec<Address> =
        names.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, name)| name.parse().unwrap()).collect();
    let wanted: Vec<&Address> = wanted.iter().collect();

    let aligned = recipients::align_recipients(head, &wanted);
    assert_eq!(recipients::align_recipients(&aligned, &wanted), aligned, "aligned twice is not aligned once");

    let found = read_by_another(&aligned);
    let expected: BTreeSet<String> = wanted.iter().map(|address| address.to_string().to_lowercase()).collect();
    assert_eq!(found, expected, "in {:?}", String::from_utf8_lossy(&aligned));
});

fn read_by_another(head: &[u8]) -> BTreeSet<String> {
    let Some(message) = mail_parser::MessageParser::new().parse(head) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for name in ["To", "Cc", "Bcc"] {
        for field in message.header_values(name) {
            let Some(list) = field.as_address() else { continue };
            found.extend(list.iter().filter_map(|one| one.address()).filter(|text| text.contains('@')).map(str::to_lowercase));
        }
    }
    found
}
