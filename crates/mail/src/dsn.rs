//! Delivery status notifications (RFC 3464): written for senders, and read when a mailbox got one back.
//!
//! Promise: [`Report::to_mime`] makes a `multipart/report` that programs understand (RFC 3464) and people can read; no text
//! that came from elsewhere (an upstream's sentence, ORCPT, ENVID) can end a line or a field in it. [`read_report`] takes
//! whatever lies in a mailbox and finds the recipients that a report names, and which message it was.
//!
//! Left to others: who is told (`telling`), whether what is read is to be believed, the clock.
//!
//! Invariant: written lines are at most 998 octets, fields are ASCII (addresses beyond it as RFC 6533 §3 writes them).

mod field;
mod read;
mod words;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::trace::date_time;
use crate::{Address, EnhancedStatus, MessageId};
use field::{address_field, ascii_text, folded};

pub use read::{ReadReport, ReportedRecipient, read_report};

/// What became of a message for one recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Failed,
    /// Still being tried.
    Delayed,
    Delivered,
    /// Handed on to a system that does not report success (RFC 3461 §6.2.7.4).
    Relayed,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed];
        all.into_iter().find(|action| action.name().eq_ignore_ascii_case(name))
    }
}

/// One recipient in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    pub address: Address,
    /// ORCPT as `type;address`.
    pub original_recipient: Option<String>,
    pub status: EnhancedStatus,
    /// What was said, in words. For people and, on one line, for `Diagnostic-Code`.
    pub diagnostic: Option<String>,
    pub last_attempt: Option<Timestamp>,
}

/// What of the message comes back (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned<'a> {
    /// The header block, with or without its blank line.
    Headers(&'a [u8]),
    Full(&'a [u8]),
}

/// A notification about one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// Of the notification itself.
    pub id: MessageId,
    pub at: Timestamp,
    /// Who reports: our host name.
    pub reporting_mta: &'a str,
    /// The mailbox it is sent from.
    pub from: &'a Address,
    /// The reverse-path of the message.
    pub to: &'a Address,
    pub action: Action,
    pub recipients: &'a [RecipientReport],
    pub subject: Option<&'a str>,
    /// The message's own Message-ID, with its angle brackets.
    pub internet_message_id: Option<&'a str>,
    /// ENVID.
    pub envelope_id: Option<&'a str>,
    pub arrived_at: Timestamp,
    /// Of a delayed message: when it is given up.
    pub given_up_at: Option<Timestamp>,
    pub returned: Returned<'a>,
}

impl Report<'_> {
    pub fn subject_line(&self) -> &'static str {
        words::subject(self.action)
    }

    /// Of the notification itself, with angle brackets.
    pub fn message_id(&self) -> String {
        format!("<{}@{}>", self.id, ascii_text(self.reporting_mta))
    }

    /// Header and body with CRLF line ends. The header block of what is returned is taken as it is; it may hold octets
    /// beyond ASCII.
    pub fn to_mime(&self) -> Vec<u8> {
        let boundary = format!("=_dsn_{}", self.id);
        let mut out = self.header(&boundary).into_bytes();
        let mut part = |kind: &str, body: &[u8]| {
            out.extend_from_slice(format!("--{boundary}\r\n{kind}").as_bytes());
            if !body.is_ascii() {
                out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
            }
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(body);
            out.extend_from_slice(if body.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" });
        };
        let words = words::for_people(self);
        part("Content-Type: text/plain; charset=utf-8\r\nContent-Description: Notification\r\n", words.as_bytes());
        let status = self.delivery_status();
        part("Content-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n", status.as_bytes());
        match self.returned {
            Returned::Headers(header) => {
                let header = crate::header::split(header).0;
                let header = header.strip_suffix(b"\r\n\r\n").map_or(header, |rest| {
                    // The line end of the last field stays.
                    header.get(..rest.len() + 2).unwrap_or(header)
                });
                part("Content-Type: text/rfc822-headers\r\nContent-Description: Message headers\r\n", header);
            }
            Returned::Full(message) => {
                part("Content-Type: message/rfc822\r\nContent-Description: Undelivered message\r\n", message);
            }
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }

    fn header(&self, boundary: &str) -> String {
        let mut header = String::new();
        let mut field = |name: &str, value: &str| header.push_str(&folded(name, value));
        field("From", &format!("Mail Delivery System <{}>", self.from));
        field("To", &format!("<{}>", self.to));
        field("Subject", self.subject_line());
        field("Date", &date_time(self.at));
        field("Message-ID", &self.message_id());
        if let Some(id) = self.internet_message_id.map(ascii_text).filter(|id| id.starts_with('<')) {
            field("In-Reply-To", &id);
            field("References", &id);
        }
        // RFC 3834: nobody answers this. Exchange honours the second field only.
        field("Auto-Submitted", "auto-replied");
        field("X-Auto-Response-Suppress", "All");
        field("MIME-Version", "1.0");
        field("Content-Type", &format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""));
        header.push_str("\r\n");
        header
    }

    /// RFC 3464 §2: fields of the message, then one group of fields for each recipient.
    fn delivery_status(&self) -> String {
        let mut out = String::new();
        if let Some(envelope_id) = self.envelope_id {
            out.push_str(&folded("Original-Envelope-Id", &ascii_text(envelope_id)));
        }
        out.push_str(&folded("Reporting-MTA", &format!("dns; {}", ascii_text(self.reporting_mta))));
        out.push_str(&folded("Arrival-Date", &date_time(self.arrived_at)));
        for recipient in self.recipients {
            out.push_str("\r\n");
            self.recipient(&mut out, recipient);
        }
        out
    }

    fn recipient(&self, out: &mut String, recipient: &RecipientReport) {
        let mut field = |name: &str, value: &str| out.push_str(&folded(name, value));
        if let Some((kind, address)) = recipient.original_recipient.as_deref().and_then(|it| it.split_once(';')) {
            field("Original-Recipient", &format!("{}; {}", ascii_text(kind), field::extended(address)));
        }
        field("Final-Recipient", &address_field(&recipient.address));
        field("Action", self.action.name());
        field("Status", &recipient.status.to_string());
        if let Some(said) = recipient.diagnostic.as_deref().filter(|said| !said.is_empty()) {
            field("Diagnostic-Code", &format!("X-Postern; {}", ascii_text(said)));
        }
        if let Some(at) = recipient.last_attempt {
            field("Last-Attempt-Date", &date_time(at));
        }
        if let Some(at) = self.given_up_at.filter(|_| self.action == Action::Delayed) {
            field("Will-Retry-Until", &date_time(at));
        }
    }
}
