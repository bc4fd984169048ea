//! Fields of a report: one line of ASCII in, one folded field out.

use std::fmt::Write as _;

use crate::Address;

/// Where a line is broken if it can be (RFC 5322 §2.1.1).
const LINE_CHARS: usize = 76;
/// What came from elsewhere is not shown longer than that.
const MAX_TEXT_CHARS: usize = 800;

/// The text on one line, printable ASCII: everything else becomes a blank or a question mark.
pub(super) fn ascii_text(text: &str) -> String {
    let shown = text.chars().take(MAX_TEXT_CHARS).map(|c| match c {
        ' '..='~' => c,
        c if c.is_whitespace() || c.is_control() => ' ',
        _ => '?',
    });
    let line: String = shown.collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `type; address` of an address of ours (RFC 3464 §2.3.2, RFC 6533 §3).
pub(super) fn address_field(address: &Address) -> String {
    let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
    format!("{kind}; {}", extended(address.as_str()))
}

/// An address in ASCII: other characters as `\x{HEX}` (`utf-8-addr-xtext` of RFC 6533 §3).
pub(super) fn extended(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for c in address.chars().take(MAX_TEXT_CHARS).filter(|c| !c.is_control()) {
        if c.is_ascii() {
            out.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
        }
    }
    out
}

/// The field with its line end, folded at blanks; a word longer than a line stays whole.
pub(super) fn folded(name: &str, value: &str) -> String {
    let mut out = format!("{name}:");
    let mut length = out.len();
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        if length + 1 + word.len() > LINE_CHARS && length > name.len() + 1 {
            out.push_str("\r\n");
            length = 0;
        }
        out.push(' ');
        out.push_str(word);
        length += 1 + word.len();
    }
    out.push_str("\r\n");
    out
}
