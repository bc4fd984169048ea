//! Looking into a message.
//!
//! Promise: however large, nested or broken the message is, a bounded part of it is read, nothing of it is trusted, and
//! what was left out is said. Who looks leaves a trace: one audit entry a message, person and hour.
//!
//! Left to others: showing HTML in a frame that can do nothing (`console`).

use jiff::{SignedDuration, Timestamp};
use mail::MessageId;
use mail_parser::{Address, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use serde::Serialize;
use store::{AuditEntry, Store, StoreError};
use tokio::io::AsyncReadExt as _;

use crate::{Actor, AdminError, Role};

/// Read of one message: all of what most messages have, and what a browser can show of the others.
const MAX_READ_BYTES: u64 = 8 * 1024 * 1024;
const MAX_TEXT_BYTES: usize = 1024 * 1024;
const MAX_HTML_BYTES: usize = 2 * 1024 * 1024;
const MAX_HEADERS: usize = 200;
const MAX_HEADER_BYTES: usize = 8 * 1024;
const MAX_ATTACHMENTS: usize = 200;
/// Audit entries looked through for a trace that is there already.
const AUDIT_PAGE: u32 = 500;

/// What a message looks like, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Name and decoded value of the header fields, in their order.
    pub headers: Vec<(String, String)>,
    /// The text, or what is left of the HTML without its markup.
    pub text: Option<String>,
    /// As it came. Hostile: for a sandboxed frame without network only.
    pub html: Option<String>,
    pub attachments: Vec<AttachmentView>,
    /// What was left out, each in one sentence; empty: this is all.
    pub cut: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachmentView {
    pub name: Option<String>,
    pub content_type: String,
    /// Decoded; of what was read.
    pub size_bytes: usize,
    /// `attachment`, `inline`, or what the message says.
    pub disposition: String,
}

/// Reads the message for its administrator and leaves the trace.
pub async fn preview(store: &dyn Store, actor: &Actor, id: MessageId, now: Timestamp) -> Result<Preview, AdminError> {
    actor.must_be(Role::Administrator)?;
    let record = store.message(id).await?.message;
    let body = store.read_body(id).await?;
    leave_trace(store, actor, id, now).await?;
    let is_cut = body.len() > MAX_READ_BYTES;
    let mut raw = record.added_header.into_bytes();
    let read = body.take(MAX_READ_BYTES).read_to_end(&mut raw).await;
    read.map_err(|error| StoreError::Unreadable { detail: error.to_string() })?;
    // Away from the others: eight MiB of nested MIME take their time, and a reader that gives up takes nothing with it.
    let read = tokio::task::spawn_blocking(move || look(&raw)).await;
    let mut preview = read.unwrap_or_else(|_| unreadable());
    if is_cut {
        let (read, all) = (MAX_READ_BYTES / (1024 * 1024), record.size_bytes / (1024 * 1024));
        preview.cut.insert(0, format!("Only the first {read} MiB of {all} MiB were read."));
    }
    Ok(preview)
}

/// The name to save the message under.
pub fn eml_name(id: MessageId) -> String {
    format!("{id}.eml")
}

fn unreadable() -> Preview {
    Preview {
        cut: vec!["The message cannot be taken apart; download it to look at it.".to_owned()],
        ..Preview::default()
    }
}

fn look(raw: &[u8]) -> Preview {
    let Some(message) = MessageParser::default().parse(raw) else { return unreadable() };
    let mut cut = Vec::new();
    let headers = headers(&message, &mut cut);
    let texts = (0..message.text_body_count()).filter_map(|index| message.body_text(index));
    let text = joined(texts, MAX_TEXT_BYTES, "text", &mut cut);
    let htmls = message.html_bodies().filter_map(|part| match &part.body {
        PartType::Html(html) => Some(html.as_ref()),
        _ => None,
    });
    let html = joined(htmls, MAX_HTML_BYTES, "HTML", &mut cut);
    let all = message.attachment_count();
    if all > MAX_ATTACHMENTS {
        cut.push(format!("Only the first {MAX_ATTACHMENTS} of {all} attachments are shown."));
    }
    let attachments = message.attachments().take(MAX_ATTACHMENTS).map(attachment).collect();
    Preview { headers, text, html, attachments, cut }
}

fn headers(message: &Message<'_>, cut: &mut Vec<String>) -> Vec<(String, String)> {
    let Some(root) = message.parts.first() else { return Vec::new() };
    if root.headers.len() > MAX_HEADERS {
        cut.push(format!("Only the first {MAX_HEADERS} of {} header fields are shown.", root.headers.len()));
    }
    let mut is_long = false;
    let shown = root.headers.iter().take(MAX_HEADERS).map(|header| {
        let place = usize::try_from(header.offset_start).ok().zip(usize::try_from(header.offset_end).ok());
        let raw = place.and_then(|(start, end)| message.raw_message.get(start..end)).unwrap_or_default();
        let value = value(&header.value).unwrap_or_else(|| one_line(&String::from_utf8_lossy(raw)));
        let kept = begin(&value, MAX_HEADER_BYTES);
        is_long |= kept.len() < value.len();
        (header.name.as_str().to_owned(), kept.to_owned())
    });
    let shown = shown.collect();
    if is_long {
        cut.push("Long header fields are shortened.".to_owned());
    }
    shown
}

/// Decoded; `None`: it is best shown as it stands.
fn value(value: &HeaderValue<'_>) -> Option<String> {
    match value {
        HeaderValue::Text(text) => Some(one_line(text)),
        HeaderValue::Address(address) => Some(one_line(&addresses(address))),
        _ => None,
    }
}

fn addresses(address: &Address<'_>) -> String {
    let one = |it: &mail_parser::Addr<'_>| match (&it.name, &it.address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(name), None) => name.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => String::new(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// An encoded word may hold line ends and other control characters: here they are blanks.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn joined<T: AsRef<str>>(
    parts: impl Iterator<Item = T>,
    max_bytes: usize,
    what: &str,
    cut: &mut Vec<String>,
) -> Option<String> {
    let mut all: Option<String> = None;
    for part in parts {
        let text = all.get_or_insert_default();
        if !text.is_empty() {
            text.push('\n');
        }
        let kept = begin(part.as_ref(), max_bytes.saturating_sub(text.len()));
        text.push_str(kept);
        if kept.len() < part.as_ref().len() {
            cut.push(format!("Only the first {} KiB of the {what} are shown.", max_bytes / 1024));
            break;
        }
    }
    all
}

/// As much of the beginning as fits, whole characters.
fn begin(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default()
}

fn attachment(part: &MessagePart<'_>) -> AttachmentView {
    let content_type = part.content_type().map(|it| match &it.c_subtype {
        Some(subtype) => format!("{}/{subtype}", it.c_type),
        None => it.c_type.to_string(),
    });
    let disposition = part.content_disposition().map(|it| it.c_type.to_lowercase());
    let short = |text: &str| begin(&one_line(text), 255).to_owned();
    AttachmentView {
        name: part.attachment_name().map(short).filter(|name| !name.is_empty()),
        content_type: short(content_type.as_deref().unwrap_or("application/octet-stream")),
        size_bytes: part.len(),
        disposition: short(disposition.as_deref().unwrap_or("attachment")),
    }
}

async fn leave_trace(store: &dyn Store, actor: &Actor, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
    const ACTION: &str = "message_viewed";
    let detail = serde_json::json!({ "message": id });
    let since = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
    let recent = store.audit(None, AUDIT_PAGE).await?;
    let is_known = recent.iter().map(|record| &record.entry).any(|entry| {
        entry.at > since && entry.action == ACTION && entry.actor == actor.name() && entry.detail == detail
    });
    if is_known {
        return Ok(());
    }
    tracing::info!(event = ACTION, message_id = %id, actor = actor.name());
    let entry = AuditEntry { at: now, actor: actor.name().to_owned(), action: ACTION.to_owned(), detail };
    store.record_audit(entry).await
}
