//! Address lists of header fields (RFC 5322 §3.4 with the obsolete syntax of §4.4, UTF-8 of RFC 6532), with the bytes each
//! mailbox stands in.
//!
//! Promise: [`parse_address_list`] either understands the whole list or says where it stopped. A mailbox that it
//! understood but that another reader may read differently is marked, see [`Mailbox::is_plain`].
//! [`salvage_mailboxes`] and [`every_address`] serve lists that were not understood: the one finds what somebody
//! most likely meant, the other everything anybody could find.
//!
//! Left to others: encoded words (RFC 2047) stay as they are; they cannot hold an address.

mod parser;
mod salvage;

use std::ops::Range;

use crate::Address;

pub use parser::parse_address_list;
pub use salvage::{Salvaged, every_address, salvage_mailboxes};

/// What a list says, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressList {
    pub entries: Vec<Entry>,
    /// Nothing outside the mailboxes (a comment between two commas) could be read as an address.
    pub is_plain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Mailbox(Mailbox),
    /// `Friends: anna@x.test, bob@x.test;`
    Group {
        /// Where the name stands, without the colon.
        name: Range<usize>,
        members: Vec<Mailbox>,
    },
}

/// One mailbox: `anna@x.test`, `Anna <anna@x.test>`, `anna@x.test (Anna)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    pub address: Address,
    /// The whole mailbox, display name and comments included, without surrounding white space.
    pub span: Range<usize>,
    /// The phrase before the angle bracket, without surrounding white space.
    pub display_name: Option<Range<usize>>,
    /// Every reader finds exactly this address here. False for source routes, white space or comments inside the
    /// address, comments that hold an `@`, a quoted local part without angle brackets, and `=?` in the address.
    pub is_plain: bool,
}

/// The list does not follow the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address list: stopped at octet {offset}")]
pub struct NotUnderstood {
    pub offset: usize,
}

impl AddressList {
    /// All mailboxes, those in groups too, in order.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.entries.iter().flat_map(|entry| match entry {
            Entry::Mailbox(mailbox) => std::slice::from_ref(mailbox),
            Entry::Group { members, .. } => members.as_slice(),
        })
    }
}

impl Mailbox {
    /// The bytes of this mailbox in the value it was parsed from.
    pub fn bytes_in<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        value.get(self.span.clone()).unwrap_or_default()
    }
}

/// `"Name" <address>`, or the address alone; safe in any header field. A name that cannot be written safely is left out.
pub fn format_mailbox(display_name: Option<&str>, address: &Address) -> String {
    let name = display_name.map(clean_name).unwrap_or_default();
    if name.is_empty() {
        return bare(address);
    }
    let is_phrase = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c) || !c.is_ascii();
    if name.chars().all(is_phrase) {
        return format!("{name} <{address}>");
    }
    if name.contains("=?") {
        // Quotes would switch its decoding off, and without quotes it would break the list.
        return bare(address);
    }
    format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The address as it can stand in a list: in angle brackets unless no reader could stumble over it.
fn bare(address: &Address) -> String {
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    if address.as_str().chars().all(is_simple) { address.to_string() } else { format!("<{address}>") }
}

/// One line, single blanks, no control characters, no surrounding quotes.
fn clean_name(name: &str) -> String {
    let words: Vec<String> = name
        .split_whitespace()
        .map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").trim_matches('"').trim().to_owned()
}

#[cfg(test)]
mod tests;
