//! `xtext` (RFC 3461 §4): printable ASCII in which `+` and two hexadecimal digits stand for any other octet.

/// The text behind `xtext`; `None` when it is malformed, is not UTF-8, or hides a control character (which would
/// otherwise travel into the header of a report).
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => octets.push(hexadecimal(rest.next()?)? * 16 + hexadecimal(rest.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => octets.push(octet),
            _ => return None,
        }
    }
    let decoded = String::from_utf8(octets).ok()?;
    if decoded.chars().any(char::is_control) { None } else { Some(decoded) }
}

/// Upper case only, as RFC 3461 has it, but lower case is in use.
fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Appends `text` as xtext.
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text.bytes() {
        if (b'!'..=b'~').contains(&octet) && octet != b'+' && octet != b'=' {
            out.push(octet);
        } else {
            out.push(b'+');
            out.extend(DIGITS.get(usize::from(octet >> 4)));
            out.extend(DIGITS.get(usize::from(octet & 15)));
        }
    }
}

/// The address of an `ORCPT=utf-8;…` (RFC 6533 §3): characters as they are, or as `\x{HEX}`.
pub(crate) fn decode_unitext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        let (digits, after) = escaped.strip_prefix("x{")?.split_once('}')?;
        decoded.push_str(before);
        decoded.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = after;
    }
    decoded.push_str(rest);
    if decoded.chars().any(char::is_control) { None } else { Some(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_gives_the_text_or_nothing() {
        for (xtext, text) in [
            ("plain", Some("plain")),
            ("a+2Bb+3Dc", Some("a+b=c")), // the two characters that must be escaped
            ("a+2bb", Some("a+b")),       // lower-case digits are in use
            ("a+C3+BCb", Some("aüb")),    // UTF-8 in octets
            ("a+0D+0AX", None),           // a line break for the report's header
            ("a+00", None),
            ("a+2", None), // cut short
            ("a+GG", None),
            ("a=b", None),  // must be escaped
            ("a b", None),  // cannot occur in a parameter
            ("+FF", None),  // not UTF-8
            ("", Some("")), // an empty ENVID is the session's business
        ] {
            assert_eq!(decode(xtext).as_deref(), text, "{xtext}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        for text in ["plain", "a+b=c d", "rfc822;üser@exämple.test", "\u{1f4e7}"] {
            let mut out = Vec::new();
            encode(text, &mut out);
            let xtext = String::from_utf8(out).unwrap();
            assert!(xtext.is_ascii() && !xtext.contains(' '), "{xtext}");
            assert_eq!(decode(&xtext).as_deref(), Some(text));
        }
    }

    #[test]
    fn unitext_takes_characters_and_escapes() {
        for (unitext, text) in [
            (r"\x{FC}ser@x.test", Some("üser@x.test")),
            ("üser@x.test", Some("üser@x.test")),
            (r"\x{D}", None),      // carriage return
            (r"\x{110000}", None), // no such character
            (r"\x{FC", None),
            (r"a\b", None),
        ] {
            assert_eq!(decode_unitext(unitext).as_deref(), text, "{unitext}");
        }
    }
}
