//! A part's header, made to say what its content has become, and to say it in ASCII.

use super::words::encoded_words;
use super::{CannotConvert, parameters, words};
use crate::address_list::{Entry, Mailbox, parse_address_list};
use crate::header::{self, Field, Line};
use crate::header_edit::{FoldedField, HeaderEdits};
use crate::mime::{Content, Encoding};

/// Fields that hold addresses; `resent-` may stand before each.
const ADDRESS_FIELDS: [&str; 10] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "disposition-notification-to",
    "return-receipt-to",
    "errors-to",
    "mail-followup-to",
];

/// Fields that hold identifiers: another spelling would be another one.
const IDENTIFIERS: [&str; 8] = [
    "message-id",
    "resent-message-id",
    "in-reply-to",
    "references",
    "return-path",
    "mime-version",
    "content-id",
    "content-transfer-encoding",
];

/// What the header must say from now on.
#[derive(Debug, Default)]
pub(super) struct Needed {
    pub(super) encoding: Option<&'static str>,
    /// That the message is MIME, if it does not say so.
    pub(super) mime_version: bool,
    /// The charset of a message that says nothing of its content.
    pub(super) charset: Option<&'static str>,
}

/// The header calls its content 8-bit.
pub(super) fn says_8bit(header: &[u8]) -> bool {
    header::fields(header)
        .filter(|field| field.is("content-transfer-encoding"))
        .any(|field| matches!(field.unfolded().to_ascii_lowercase().as_str(), "8bit" | "binary"))
}

/// The header block as it leaves; `None`: as it is.
pub(super) fn converted(header: &[u8], needed: &Needed) -> Result<Option<Vec<u8>>, CannotConvert> {
    let mut edits = HeaderEdits::default();
    let (mut added, mut end) = (needed.fields_missing_in(header), 0);
    let mut encoding = needed.encoding;
    let mut has_edits = !added.is_empty();
    for line in header::lines(header) {
        end = line.span().end;
        let other = match &line {
            Line::Field(field) if needed.encoding.is_some() && field.is("content-transfer-encoding") => {
                encoding.take().map(encoding_field).unwrap_or_default()
            }
            Line::Field(field) if !is_ascii(header, &line) => ascii_field(field)?,
            Line::Other(other) if !other.text.is_ascii() => return Err(CannotConvert::NoField),
            _ => continue,
        };
        edits.replace(line.span(), other);
        has_edits = true;
    }
    if let Some(encoding) = encoding {
        added.extend_from_slice(&encoding_field(encoding));
        has_edits = true;
    }
    if !has_edits {
        return Ok(None);
    }
    if !added.is_empty() {
        added.extend_from_slice(header.get(end..).unwrap_or_default());
        edits.replace(end..header.len(), added);
    }
    let converted = edits.apply(&[], header);
    if means_the_same(header, &converted, needed) { Ok(Some(converted)) } else { Err(CannotConvert::Ambiguous) }
}

/// The content is still found where it lies, and is what it was. A header with lines that are no fields may be read in
/// more than one way, and what is added to it may be overlooked.
fn means_the_same(before: &[u8], after: &[u8], needed: &Needed) -> bool {
    let (before, after) = (Content::parse(before), Content::parse(after));
    let encoding = needed.encoding.map_or(before.encoding, Encoding::parse);
    let is_placed =
        (&after.media_type, &after.boundary, &after.start) == (&before.media_type, &before.boundary, &before.start);
    is_placed && after.encoding == encoding
}

impl Needed {
    fn fields_missing_in(&self, header: &[u8]) -> Vec<u8> {
        let says = |name: &str| header::fields(header).any(|field| field.is(name));
        let mut missing = Vec::new();
        if self.mime_version && !says("mime-version") {
            missing.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        if let Some(charset) = self.charset.filter(|_| !says("content-type")) {
            missing.extend_from_slice(format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes());
        }
        missing
    }
}

fn encoding_field(encoding: &str) -> Vec<u8> {
    format!("Content-Transfer-Encoding: {encoding}\r\n").into_bytes()
}

fn is_ascii(header: &[u8], line: &Line<'_>) -> bool {
    header.get(line.span()).is_none_or(<[u8]>::is_ascii)
}

/// The field in ASCII, with its line end.
fn ascii_field(field: &Field<'_>) -> Result<Vec<u8>, CannotConvert> {
    let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
    let cannot = || CannotConvert::Field(String::from_utf8_lossy(field.name).into_owned());
    if IDENTIFIERS.contains(&name.as_str()) {
        return Err(cannot());
    }
    if matches!(name.as_str(), "content-type" | "content-disposition") {
        let value = parameters::in_ascii(field.value).ok_or_else(cannot)?;
        return Ok([field.name, b":", &value, b"\r\n"].concat());
    }
    if ADDRESS_FIELDS.contains(&name.strip_prefix("resent-").unwrap_or(&name)) {
        return addresses(field);
    }
    Ok(words::unstructured(field.name, field.value))
}

/// Display names go into encoded words; an address cannot.
fn addresses(field: &Field<'_>) -> Result<Vec<u8>, CannotConvert> {
    let name = || String::from_utf8_lossy(field.name).into_owned();
    let list = parse_address_list(field.value).map_err(|_| CannotConvert::Field(name()))?;
    if list.mailboxes().any(|mailbox| !mailbox.address.as_str().is_ascii()) {
        return Err(CannotConvert::International(name()));
    }
    if !list.is_plain || list.mailboxes().any(|mailbox| !mailbox.is_plain) {
        return Err(CannotConvert::Field(name()));
    }
    let mut out = FoldedField::new(field.name);
    for entry in &list.entries {
        let item = match entry {
            Entry::Mailbox(mailbox) => in_ascii(mailbox, field.value),
            Entry::Group { name: group, members } => {
                let members: Option<Vec<Vec<u8>>> =
                    members.iter().map(|member| in_ascii(member, field.value)).collect();
                let group = phrase(field.value.get(group.clone()).unwrap_or_default());
                members.map(|members| [&group, &b": "[..], &members.join(&b", "[..]), b";"].concat())
            }
        };
        out.item(&item.ok_or_else(|| CannotConvert::Field(name()))?);
    }
    Ok(out.finish())
}

/// `None`: it has comments that nobody could tell from what must stay.
fn in_ascii(mailbox: &Mailbox, value: &[u8]) -> Option<Vec<u8>> {
    let written = mailbox.bytes_in(value);
    if written.is_ascii() {
        return Some(written.to_vec());
    }
    let name = value.get(mailbox.display_name.clone()?)?;
    let rest = value.get(mailbox.display_name.clone()?.end..mailbox.span.end)?;
    rest.is_ascii().then(|| [&phrase(name), &b" "[..], rest.trim_ascii()].concat())
}

/// The name as people read it, in encoded words; one that is ASCII stays.
fn phrase(written: &[u8]) -> Vec<u8> {
    if written.is_ascii() {
        return written.to_vec();
    }
    let mut name = Vec::with_capacity(written.len());
    let mut octets = written.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' | b'\r' | b'\n' => {}
            b'\\' => name.extend(octets.next()),
            octet => name.push(octet),
        }
    }
    encoded_words(&name).join(&b"\r\n "[..])
}
