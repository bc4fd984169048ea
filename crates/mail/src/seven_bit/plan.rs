//! What is to be done to each part.

use super::{CannotConvert, Edit, Plan, Work, header};
use crate::mime::{Encoding, Part, Structure};

impl Plan {
    /// Decides about every part of a message that was read by [`Scanner::opening_messages`](crate::mime::Scanner::opening_messages).
    pub fn of(structure: &Structure) -> Result<Self, CannotConvert> {
        let mut planning = Planning { structure, edits: Vec::new() };
        if let Some(root) = structure.root() {
            planning.part(root, Place { is_message: true, is_signed: false })?;
        }
        planning.edits.sort_by_key(|edit| edit.span.start);
        Ok(Self { edits: planning.edits.into() })
    }
}

/// Where a part stands.
#[derive(Clone, Copy)]
struct Place {
    /// It is a message of its own, so its header says that it is MIME.
    is_message: bool,
    /// It is below a signature.
    is_signed: bool,
}

struct Planning<'s> {
    structure: &'s Structure,
    edits: Vec<Edit>,
}

impl Planning<'_> {
    /// Plans a part and what is in it; `true`: a content is encoded there. Nesting is bounded by the scanner.
    fn part(&mut self, part: &Part, place: Place) -> Result<bool, CannotConvert> {
        let has_content = part.octets.beyond_ascii > 0;
        if place.is_signed && (has_content || !part.header.is_ascii()) {
            return Err(CannotConvert::Signed);
        }
        let mut needed = header::Needed::default();
        let mut is_encoded = false;
        if part.children.is_empty() {
            let recoded = if has_content { recoded(part)? } else { None };
            if let Some((work, encoding)) = recoded {
                is_encoded = true;
                needed.encoding = encoding;
                self.edits.push(Edit { span: part.body.clone(), work });
            }
        } else {
            let is_signed = place.is_signed || part.content.media_type == "multipart/signed";
            let is_message = !part.content.is_multipart();
            for child in part.children.iter().filter_map(|position| self.structure.part(*position)) {
                is_encoded |= self.part(child, Place { is_message, is_signed })?;
            }
            needed.encoding = (!is_signed && header::says_8bit(&part.header)).then_some("7bit");
        }
        needed.mime_version = place.is_message && is_encoded;
        needed.charset = match (needed.mime_version && part.children.is_empty(), part.octets.are_utf8()) {
            (false, _) => None,
            (true, true) => Some("utf-8"),
            // RFC 1428 §2: text in a charset that nobody told.
            (true, false) => Some("unknown-8bit"),
        };
        if let Some(other) = header::converted(&part.header, &needed)? {
            let end = part.start.saturating_add(u64::try_from(part.header.len()).unwrap_or(u64::MAX));
            self.edits.push(Edit { span: part.start..end, work: Work::Replace(other) });
        }
        Ok(is_encoded)
    }
}

/// How a content that is 8-bit leaves, and the encoding that its header must say if it says another one.
fn recoded(part: &Part) -> Result<Option<(Work, Option<&'static str>)>, CannotConvert> {
    let media_type = part.content.media_type.as_str();
    // RFC 2046 §5: these are never encoded. A multipart without parts is broken, and not taken apart.
    if part.content.is_multipart() || matches!(media_type, "message/partial" | "message/external-body") {
        return Err(CannotConvert::MediaType(media_type.to_owned()));
    }
    let (work, name) = match part.content.encoding.ok_or(CannotConvert::Encoding)? {
        Encoding::Base64 => (Work::Strip, None),
        Encoding::QuotedPrintable => (Work::Encode(Encoding::QuotedPrintable, Encoding::QuotedPrintable), None),
        Encoding::Identity if is_mostly_ascii_text(part) => {
            (Work::Encode(Encoding::Identity, Encoding::QuotedPrintable), Some("quoted-printable"))
        }
        Encoding::Identity => (Work::Encode(Encoding::Identity, Encoding::Base64), Some("base64")),
    };
    Ok(Some((work, name)))
}

/// Quoted-printable is readable without a decoder; where more than one octet in six is escaped, base64 is shorter.
fn is_mostly_ascii_text(part: &Part) -> bool {
    part.content.media_type.starts_with("text/") && part.octets.beyond_ascii <= part.octets.count / 6
}
