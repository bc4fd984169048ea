//! Parameters of Content-Type and Content-Disposition beyond ASCII, in the form of RFC 2231.

/// RFC 5322 §2.1.1 bounds a line; a longer name of a file is none.
const MAX_VALUE: usize = 900;

/// The field's value in ASCII, without its line end. `None`: what is beyond ASCII is no value of a parameter.
pub(super) fn in_ascii(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len().saturating_mul(2));
    for (index, piece) in split(value).into_iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        if piece.is_ascii() {
            out.extend_from_slice(piece);
        } else {
            out.extend_from_slice(b"\r\n ");
            out.extend_from_slice(&parameter(piece.trim_ascii())?);
        }
    }
    Some(out)
}

/// Apart at semicolons outside quotes.
fn split(value: &[u8]) -> Vec<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value
        .split(|octet| {
            let ends = *octet == b';' && !is_quoted;
            match octet {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                _ => {}
            }
            ends
        })
        .collect()
}

/// `name="grün"` as `name*=utf-8''gr%C3%BCn`. A delimiter's name can be said in no other way than it is.
fn parameter(piece: &[u8]) -> Option<Vec<u8>> {
    let equals = piece.iter().position(|octet| *octet == b'=')?;
    let (name, value) = (piece.get(..equals)?.trim_ascii(), piece.get(equals.saturating_add(1)..)?.trim_ascii());
    let is_name = !name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
    if !is_name || name.eq_ignore_ascii_case(b"boundary") {
        return None;
    }
    let value = unquoted(value)?;
    let charset: &[u8] = if std::str::from_utf8(&value).is_ok() { b"utf-8" } else { b"unknown-8bit" };
    let mut out = [name, b"*=", charset, b"''"].concat();
    for octet in value {
        if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
            out.push(octet);
        } else {
            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
        }
    }
    (out.len() <= MAX_VALUE).then_some(out)
}

/// `None`: there is something behind the quotes.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let inside = match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\"")?,
        None => value,
    };
    let mut out = Vec::with_capacity(inside.len());
    let mut octets = inside.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' | b'\n' => {}
            b'\\' if value.starts_with(b"\"") => out.push(octets.next()?),
            octet => out.push(octet),
        }
    }
    Some(out)
}
