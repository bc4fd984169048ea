//! A message described in JSON, made into MIME and an envelope.
//!
//! Promise: what the description says is in the message, and nothing it could smuggle in: no text of it can end a header
//! line, name a recipient it did not name as one, or take the place of a field that is the program's to write. An error
//! names the field and says what to write instead.
//!
//! Left to others: Date, Message-ID and trace fields (`trace` adds what is missing), policy, sending.
//!
//! Invariant: Bcc stands in the envelope and nowhere in the MIME.

mod attachment;
mod fields;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::{Header, HeaderType, text::Text};
use mail_builder::mime::MimePart;
use serde::{Deserialize, Serialize};

use crate::Envelope;
use fields::Party;

/// The JSON message of the HTTP API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeMessage {
    /// One mailbox: `Name <user@example.org>`.
    pub from: String,
    #[serde(default)]
    pub to: Mailboxes,
    #[serde(default)]
    pub cc: Mailboxes,
    #[serde(default)]
    pub bcc: Mailboxes,
    #[serde(default)]
    pub reply_to: Mailboxes,
    #[serde(default)]
    pub subject: String,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub html: Option<String>,
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Further header fields, `X-…` and the like.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Not before then.
    #[serde(default)]
    pub send_at: Option<Timestamp>,
    /// The submitter's own labels; not part of the message.
    #[serde(default)]
    pub metadata: Option<serde_json::Value>,
}

/// A string (`Name <user@example.org>`, or several with commas) or an array of such strings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailboxes(pub Vec<String>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    pub filename: String,
    #[serde(default)]
    pub content_type: Option<String>,
    /// Base64.
    pub content: String,
    /// Makes it an inline part, which the HTML names as `cid:…`.
    #[serde(default)]
    pub content_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    High,
    #[default]
    Normal,
    Bulk,
}

/// What is wrong with a description, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ComposeError {
    /// As in the JSON: `to`, `attachments[2].content`, `headers.X-Tag`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub reason: String,
}

impl ComposeError {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// A description made into mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    pub envelope: Envelope,
    /// Header and body with CRLF line ends, without Date and Message-ID unless the description gave them.
    pub mime: Vec<u8>,
}

/// Makes the MIME message and the envelope: the reverse-path is the From mailbox, the recipients are all of to, cc and
/// bcc.
pub fn compose(message: ComposeMessage) -> Result<Composed, ComposeError> {
    let from = fields::one_mailbox("from", &message.from)?;
    let to = fields::mailboxes("to", &message.to)?;
    let cc = fields::mailboxes("cc", &message.cc)?;
    let bcc = fields::mailboxes("bcc", &message.bcc)?;
    let reply_to = fields::mailboxes("reply_to", &message.reply_to)?;
    fields::refuse_control_characters("subject", &message.subject)?;
    let envelope = envelope(&from, [&to, &cc, &bcc])?;

    let mut headers: Vec<(String, HeaderType<'_>)> = vec![("From".into(), fields::header(&[from]))];
    for (name, parties) in [("To", to), ("Cc", cc), ("Reply-To", reply_to)] {
        if !parties.is_empty() {
            headers.push((name.into(), fields::header(&parties)));
        }
    }
    headers.push(("Subject".into(), Text::new(message.subject).into()));
    for (name, value) in message.headers {
        fields::check_further_header(&name, &value)?;
        headers.push((name, Text::new(value).into()));
    }

    let mut mime = Vec::new();
    for (name, value) in headers {
        mime.extend_from_slice(name.as_bytes());
        mime.extend_from_slice(b": ");
        value.write_header(&mut mime, name.len() + 2);
    }
    mime.extend_from_slice(b"MIME-Version: 1.0\r\n");
    body(message.text, message.html, message.attachments)?.serialize_body(&mut mime);
    Ok(Composed { envelope, mime })
}

fn envelope(from: &Party, recipients: [&Vec<Party>; 3]) -> Result<Envelope, ComposeError> {
    let mut envelope = Envelope::new(from.address.clone());
    for party in recipients.into_iter().flatten() {
        envelope.add(party.address.clone());
    }
    if envelope.recipients.is_empty() {
        return Err(ComposeError::new("to", "the message has no recipient: give at least one in to, cc or bcc"));
    }
    let all_ascii = from.address.is_ascii() && envelope.recipients.iter().all(|known| known.address.is_ascii());
    envelope.smtputf8 = !all_ascii;
    Ok(envelope)
}

/// ```text
///   mixed ─┬─ alternative ─┬─ text
///          │               └─ related ─┬─ html
///          │                           └─ inline parts (content_id)
///          └─ attachments
/// ```
/// Each multipart is there only when it has more than one part.
fn body(
    text: Option<String>,
    html: Option<String>,
    attachments: Vec<Attachment>,
) -> Result<MessageBuilder<'static>, ComposeError> {
    let (mut inline, mut attached) = (Vec::new(), Vec::new());
    for (index, part) in attachments.into_iter().enumerate() {
        // Without HTML nothing can show an inline part: it is an attachment then.
        let list = if part.content_id.is_some() && html.is_some() { &mut inline } else { &mut attached };
        list.push(attachment::part(index, part)?);
    }
    let html = html.map(|html| {
        let page = MimePart::new("text/html", html);
        if inline.is_empty() { page } else { MimePart::new("multipart/related", [vec![page], inline].concat()) }
    });
    let text = text.map(|text| MimePart::new("text/plain", text));
    let shown = match (text, html) {
        (Some(text), Some(html)) => MimePart::new("multipart/alternative", vec![text, html]),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => MimePart::new("text/plain", ""),
    };
    let whole =
        if attached.is_empty() { shown } else { MimePart::new("multipart/mixed", [vec![shown], attached].concat()) };
    Ok(MessageBuilder::new().body(whole))
}
