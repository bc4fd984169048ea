//! The mailbox in a Graph path.
//!
//! Promise: a [`MailboxSegment`] is exactly one path segment, whatever was written in a From header. It is not the place
//! where mailboxes are checked for existence; Graph does that.
//!
//! The scar: five relays pasted the sender into the path, and `From: <a/../../x?y#z@d>` became a request to `/v1.0/x?y`
//! with the application's token.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 §2.3 is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 5321 §4.5.3.1: 64 octets, an at sign, 255 octets. Graph's own ids are shorter.
const MAX_BYTES: usize = 320;

/// A user principal name or object id as one percent-encoded path segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailboxSegment {
    key: String,
    /// What stands after `/v1.0/`: `users/a%40b`, or `users('$a%40b')`.
    path: String,
}

/// Why a text cannot name a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    #[error("the mailbox is empty")]
    Empty,
    /// URL libraries resolve `.` and `..` even when they are percent-encoded.
    #[error("a mailbox cannot be named '.' or '..'")]
    DotSegment,
    #[error("the mailbox holds a control character")]
    ControlCharacter,
    #[error("the mailbox is longer than 320 bytes")]
    TooLong,
}

impl MailboxSegment {
    pub fn new(key: &str) -> Result<Self, MailboxError> {
        match key {
            "" => return Err(MailboxError::Empty),
            "." | ".." => return Err(MailboxError::DotSegment),
            _ if key.len() > MAX_BYTES => return Err(MailboxError::TooLong),
            _ if key.chars().any(char::is_control) => return Err(MailboxError::ControlCharacter),
            _ => {}
        }
        let path = match key.strip_prefix('$') {
            // In a plain segment OData takes a leading '$' for one of its own words. A quote inside the quotes is doubled.
            Some(rest) => format!("users('${}')", utf8_percent_encode(&rest.replace('\'', "''"), SEGMENT)),
            None => format!("users/{}", utf8_percent_encode(key, SEGMENT)),
        };
        Ok(Self { key: key.to_owned(), path })
    }

    /// The mailbox as it was given.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// What stands after `/v1.0/`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl TryFrom<&mail::Address> for MailboxSegment {
    type Error = MailboxError;

    fn try_from(address: &mail::Address) -> Result<Self, MailboxError> {
        Self::new(&address.to_string())
    }
}

impl fmt::Display for MailboxSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_one_segment_whatever_it_holds() {
        let table = [
            ("relay@contoso.test", "users/relay%40contoso.test"),
            ("66666666-7777-8888-9999-000000000000", "users/66666666-7777-8888-9999-000000000000"),
            // The attack that gave this type its reason.
            ("a+b/../../x?y#z@d", "users/a%2Bb%2F..%2F..%2Fx%3Fy%23z%40d"),
            // Already encoded means literally that.
            ("%2f@d", "users/%252f%40d"),
            ("%2e%2e", "users/%252e%252e"),
            ("a\\b@d", "users/a%5Cb%40d"),
            ("j\u{f6}rg@d", "users/j%C3%B6rg%40d"),
            ("o'neil@d", "users/o%27neil%40d"),
            ("a b@d", "users/a%20b%40d"),
            // A leading dollar is OData's.
            ("$x@y.test", "users('$x%40y.test')"),
            ("$o'n/x@y", "users('$o%27%27n%2Fx%40y')"),
        ];
        for (key, path) in table {
            let segment = MailboxSegment::new(key).unwrap();
            assert_eq!(segment.path(), path, "{key}");
            assert_eq!(segment.as_str(), key);
        }
    }

    #[test]
    fn what_would_leave_its_segment_all_the_same_is_refused() {
        let long = "a".repeat(MAX_BYTES + 1);
        let table = [
            ("", MailboxError::Empty),
            (".", MailboxError::DotSegment),
            ("..", MailboxError::DotSegment),
            ("a\r\nb@d", MailboxError::ControlCharacter),
            ("a\0@d", MailboxError::ControlCharacter),
            (long.as_str(), MailboxError::TooLong),
        ];
        for (key, error) in table {
            assert_eq!(MailboxSegment::new(key), Err(error), "{key:?}");
        }
    }
}
