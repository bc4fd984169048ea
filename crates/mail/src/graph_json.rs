//! A message as Microsoft Graph's JSON `message`, for what does not fit one request as MIME.
//!
//! Promise: [`plan`] is a plain function of a message's structure. What JSON can say is said; what it cannot say is either
//! in the table of `docs/graph-fidelity.md` or makes the whole message [`Unsupported`]: nothing is mangled. The
//! recipients are the given ones, never one more, never one fewer: To and Cc as the header names them, everybody
//! else Bcc.
//!
//! Left to others: reading and decoding the content of parts (`mime::Decoder`), uploading. The plan says which part is
//! the body and which parts are files, in the order they stand in the message.

mod body;
mod header;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::Address;
use crate::mime::{Content, Disposition, Encoding, Part, Structure, TooComplex};

/// Decoded text a draft may have. The request that makes the draft is limited to 4 MiB like every other, and JSON makes
/// text longer, HTML by a few percent.
pub const MAX_BODY_BYTES: u64 = 3 * 1024 * 1024;

/// Why a message cannot be sent in JSON form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    #[error("the message is digitally signed ({0}), and taking it apart would break the signature")]
    Signed(String),
    #[error("the message is encrypted ({0})")]
    Encrypted(String),
    #[error("Graph's JSON form has nothing for a {0}")]
    MediaType(String),
    #[error("a part of the message is encoded in an unknown way")]
    Encoding,
    #[error("the text is in the character set {0}, which is unknown here")]
    Charset(String),
    #[error("the text alone, without its attachments, is larger than Graph takes at once")]
    BodyTooLarge,
    #[error(transparent)]
    TooComplex(#[from] TooComplex),
}

/// A part that becomes an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its position in the structure; files are in ascending order.
    pub part: usize,
    pub name: String,
    /// Without parameters.
    pub media_type: String,
    /// Shown within the text, at its `content_id`.
    pub is_inline: bool,
    pub content_id: Option<String>,
    /// Once decoded, in octets.
    pub size: u64,
}

/// The part that becomes the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub part: usize,
    pub is_html: bool,
    pub charset: Option<String>,
}

/// How the message is put together again at Graph.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonMessage {
    /// The draft without its body and attachments.
    fields: Map<String, Value>,
    /// `None`: the message has files only.
    pub body: Option<Body>,
    pub files: Vec<File>,
}

impl JsonMessage {
    /// The draft, given the decoded content of the body's part. `properties` are MAPI properties of the caller's own.
    pub fn draft(&self, body: &[u8], properties: &[(&str, &str)]) -> Result<Value, Unsupported> {
        let mut fields = self.fields.clone();
        let kind = if self.body.as_ref().is_some_and(|body| body.is_html) { "html" } else { "text" };
        let charset = self.body.as_ref().and_then(|body| body.charset.as_deref());
        fields.insert("body".to_owned(), json!({"contentType": kind, "content": body::text(body, charset)?}));
        if let Some(Value::Array(all)) = fields.get_mut("singleValueExtendedProperties") {
            all.extend(properties.iter().map(|(id, value)| json!({"id": id, "value": value})));
        }
        Ok(Value::Object(fields))
    }
}

/// Makes the plan for a message to `recipients`.
pub fn plan(structure: &Structure, recipients: &[&Address]) -> Result<JsonMessage, Unsupported> {
    let mut plan = Plan { structure, body: None, files: Vec::new(), names: HashMap::new() };
    plan.part(0, Place::Root)?;
    // Alternatives are looked at best first; the files lie in the message in another order.
    plan.files.sort_by_key(|file| file.part);
    let root = structure.root().map(|part| part.header.as_slice()).unwrap_or_default();
    Ok(JsonMessage { fields: header::fields(root, recipients), body: plan.body, files: plan.files })
}

/// What stands around a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// In a `multipart/related`, but not its root.
    Related,
}

struct Plan<'s> {
    structure: &'s Structure,
    body: Option<Body>,
    files: Vec<File>,
    names: HashMap<String, u32>,
}

impl Plan<'_> {
    fn part(&mut self, position: usize, place: Place) -> Result<(), Unsupported> {
        let Some(part) = self.structure.part(position) else { return Ok(()) };
        check(&part.content)?;
        if part.content.is_multipart() {
            return self.multipart(part, place);
        }
        let is_html = part.content.media_type == "text/html";
        let is_text = is_html || part.content.media_type == "text/plain";
        let is_shown = part.content.disposition != Disposition::Attachment && part.content.name.is_none();
        if is_text && is_shown && place == Place::Root && self.body.is_none() {
            if part.decoded_bytes > MAX_BODY_BYTES {
                return Err(Unsupported::BodyTooLarge);
            }
            self.body = Some(Body { part: position, is_html, charset: part.content.charset.clone() });
            return Ok(());
        }
        self.file(position, part, place);
        Ok(())
    }

    fn multipart(&mut self, part: &Part, place: Place) -> Result<(), Unsupported> {
        match part.content.media_type.as_str() {
            "multipart/mixed" => part.children.iter().try_for_each(|child| self.part(*child, place)),
            "multipart/related" => self.related(part, place),
            "multipart/alternative" => self.alternative(part, place),
            other => Err(Unsupported::MediaType(other.to_owned())),
        }
    }

    /// RFC 2387: one part is the root, the others are shown within it.
    fn related(&mut self, part: &Part, place: Place) -> Result<(), Unsupported> {
        let is_start = |child: &&usize| {
            let id = self.structure.part(**child).and_then(|it| it.content.id.as_deref());
            part.content.start.is_some() && part.content.start.as_deref() == id
        };
        let root = part.children.iter().find(is_start).or_else(|| part.children.first()).copied();
        part.children
            .iter()
            .try_for_each(|child| self.part(*child, if Some(*child) == root { place } else { Place::Related }))
    }

    /// RFC 2046 §5.1.4: the same content several times. Graph's message has room for one text: the HTML if there is one.
    /// Exchange writes the plain text anew from it. An alternative that is no text (an invitation) becomes a file.
    fn alternative(&mut self, part: &Part, place: Place) -> Result<(), Unsupported> {
        let best = part.children.iter().copied().find(|child| self.shows(*child, "text/html"));
        let best = best.or_else(|| part.children.iter().copied().find(|child| self.shows(*child, "text/plain")));
        if let Some(best) = best {
            self.part(best, place)?;
        }
        for child in part.children.iter().copied().filter(|child| Some(*child) != best) {
            let Some(other) = self.structure.part(child) else { continue };
            check(&other.content)?;
            let is_same_text = best.is_some() && (is_plain_or_rich(&other.content) || other.content.is_multipart());
            if !is_same_text {
                self.part(child, Place::Related)?;
            } else if other.content.is_multipart() {
                self.files_of(child)?;
            }
        }
        Ok(())
    }

    /// The files inside an alternative that was not chosen.
    fn files_of(&mut self, position: usize) -> Result<(), Unsupported> {
        let Some(part) = self.structure.part(position) else { return Ok(()) };
        check(&part.content)?;
        for child in part.children.iter().copied() {
            match self.structure.part(child) {
                Some(it) if it.content.is_multipart() => self.files_of(child)?,
                Some(it) if !is_plain_or_rich(&it.content) => self.part(child, Place::Related)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a reader would show this part as text of that type.
    fn shows(&self, position: usize, media_type: &str) -> bool {
        let Some(part) = self.structure.part(position) else { return false };
        if part.content.is_multipart() {
            return part.children.iter().any(|child| self.shows(*child, media_type));
        }
        part.content.media_type == media_type && part.content.disposition != Disposition::Attachment
    }

    fn file(&mut self, position: usize, part: &Part, place: Place) {
        let content = &part.content;
        let id = content.id.clone();
        // Without an id nothing in the text can point at it, so it would be shown nowhere.
        let is_inline = id.is_some()
            && (place == Place::Related || content.disposition == Disposition::Inline)
            && content.disposition != Disposition::Attachment;
        let name = self.name(part);
        self.files.push(File {
            part: position,
            name,
            media_type: content.media_type.clone(),
            is_inline,
            content_id: id,
            size: part.decoded_bytes,
        });
    }

    /// Graph wants a name for every attachment.
    fn name(&mut self, part: &Part) -> String {
        if let Some(name) = &part.content.name {
            return name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        let (stem, extension) = match part.content.media_type.as_str() {
            "message/rfc822" | "message/global" => ("message", "eml"),
            "text/calendar" => ("invite", "ics"),
            "application/ms-tnef" => ("winmail", "dat"),
            "text/plain" => ("text", "txt"),
            "text/html" => ("text", "html"),
            "image/jpeg" => ("image", "jpg"),
            "image/svg+xml" => ("image", "svg"),
            other => match other.split_once('/') {
                Some(("image", kind)) => ("image", kind),
                Some(("text", "csv")) => ("text", "csv"),
                Some(("application", kind @ ("pdf" | "zip" | "json" | "xml"))) => ("attachment", kind),
                _ => ("attachment", "bin"),
            },
        };
        let count = self.names.entry(format!("{stem}.{extension}")).or_default();
        *count += 1;
        if *count == 1 { format!("{stem}.{extension}") } else { format!("{stem}-{count}.{extension}") }
    }
}

fn is_plain_or_rich(content: &Content) -> bool {
    matches!(
        content.media_type.as_str(),
        "text/plain" | "text/html" | "text/enriched" | "text/richtext" | "text/x-amp-html"
    ) && content.name.is_none()
}

/// What must not be taken apart, or cannot be read.
fn check(content: &Content) -> Result<(), Unsupported> {
    let kind = content.media_type.as_str();
    match kind {
        "multipart/signed" => return Err(Unsupported::Signed(kind.to_owned())),
        "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
            return Err(Unsupported::Encrypted(kind.to_owned()));
        }
        "message/partial" | "message/external-body" => return Err(Unsupported::MediaType(kind.to_owned())),
        _ => {}
    }
    if content.is_multipart() {
        let is_divided = matches!(content.encoding, Some(Encoding::Identity));
        return if is_divided { Ok(()) } else { Err(Unsupported::Encoding) };
    }
    if content.encoding.is_none() { Err(Unsupported::Encoding) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
