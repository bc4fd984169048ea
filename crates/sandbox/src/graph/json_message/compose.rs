//! A JSON message written as MIME.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;
use serde_json::{Map, Value};

use super::{Mailbox, read_recipient, read_recipients};
use crate::graph::failure::Failure;
use crate::graph::schema::{self, flag, list, text, wrong_type};

/// Messages inside messages; Exchange stops at thirty.
const MAX_NESTING: usize = 30;

/// The whole message.
pub(super) fn message(message: &Map<String, Value>) -> Result<Vec<u8>, Failure> {
    nested_message(message, 0)
}

fn nested_message(message: &Map<String, Value>, depth: usize) -> Result<Vec<u8>, Failure> {
    let mut builder = addresses(MessageBuilder::new(), message)?;
    if let Some(subject) = text(message, "subject")? {
        builder = builder.subject(subject.to_owned());
    }
    if let Some(id) = text(message, "internetMessageId")? {
        builder = builder.message_id(bare_id(id));
    }
    builder = headers(builder, message)?;
    builder = body(builder, message)?;
    for attachment in list(message, "attachments")? {
        let part = attachment_part(attachment, depth)?;
        builder.attachments.get_or_insert_default().push(part);
    }
    builder.write_to_vec().map_err(|_| Failure::known("ErrorInternalServerError"))
}

type Builder = MessageBuilder<'static>;

fn addresses(mut builder: Builder, message: &Map<String, Value>) -> Result<Builder, Failure> {
    for (field, property) in [("From", "from"), ("Sender", "sender")] {
        if let Some(mailbox) = read_recipient(message.get(property))? {
            builder = builder.header(field, HeaderType::Address(address(mailbox)));
        }
    }
    let lists = [("To", "toRecipients"), ("Cc", "ccRecipients"), ("Bcc", "bccRecipients"), ("Reply-To", "replyTo")];
    for (field, property) in lists {
        let mailboxes = read_recipients(message, property)?;
        if !mailboxes.is_empty() {
            let list = mailboxes.into_iter().map(address).collect();
            builder = builder.header(field, HeaderType::Address(Address::new_list(list)));
        }
    }
    Ok(builder)
}

fn address(mailbox: Mailbox) -> Address<'static> {
    Address::new_address(mailbox.name, mailbox.address)
}

fn headers(mut builder: Builder, message: &Map<String, Value>) -> Result<Builder, Failure> {
    for header in list(message, "internetMessageHeaders")? {
        let header = schema::HEADER.read(header)?;
        let name = text(header, "name")?.unwrap_or_default().to_owned();
        builder = builder.header(name, Text::new(text(header, "value")?.unwrap_or_default().to_owned()));
    }
    match text(message, "importance")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("normal") => {}
        Some(level @ ("low" | "high")) => builder = builder.header("Importance", Raw::new(level.to_owned())),
        Some(_) => return Err(wrong_type("importance", "microsoft.graph.importance")),
    }
    for property in list(message, "singleValueExtendedProperties")? {
        let property = schema::EXTENDED_PROPERTY.read(property)?;
        let value = text(property, "value")?.unwrap_or_default().to_owned();
        if let Some(field) = field_of_property(text(property, "id")?.unwrap_or_default()) {
            builder = builder.header(field, Raw::new(value.replace(['\r', '\n'], " ")));
        }
    }
    Ok(builder)
}

/// The header field behind a MAPI property; others are kept by Exchange but show in no header.
fn field_of_property(id: &str) -> Option<&'static str> {
    let (kind, number) = id.split_once(' ')?;
    if !kind.eq_ignore_ascii_case("string") {
        return None;
    }
    match u32::from_str_radix(number.trim().trim_start_matches("0x"), 16).ok()? {
        0x1042 => Some("In-Reply-To"),
        0x1039 => Some("References"),
        0x1045 => Some("List-Unsubscribe"),
        _ => None,
    }
}

fn body(builder: Builder, message: &Map<String, Value>) -> Result<Builder, Failure> {
    let Some(value) = message.get("body").filter(|value| !value.is_null()) else {
        return Ok(builder.text_body(String::new()));
    };
    let body = schema::ITEM_BODY.read(value)?;
    let content = text(body, "content")?.unwrap_or_default().to_owned();
    match text(body, "contentType")?.unwrap_or("text").to_ascii_lowercase().as_str() {
        "text" => Ok(builder.text_body(content)),
        "html" => Ok(builder.html_body(content)),
        _ => Err(wrong_type("contentType", "microsoft.graph.bodyType")),
    }
}

/// Checks an attachment as it would be written.
pub(in crate::graph) fn check_attachment(value: &Value) -> Result<(), Failure> {
    attachment_part(value, 0).map(|_| ())
}

fn attachment_part(value: &Value, depth: usize) -> Result<MimePart<'static>, Failure> {
    let kind = value.get("@odata.type").and_then(Value::as_str).unwrap_or_default().trim_start_matches('#');
    match kind {
        "microsoft.graph.fileAttachment" => file_part(value),
        "microsoft.graph.itemAttachment" => item_part(value, depth),
        _ => Err(Failure::body_read(
            "An attachment needs '@odata.type': '#microsoft.graph.fileAttachment' or '#microsoft.graph.itemAttachment'.",
        )),
    }
}

fn file_part(value: &Value) -> Result<MimePart<'static>, Failure> {
    let file = schema::FILE_ATTACHMENT.read(value)?;
    let name = required_name(file)?;
    let bytes = STANDARD
        .decode(text(file, "contentBytes")?.unwrap_or_default())
        .map_err(|_| wrong_type("contentBytes", "Edm.Binary"))?;
    let kind = text(file, "contentType")?.filter(|kind| !kind.is_empty()).unwrap_or("application/octet-stream");
    let part = MimePart::new(kind.to_owned(), bytes);
    let content_id = text(file, "contentId")?.filter(|id| !id.is_empty());
    let part = if flag(file, "isInline")? { part.inline() } else { part.attachment(name) };
    Ok(match content_id {
        Some(id) => part.cid(bare_id(id)),
        None => part,
    })
}

fn item_part(value: &Value, depth: usize) -> Result<MimePart<'static>, Failure> {
    let attachment = schema::ITEM_ATTACHMENT.read(value)?;
    let name = required_name(attachment)?;
    let item = attachment.get("item").unwrap_or(&Value::Null);
    let kind = item.get("@odata.type").and_then(Value::as_str).unwrap_or_default().trim_start_matches('#');
    if depth >= MAX_NESTING {
        return Err(Failure::new(400, "ErrorInvalidRequest", "The message is nested too deeply."));
    }
    if kind == "microsoft.graph.message" {
        let inner = nested_message(schema::MESSAGE.read(item)?, depth + 1)?;
        return Ok(MimePart::new("message/rfc822", inner).transfer_encoding("8bit").attachment(name));
    }
    // Events and contacts travel as what they are; nobody here reads calendars.
    let document = serde_json::to_vec(item).map_err(|_| Failure::known("ErrorInternalServerError"))?;
    Ok(MimePart::new("application/json", document).attachment(name))
}

fn required_name(attachment: &Map<String, Value>) -> Result<String, Failure> {
    let name = text(attachment, "name")?.filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| Failure::new(400, "ErrorInvalidRequest", "An attachment needs a name."))
}

/// An id without its angle brackets; the writer adds them.
fn bare_id(id: &str) -> String {
    id.trim().trim_start_matches('<').trim_end_matches('>').replace(['\r', '\n'], "")
}
