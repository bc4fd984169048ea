//! What can be got out of a list that does not follow the grammar.

use memchr::memchr_iter;

use super::{bare, format_mailbox, parse_address_list};
use crate::Address;

/// A mailbox found in a list that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    pub address: Address,
    /// How to write it so that every reader finds this address and no other: its own bytes where they were fine.
    pub written: Vec<u8>,
}

/// The mailboxes somebody most likely meant: one for each piece between commas or semicolons (outside quotes) that has
/// an address. `anna@x.test <anna@x.test>`, `Smith, Anna <anna@x.test>` and `a@x.test; b@x.test` come out as meant.
pub fn salvage_mailboxes(value: &[u8]) -> Vec<Salvaged> {
    let mut found = Vec::new();
    for piece in pieces(value) {
        match parse_address_list(piece) {
            Ok(list) => found.extend(list.mailboxes().map(|mailbox| Salvaged {
                written: if mailbox.is_plain {
                    mailbox.bytes_in(piece).to_vec()
                } else {
                    bare(&mailbox.address).into_bytes()
                },
                address: mailbox.address.clone(),
            })),
            Err(_) => found.extend(salvage_piece(piece)),
        }
    }
    found
}

fn salvage_piece(piece: &[u8]) -> Option<Salvaged> {
    let text = String::from_utf8_lossy(piece);
    let angle = text.rsplit_once('<').and_then(|(name, rest)| {
        let address = rest.split_once('>')?.0.trim().parse::<Address>().ok()?;
        Some(Salvaged { written: format_mailbox(Some(name), &address).into_bytes(), address })
    });
    angle.or_else(|| {
        let address = every_address(piece).into_iter().next()?;
        Some(Salvaged { written: bare(&address).into_bytes(), address })
    })
}

/// Every address that any reader could find in `value`, also in display names and comments: for checks that must not
/// miss one.
pub fn every_address(value: &[u8]) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for at in memchr_iter(b'@', value) {
        let (before, after) = (value.get(..at).unwrap_or_default(), value.get(at + 1..).unwrap_or_default());
        let local = if before.ends_with(b"\"") { quoted_tail(before) } else { tail(before) };
        let text = [local, b"@", head(after)].concat();
        let address = std::str::from_utf8(&text).ok().and_then(|text| text.trim_end_matches('.').parse().ok());
        if let Some(address) = address.filter(|address| !found.contains(address)) {
            found.push(address);
        }
    }
    found
}

/// The value cut at commas and semicolons that stand outside quotes. Quotes that do not close are ordinary characters.
fn pieces(value: &[u8]) -> Vec<&[u8]> {
    let quotes_close = memchr_iter(b'"', value).count().is_multiple_of(2);
    let mut in_quotes = false;
    value
        .split(|byte| {
            in_quotes ^= *byte == b'"' && quotes_close;
            !in_quotes && matches!(byte, b',' | b';')
        })
        .collect()
}

fn tail(before: &[u8]) -> &[u8] {
    let start = before.iter().rposition(|byte| !is_address_byte(*byte)).map_or(0, |at| at + 1);
    before.get(start..).unwrap_or_default()
}

fn quoted_tail(before: &[u8]) -> &[u8] {
    let inside = before.get(..before.len().saturating_sub(1)).unwrap_or_default();
    let start = inside.iter().rposition(|byte| *byte == b'"').unwrap_or(inside.len());
    before.get(start..).unwrap_or_default()
}

fn head(after: &[u8]) -> &[u8] {
    let is_literal = after.first() == Some(&b'[');
    let end = if is_literal {
        after.iter().position(|byte| *byte == b']').map_or(after.len(), |at| at + 1)
    } else {
        after.iter().position(|byte| !is_address_byte(*byte)).unwrap_or(after.len())
    };
    after.get(..end).unwrap_or_default()
}

fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) || !byte.is_ascii()
}
