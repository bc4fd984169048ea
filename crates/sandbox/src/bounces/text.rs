//! A report as Exchange Online writes it: HTML for people, fields for programs, the header of what came back.

use jiff::Timestamp;

use super::Reason;
use crate::directory::Tenant;
use crate::guid;
use crate::mailbox::StoredMessage;

/// Part of the address that every Exchange organisation's reports come from.
const REPORTER: &str = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e";
const SERVER: &str = "SANDBOX0001.EURPRD01.PROD.EXCHANGELABS.COM";
const DATE: &str = "%a, %d %b %Y %H:%M:%S +0000";

pub(super) fn report(
    tenant: &Tenant,
    message: &StoredMessage,
    recipient: &str,
    reason: Reason,
    at: Timestamp,
) -> String {
    let delivery = &message.delivery;
    let (outer, inner) = (guid::random(), guid::random());
    let domain = tenant.domains.first().map_or("sandbox.invalid", String::as_str);
    let subject = delivery.subject.as_deref().unwrap_or_default().replace(['\r', '\n'], " ");
    let subject = if subject.is_ascii() { subject } else { "(no ASCII subject)".to_owned() };
    let Reason { status, reply } = reason;
    let date = at.strftime(DATE);
    let arrived = delivery.at.strftime(DATE);
    let original = returned_header(&message.raw);
    format!(
        "From: Microsoft Outlook <{REPORTER}@{domain}>\r\nTo: <{mailbox}>\r\nDate: {date}\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{outer}\"\r\nContent-Language: en-US\r\n\
         Message-ID: <{id}@{SERVER}>\r\nIn-Reply-To: <{replied}>\r\nReferences: <{replied}>\r\n\
         Subject: Undeliverable: {subject}\r\nAuto-Submitted: auto-replied\r\nX-MS-Exchange-Message-Is-Ndr:\r\n\
         MIME-Version: 1.0\r\n\r\n\
         --{outer}\r\nContent-Type: multipart/alternative; differences=Content-Type;\r\n\tboundary=\"{inner}\"\r\n\r\n\
         --{inner}\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
         Your message to {recipient} couldn't be delivered.\r\n\r\n{reply}\r\n\r\n\
         --{inner}\r\nContent-Type: text/html; charset=\"us-ascii\"\r\n\r\n\
         <p>Your message to {recipient} couldn't be delivered.</p>\r\n\r\n--{inner}--\r\n\r\n\
         --{outer}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns;{SERVER}\r\nReceived-From-MTA: dns;{SERVER}\r\nArrival-Date: {arrived}\r\n\r\n\
         Original-Recipient: rfc822;{recipient}\r\nFinal-Recipient: rfc822;{recipient}\r\nAction: failed\r\n\
         Status: {status}\r\nDiagnostic-Code: smtp;{reply}\r\n\r\n\
         --{outer}\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n\r\n--{outer}--\r\n",
        mailbox = delivery.mailbox,
        id = guid::random(),
        replied = delivery.internet_message_id.as_deref().unwrap_or("").trim_matches(['<', '>']),
    )
}

/// The header block that came, without its blank line.
fn returned_header(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let end = text.find("\r\n\r\n").map_or(text.len(), |end| end + 2);
    text.get(..end).unwrap_or_default().to_owned()
}

/// The message is itself a report (RFC 6522).
pub(crate) fn is_report(raw: &[u8]) -> bool {
    let header = returned_header(raw).to_ascii_lowercase().replace("\r\n ", " ").replace("\r\n\t", " ");
    let kind = header.split("\r\n").find_map(|line| line.strip_prefix("content-type:"));
    kind.is_some_and(|kind| kind.contains("multipart/report") && kind.contains("delivery-status"))
}
