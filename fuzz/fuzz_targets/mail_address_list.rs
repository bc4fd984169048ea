//! An address list is understood or not; what was found in it can be written and is found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::address_list::{every_address, format_mailbox, parse_address_list, salvage_mailboxes};

fuzz_target!(|value: &[u8]| {
    for salvaged in salvage_mailboxes(value) {
        found_again(None, &salvaged.address);
    }
    let any = every_address(value);
    let Ok(list) = parse_address_list(value) else { return };
    for mailbox in list.mailboxes() {
        assert!(mailbox.span.end <= value.len());
        let name = mailbox.display_name.clone().and_then(|span| std::str::from_utf8(&value[span]).ok());
        found_again(name, &mailbox.address);
        assert!(!mailbox.is_plain || any.contains(&mailbox.address), "a check that must not miss an address missed one");
    }
});

fn found_again(name: Option<&str>, address: &mail::Address) {
    let written = format_mailbox(name, address);
    let list = parse_address_list(written.as_bytes()).expect("what was written is a list");
    let found: Vec<_> = list.mailboxes().map(|mailbox| &mailbox.address).collect();
    assert_eq!(found, [address], "written as {written:?}");
}
