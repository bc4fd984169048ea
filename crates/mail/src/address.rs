//! Mail addresses as RFC 5321 §4.1.2 writes them, with the UTF-8 of RFC 6531.
//!
//! Invariant: an [`Address`] holds one non-empty local part and one non-empty domain, no control character, and fits
//! the size limits of RFC 5321 §4.5.3.1. Nothing downstream checks again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// RFC 5321 §4.5.3.1.1.
const MAX_LOCAL_PART_OCTETS: usize = 64;
/// RFC 5321 §4.5.3.1.2.
const MAX_DOMAIN_OCTETS: usize = 255;
/// RFC 5321 §4.5.3.1.3: a path is at most 256 octets with its angle brackets.
const MAX_ADDRESS_OCTETS: usize = 254;

/// A mailbox such as `anna@contoso.test`.
///
/// Equality and hashing ignore letter case in both parts: Exchange Online does, and a recipient that differs only in
/// case must be one recipient. The spelling given is kept and shown.
///
/// ```
/// let address: mail::Address = "Anna@Contoso.test".parse().unwrap();
/// assert_eq!(address.local_part(), "Anna");
/// assert_eq!(address, "anna@contoso.test".parse().unwrap());
/// assert!("a\r\n@b.test".parse::<mail::Address>().is_err());
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    at: usize,
}

/// Why a text is not an [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address needs a local part, '@' and a domain, as in user@example.org")]
    Incomplete,
    #[error("an address cannot hold control characters or line breaks")]
    ControlCharacter,
    #[error("the local part (before '@') is longer than {MAX_LOCAL_PART_OCTETS} octets")]
    LocalPartTooLong,
    #[error("the address is longer than {MAX_ADDRESS_OCTETS} octets")]
    TooLong,
    #[error("the local part (before '@') holds a character that is not allowed there")]
    LocalPart,
    #[error("the domain (after '@') is not a domain name or an address literal")]
    Domain,
}

impl Address {
    /// The part before the last `@`, with its quotes if it had any.
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The part after the last `@`: a domain name or an address literal in brackets.
    pub fn domain(&self) -> &str {
        self.text.get(self.at + 1..).unwrap_or_default()
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when the address needs no SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    fn folded(&self) -> impl Iterator<Item = char> + '_ {
        self.text.chars().flat_map(char::to_lowercase)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Incomplete)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Incomplete);
        }
        if local.len() > MAX_LOCAL_PART_OCTETS {
            return Err(AddressError::LocalPartTooLong);
        }
        if text.len() > MAX_ADDRESS_OCTETS || domain.len() > MAX_DOMAIN_OCTETS {
            return Err(AddressError::TooLong);
        }
        if !is_local_part(local) {
            return Err(AddressError::LocalPart);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        Ok(Self { text: text.to_owned(), at: local.len() })
    }
}

/// Dot-string or quoted string. Leading, trailing and doubled dots pass: real directories hold such mailboxes
/// (`a.@docomo`), and the upstream that knows the mailbox is the one to refuse it.
fn is_local_part(local: &str) -> bool {
    if let Some(inside) = local.strip_prefix('"') {
        return inside.strip_suffix('"').is_some_and(is_quoted_content);
    }
    local.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c))
}

fn is_quoted_content(inside: &str) -> bool {
    let mut escaped = false;
    for c in inside.chars() {
        match (escaped, c) {
            (false, '"') => return false,
            (false, '\\') => escaped = true,
            _ => escaped = false,
        }
    }
    !escaped
}

fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(is_address_literal);
    }
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-' || c == '_')
    })
}

fn is_address_literal(literal: &str) -> bool {
    match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => {
            literal.get(5..).is_some_and(|rest| rest.parse::<std::net::Ipv6Addr>().is_ok())
        }
        _ => literal.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.folded().eq(other.folded())
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|c| c.hash(state));
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

/// Who is told when a message cannot be delivered (RFC 5321 §3.3): nobody, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Option<Address>", into = "Option<Address>")]
pub enum ReversePath {
    /// `MAIL FROM:<>`: a report that must never cause another report.
    #[default]
    Null,
    Address(Address),
}

impl ReversePath {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl From<Option<Address>> for ReversePath {
    fn from(address: Option<Address>) -> Self {
        address.map_or(Self::Null, Self::Address)
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<ReversePath> for Option<Address> {
    fn from(path: ReversePath) -> Self {
        match path {
            ReversePath::Null => None,
            ReversePath::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_addresses_are_accepted() {
        for text in [
            "a@b",                             // a host on the local network
            "first.last+tag@sub.contoso.test", // sub-addressing
            "\"a b@c\"@contoso.test",          // a quoted local part with blank and '@'
            "a.@docomo.test",                  // in use although the grammar forbids it
            "üser@exämple.test",               // SMTPUTF8
            "x@[192.0.2.1]",                   // address literals
            "x@[IPv6:2001:db8::1]",
            "under_score@my_host.test", // underscores exist in internal zones
            "a/b=c{d}@x.test",
        ] {
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }

    #[test]
    fn hostile_and_broken_addresses_are_refused() {
        for (text, error) in [
            ("", AddressError::Incomplete),
            ("user", AddressError::Incomplete),
            ("@b", AddressError::Incomplete),
            ("a@", AddressError::Incomplete),
            ("a\r\nRCPT TO:<x@y>@b", AddressError::ControlCharacter), // command injection
            ("a\0@b", AddressError::ControlCharacter),
            ("a b@c", AddressError::LocalPart),
            ("a<b@c", AddressError::LocalPart),
            ("\"a\"b\"@c", AddressError::LocalPart), // a quote in the quotes
            ("a@b c", AddressError::Domain),
            ("a@b/../../x?y#z", AddressError::Domain), // path traversal through the domain
            ("a@-b", AddressError::Domain),
            ("a@b..c", AddressError::Domain),
            ("a@[300.1.1.1]", AddressError::Domain),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
        let long = format!("{}@b", "a".repeat(65));
        assert_eq!(long.parse::<Address>(), Err(AddressError::LocalPartTooLong));
    }

    #[test]
    fn case_does_not_make_another_recipient() {
        let a: Address = "Anna@Contoso.TEST".parse().unwrap();
        let b: Address = "anna@contoso.test".parse().unwrap();
        assert_eq!(a, b);
        assert_eq!(std::collections::HashSet::from([a, b]).len(), 1);
    }
}
