//! Attachments of a description, as MIME parts.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId;
use mail_builder::mime::{BodyPart, MimePart};

use super::{Attachment, ComposeError, fields};
use crate::line_endings::Canonicalizer;

/// Padding is not insisted on: half of all encoders leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn part(index: usize, attachment: Attachment) -> Result<MimePart<'static>, ComposeError> {
    let field = |name: &str| format!("attachments[{index}].{name}");
    fields::refuse_control_characters(&field("filename"), &attachment.filename)?;
    let content = decoded(&field("content"), &attachment.content)?;
    let content_type = attachment.content_type.as_deref().unwrap_or("application/octet-stream");
    let content_type = parsed(&field("content_type"), content_type)?;
    let is_message = content_type.c_type.starts_with("message/");
    let mut part = if is_message {
        // RFC 2046 §5.2.1: a message within a message is never base64.
        MimePart::new(content_type, BodyPart::Binary(canonical(&content).into())).transfer_encoding("8bit")
    } else {
        MimePart::new(content_type, BodyPart::Binary(content.into()))
    };
    let Some(content_id) = attachment.content_id else { return Ok(part.attachment(attachment.filename)) };
    check_content_id(&field("content_id"), &content_id)?;
    let disposition = ContentType::new("inline").attribute("filename", attachment.filename);
    part = part.header("Content-Disposition", disposition);
    Ok(part.header("Content-ID", MessageId::new(content_id)))
}

/// Line breaks are left out: encoders wrap at 76 characters.
fn decoded(field: &str, content: &str) -> Result<Vec<u8>, ComposeError> {
    let compact: Vec<u8> = content.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(compact);
    decoded.map_err(|error| ComposeError::new(field, format!("not base64 ({error}): encode the file's bytes")))
}

fn canonical(message: &[u8]) -> Vec<u8> {
    let mut lines = Canonicalizer::default();
    let mut out = lines.push(message).into_owned();
    out.extend_from_slice(lines.finish());
    out
}

/// `type/subtype; key=value`
fn parsed(field: &str, text: &str) -> Result<ContentType<'static>, ComposeError> {
    let wrong = |reason: &str| ComposeError::new(field, format!("{text:?} {reason}"));
    let mut parts = text.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_media_type = media_type.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if !is_media_type {
        return Err(wrong("is not a media type: write one such as application/pdf"));
    }
    if media_type.starts_with("multipart/") {
        return Err(wrong("cannot be attached: send its parts as attachments"));
    }
    let mut content_type = ContentType::new(media_type);
    for parameter in parts {
        let (key, value) = parameter.split_once('=').ok_or_else(|| wrong("has a parameter without '='"))?;
        let value = value.trim().trim_matches('"');
        if !is_token(key.trim()) || value.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
            return Err(wrong("has a parameter that cannot be written"));
        }
        content_type = content_type.attribute(key.trim().to_owned(), value.to_owned());
    }
    Ok(content_type)
}

/// RFC 2045 §5.1
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
}

fn check_content_id(field: &str, id: &str) -> Result<(), ComposeError> {
    let is_id =
        !id.is_empty() && id.len() <= 200 && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\(),".contains(&b));
    if is_id {
        return Ok(());
    }
    Err(ComposeError::new(field, "write the id as in src=\"cid:ID\", without angle brackets and blanks"))
}
