//! Reports as they lie in a mailbox: of Exchange, of other mail systems, or forged.

use mail_parser::{MessageParser, MessagePart, MimeHeaders as _, PartType};

use super::Action;
use crate::header;
use crate::{Address, Class, EnhancedStatus, MessageId};

/// Groups of recipient fields that are looked at.
const MAX_RECIPIENTS: usize = 1_000;
/// Ids of ours in trace fields that are looked at.
const MAX_TRACES: usize = 10;

/// What a report says; nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadReport {
    pub recipients: Vec<ReportedRecipient>,
    /// Message-ID of the message that comes back, with its angle brackets.
    pub internet_message_id: Option<String>,
    /// Ids in the Received fields of the message that comes back, which may be ours.
    pub traces: Vec<MessageId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// Final-Recipient and Original-Recipient, as far as they are addresses.
    pub addresses: Vec<Address>,
    pub action: Option<Action>,
    pub status: Option<EnhancedStatus>,
    /// Diagnostic-Code on one line, without its type.
    pub diagnostic: Option<String>,
}

/// The report in a message; `None`: it holds none.
///
/// ```
/// assert_eq!(mail::dsn::read_report(b"Subject: hi\r\n\r\nnot a report"), None);
/// ```
pub fn read_report(raw: &[u8]) -> Option<ReadReport> {
    let message = MessageParser::default().parse(raw)?;
    let mut report = ReadReport::default();
    let mut is_report = false;
    for part in &message.parts {
        match content_type(part).as_deref() {
            Some("message/delivery-status" | "message/global-delivery-status") => {
                is_report = true;
                report.recipients.extend(recipients(part.contents()));
            }
            Some("message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers")
                if is_report =>
            {
                report.take_original(original(part, raw));
            }
            _ => {}
        }
    }
    report.recipients.truncate(MAX_RECIPIENTS);
    is_report.then_some(report)
}

fn content_type(part: &MessagePart<'_>) -> Option<String> {
    let kind = part.content_type()?;
    Some(format!("{}/{}", kind.ctype(), kind.subtype()?).to_ascii_lowercase())
}

/// From the first byte of the returned message, or of its header; more may follow behind it.
fn original<'a>(part: &'a MessagePart<'_>, raw: &'a [u8]) -> &'a [u8] {
    let from = |whole: &'a [u8], start: u32| usize::try_from(start).ok().and_then(|start| whole.get(start..));
    let found = match &part.body {
        PartType::Message(message) => {
            message.parts.first().and_then(|first| from(&message.raw_message, first.offset_header))
        }
        _ => from(raw, part.offset_body),
    };
    found.unwrap_or_default()
}

impl ReadReport {
    fn take_original(&mut self, message: &[u8]) {
        for field in header::fields(header::split(message).0) {
            if field.is("message-id") && self.internet_message_id.is_none() {
                self.internet_message_id = Some(field.unfolded()).filter(|id| !id.is_empty());
            } else if field.is("received") && self.traces.len() < MAX_TRACES {
                let text = field.unfolded();
                let mut words = text.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("id")).skip(1);
                self.traces.extend(words.next().and_then(|id| id.trim_end_matches(';').parse::<MessageId>().ok()));
            }
        }
    }
}

/// The groups of fields after the first, which is about the message (RFC 3464 §2.1).
fn recipients(status: &[u8]) -> Vec<ReportedRecipient> {
    let mut rest = status;
    let mut found = Vec::new();
    while !rest.is_empty() && found.len() < MAX_RECIPIENTS {
        let (group, after) = header::split(rest);
        rest = after;
        found.extend(recipient(group));
    }
    found
}

fn recipient(group: &[u8]) -> Option<ReportedRecipient> {
    let mut read = ReportedRecipient { addresses: Vec::new(), action: None, status: None, diagnostic: None };
    for field in header::fields(group) {
        let value = field.unfolded();
        if field.is("final-recipient") || field.is("original-recipient") {
            if let Some(address) = address(&value).filter(|address| !read.addresses.contains(address)) {
                read.addresses.push(address);
            }
        } else if field.is("action") {
            read.action = value.split_whitespace().next().and_then(Action::from_name);
        } else if field.is("status") {
            read.status = status_code(&value);
        } else if field.is("diagnostic-code") {
            let text = value.split_once(';').map_or(value.as_str(), |(_, text)| text);
            read.diagnostic =
                Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty());
        }
    }
    (!read.addresses.is_empty()).then_some(read)
}

/// `rfc822; anna@x.test`, also with angle brackets or without a type, as some write it.
fn address(value: &str) -> Option<Address> {
    let text = value.split_once(';').map_or(value, |(_, text)| text).trim();
    let bare = text.trim_start_matches('<').trim_end_matches('>');
    plain(bare).parse().ok()
}

/// Undoes `\x{HEX}` (RFC 6533 §3).
fn plain(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    let mut rest = address;
    while let Some((before, after)) = rest.split_once("\\x{") {
        let Some((code, behind)) = after.split_once('}') else { break };
        let Some(c) = u32::from_str_radix(code, 16).ok().and_then(char::from_u32) else { break };
        out.push_str(before);
        out.push(c);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// `5.1.1`, also with a comment behind it.
fn status_code(value: &str) -> Option<EnhancedStatus> {
    let mut numbers = value.split(|c: char| c.is_whitespace() || c == '(').next()?.split('.');
    let class = match numbers.next()? {
        "2" => Class::Success,
        "4" => Class::Transient,
        "5" => Class::Permanent,
        _ => return None,
    };
    let mut number = || numbers.next()?.parse().ok().filter(|number| *number < 1_000);
    Some(EnhancedStatus::new(class, number()?, number()?))
}
