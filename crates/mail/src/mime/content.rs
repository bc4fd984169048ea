//! What a part's header says about its content (RFC 2045, RFC 2183, RFC 2231).

use std::sync::LazyLock;

use mail_parser::{MessageParser, MimeHeaders as _};

use super::Encoding;

static PARSER: LazyLock<MessageParser> =
    LazyLock::new(|| MessageParser::new().with_mime_headers().default_header_raw());

/// Where the author wants the content shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// No such field.
    Unsaid,
    Inline,
    Attachment,
}

/// The MIME fields of one part, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// `text/html`, in lower case; `text/plain` where nothing is said.
    pub media_type: String,
    pub charset: Option<String>,
    /// Of a multipart.
    pub boundary: Option<String>,
    /// Which part of a `multipart/related` the others belong to: its Content-ID without angle brackets.
    pub start: Option<String>,
    /// The name of the file, from Content-Disposition or Content-Type.
    pub name: Option<String>,
    pub disposition: Disposition,
    /// Without angle brackets.
    pub id: Option<String>,
    /// `None`: an encoding nobody knows, so the content cannot be read.
    pub encoding: Option<Encoding>,
}

impl Content {
    /// Reads the fields of a header block.
    pub fn parse(header: &[u8]) -> Self {
        let message = PARSER.parse_headers(header);
        let content_type = message.as_ref().and_then(|it| it.content_type());
        let attribute = |name: &str| {
            let value = content_type.and_then(|it| it.attribute(name)).map(|text| text.trim().to_owned());
            value.filter(|text| !text.is_empty())
        };
        let disposition = message.as_ref().and_then(|it| it.content_disposition());
        let named = message.as_ref().and_then(|it| it.attachment_name()).map(|name| name.trim().to_owned());
        let encoding = message.as_ref().and_then(|it| it.content_transfer_encoding()).unwrap_or_default();
        Self {
            media_type: content_type.map_or_else(
                || "text/plain".to_owned(),
                |it| format!("{}/{}", it.ctype(), it.subtype().unwrap_or_default()).to_ascii_lowercase(),
            ),
            charset: attribute("charset"),
            boundary: attribute("boundary"),
            start: attribute("start").map(|id| bare(&id)),
            name: named.filter(|name| !name.is_empty()),
            disposition: match disposition.map(|it| it.ctype().to_ascii_lowercase()).as_deref() {
                None => Disposition::Unsaid,
                Some("inline") => Disposition::Inline,
                // RFC 2183 §2.8: an unknown disposition is an attachment.
                Some(_) => Disposition::Attachment,
            },
            id: message.as_ref().and_then(|it| it.content_id()).map(bare).filter(|id| !id.is_empty()),
            encoding: Encoding::parse(encoding),
        }
    }

    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }
}

fn bare(id: &str) -> String {
    id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling_in_use() {
        let table = [
            ("Content-Disposition: attachment; filename=\"a b.txt\"\r\n\r\n", "a b.txt", "quoted"),
            ("Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn.txt\r\n\r\n", "grün.txt", "RFC 2231"),
            (
                "Content-Disposition: attachment;\r\n filename*0*=utf-8''gr%C3%BC;\r\n filename*1=\"n.txt\"\r\n\r\n",
                "grün.txt",
                "RFC 2231 in pieces",
            ),
            (
                "Content-Disposition: attachment; filename=\"=?utf-8?q?gr=C3=BCn.txt?=\"\r\n\r\n",
                "grün.txt",
                "RFC 2047, where it must not be but is",
            ),
            ("Content-Type: image/png; name=grün.png\r\n\r\n", "grün.png", "UTF-8 in the type"),
        ];
        for (header, name, why) in table {
            assert_eq!(Content::parse(header.as_bytes()).name.as_deref(), Some(name), "{why}");
        }
    }

    #[test]
    fn nothing_said_means_plain_text() {
        let content = Content::parse(b"Subject: hi\r\n\r\n");
        assert_eq!((content.media_type.as_str(), content.encoding), ("text/plain", Some(Encoding::Identity)));
        assert_eq!(content.disposition, Disposition::Unsaid);
    }

    #[test]
    fn the_fields_of_a_related_part_are_read() {
        let content = Content::parse(
            b"Content-Type: Multipart/Related; boundary=\"=_x y\"; start=\"<root@x>\"\r\nContent-ID: <a@b>\r\n\
              Content-Transfer-Encoding: x-strange\r\nContent-Disposition: INLINE\r\n\r\n",
        );
        assert_eq!(content.media_type, "multipart/related");
        assert_eq!((content.boundary.as_deref(), content.start.as_deref()), (Some("=_x y"), Some("root@x")));
        assert_eq!((content.id.as_deref(), content.disposition), (Some("a@b"), Disposition::Inline));
        assert_eq!(content.encoding, None);
    }
}
