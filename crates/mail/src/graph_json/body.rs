//! The text of the body: bytes in a character set become text.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::Unsupported;

/// The decoded text. A line break stays what it is.
pub(super) fn text(bytes: &[u8], charset: Option<&str>) -> Result<String, Unsupported> {
    // Whatever is said, text that is valid UTF-8 and not plain ASCII was hardly meant to be anything else, and nothing said
    // means ASCII. The stateful ISO-2022 sets are ASCII bytes with another meaning.
    let is_stateful = charset.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.starts_with("iso-2022") || name == "utf-7" || name == "hz-gb-2312"
    });
    if !is_stateful && let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let name = charset.unwrap_or("us-ascii");
    match name.to_ascii_lowercase().as_str() {
        // Said wrongly; as everybody reads it.
        "us-ascii" | "ascii" => Ok(decode("windows-1252", bytes).unwrap_or_default()),
        "utf-8" | "utf8" => Ok(String::from_utf8_lossy(bytes).into_owned()),
        name => decode(name, bytes).ok_or_else(|| Unsupported::Charset(name.to_owned())),
    }
}

fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    charset_decoder(charset.as_bytes()).map(|decode| decode(bytes))
}
