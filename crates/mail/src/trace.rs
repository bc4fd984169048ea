//! The fields a submission service adds: `Received` (RFC 5321 §4.4), and Date and Message-ID where they are missing
//! (RFC 6409 §8.2 and §8.3).
//!
//! Promise: whatever a client called itself, the field stays one well-formed field. Left to others: the clock, the
//! names, where the fields are put. Invariant: nothing here reads the body.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::header;
use crate::{Address, MessageId};

/// RFC 5321 §4.5.3.1.2 bounds a domain; what a client says in HELO is not shown longer than that.
const MAX_HELO_CHARS: usize = 255;

/// The parts of one `Received` field.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// What the client called itself, as it came off the wire.
    pub helo: Option<&'a str>,
    pub peer: Option<IpAddr>,
    /// Who received it: our host name.
    pub by: &'a str,
    pub with: Protocol,
    /// TLS version and cipher, for the reader of the trace.
    pub tls: Option<&'a str>,
    pub id: MessageId,
    /// Given only when it is the sole recipient: otherwise the field would disclose a Bcc.
    pub sole_recipient: Option<&'a Address>,
    pub at: Timestamp,
}

/// The registered protocol names (RFC 3848, RFC 6531 §4.3), and ours for what has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp { utf8: bool, tls: bool, authenticated: bool },
    Http,
    Local,
}

impl Protocol {
    fn name(self) -> String {
        match self {
            Self::Smtp { utf8, tls, authenticated } => {
                let base = if utf8 { "UTF8SMTP" } else { "ESMTP" };
                format!("{base}{}{}", if tls { "S" } else { "" }, if authenticated { "A" } else { "" })
            }
            Self::Http => "HTTP".to_owned(),
            Self::Local => "local".to_owned(),
        }
    }
}

impl Received<'_> {
    /// The folded field with its last line end.
    pub fn to_field(&self) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("Received: ");
        if let Some(from) = self.client() {
            let _ = write!(out, "from {from}\r\n ");
        }
        let _ = write!(out, "by {} with {} id {}", safe_name(self.by, "localhost"), self.with.name(), self.id);
        if let Some(tls) = self.tls.map(safe_comment).filter(|tls| !tls.is_empty()) {
            let _ = write!(out, "\r\n (using {tls})");
        }
        if let Some(recipient) = self.sole_recipient {
            let _ = write!(out, "\r\n for <{recipient}>");
        }
        let _ = write!(out, ";\r\n {}\r\n", date_time(self.at));
        out
    }

    fn client(&self) -> Option<String> {
        let literal = self.peer.map(|peer| match peer.to_canonical() {
            IpAddr::V4(v4) => format!("[{v4}]"),
            IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
        });
        match (self.helo, literal) {
            (Some(helo), Some(literal)) => Some(format!("{} ({literal})", safe_name(helo, "unknown"))),
            (None, Some(literal)) => Some(literal),
            (Some(helo), None) => Some(safe_name(helo, "unknown")),
            (None, None) => None,
        }
    }
}

/// What a message lacks of the fields every message must have: whole fields with their line ends, or nothing.
pub fn missing_fields(header: &[u8], id: MessageId, host: &str, at: Timestamp) -> String {
    let (mut has_date, mut has_id) = (false, false);
    for field in header::fields(header) {
        has_date |= field.is("date");
        has_id |= field.is("message-id");
    }
    let mut out = String::new();
    if !has_date {
        let _ = write!(out, "Date: {}\r\n", date_time(at));
    }
    if !has_id {
        let _ = write!(out, "Message-ID: <{id}@{}>\r\n", safe_name(host, "localhost"));
    }
    out
}

/// RFC 5322 §3.3 in UTC.
pub fn date_time(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A domain or address literal as it is; anything else with the offending characters replaced.
fn safe_name(name: &str, otherwise: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || "-._[]:".contains(c);
    let name: String = name.chars().take(MAX_HELO_CHARS).map(|c| if safe(c) { c } else { '?' }).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

fn safe_comment(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || " -._:/".contains(*c)).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Line, lines};
    use proptest::prelude::*;

    fn id() -> MessageId {
        MessageId::new(1_700_000_000_000, 7)
    }

    fn at() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    fn received() -> Received<'static> {
        Received {
            helo: Some("printer.contoso.test"),
            peer: Some("192.0.2.7".parse().unwrap()),
            by: "gate.contoso.test",
            with: Protocol::Smtp { utf8: false, tls: true, authenticated: true },
            tls: Some("TLSv1.3 TLS_AES_256_GCM_SHA384"),
            id: id(),
            sole_recipient: None,
            at: at(),
        }
    }

    #[test]
    fn received_says_from_whom_by_whom_and_how() {
        let recipient: Address = "a@x.test".parse().unwrap();
        let field = Received { sole_recipient: Some(&recipient), ..received() }.to_field();
        assert_eq!(
            field,
            format!(
                "Received: from printer.contoso.test ([192.0.2.7])\r\n by gate.contoso.test with ESMTPSA id {}\r\n \
                 (using TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n for <a@x.test>;\r\n Tue, 14 Nov 2023 22:13:20 +0000\r\n",
                id()
            )
        );
        let local = Received { helo: None, peer: None, tls: None, with: Protocol::Local, ..received() }.to_field();
        let expected =
            format!("Received: by gate.contoso.test with local id {};\r\n Tue, 14 Nov 2023 22:13:20 +0000\r\n", id());
        assert_eq!(local, expected);
    }

    #[test]
    fn protocol_names_are_the_registered_ones() {
        for (utf8, tls, authenticated, name) in [
            (false, false, false, "ESMTP"),
            (false, true, false, "ESMTPS"),
            (false, false, true, "ESMTPA"),
            (false, true, true, "ESMTPSA"),
            (true, true, true, "UTF8SMTPSA"),
        ] {
            assert_eq!(Protocol::Smtp { utf8, tls, authenticated }.name(), name);
        }
    }

    #[test]
    fn only_what_is_missing_is_added() {
        let date = "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n";
        let message_id = format!("Message-ID: <{}@gate.test>\r\n", id());
        for (header, expected) in [
            ("Subject: s\r\n", format!("{date}{message_id}")),
            ("DATE: x\r\n", message_id.clone()),
            ("message-id: x\r\n", date.to_owned()),
            ("Date: x\r\nMessage-ID: y\r\n", String::new()),
            ("\r\nDate: x\r\nMessage-ID: y\r\n", format!("{date}{message_id}")), // the body does not count
        ] {
            assert_eq!(missing_fields(header.as_bytes(), id(), "gate.test", at()), expected, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn a_hostile_client_name_stays_inside_the_field(helo in "(?s).{0,300}", tls in "(?s).{0,100}") {
            let field = Received { helo: Some(&helo), tls: Some(&tls), ..received() }.to_field();
            let found: Vec<Line<'_>> = lines(field.as_bytes()).collect();
            prop_assert_eq!(found.len(), 1);
            prop_assert!(field.split("\r\n").all(|line| line.len() < 998 && !line.contains(['\r', '\n', '\0'])));
            prop_assert_eq!(field.matches(';').count(), 1);
        }
    }
}
