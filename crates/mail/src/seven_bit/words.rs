//! Encoded words (RFC 2047): text beyond ASCII in a header field.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// RFC 2047 §2: an encoded word has at most 75 characters.
const MAX_WORD: usize = 75;
/// RFC 5322 §2.1.1
const LINE: usize = 76;

/// The field with its words beyond ASCII encoded; the others stay.
pub(super) fn unstructured(name: &[u8], value: &[u8]) -> Vec<u8> {
    let line: Vec<u8> = value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    let mut out = [name, b":"].concat();
    let mut column = out.len();
    for (blank, word) in ascii_words(&line) {
        let length = blank.len().saturating_add(word.len());
        if column.saturating_add(length) > LINE && !blank.is_empty() && !word.is_empty() {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.extend_from_slice(&blank);
        out.extend_from_slice(&word);
        column = column.saturating_add(length);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Words in ASCII, each with the blanks before it.
fn ascii_words(line: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let words = split(line);
    let is_ours = |at: usize| words.get(at).is_some_and(|(_, word)| !word.is_ascii());
    // Blanks between two encoded words mean nothing (RFC 2047 §6.2): they go into the word, then.
    let joins = |at: usize| words.get(at).is_some_and(|(_, word)| !word.is_ascii() || is_encoded(word));
    let mut out = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some((blank, word)) = words.get(at) {
        if !is_ours(at) {
            out.push((blank.to_vec(), word.to_vec()));
            at += 1;
            continue;
        }
        let mut text = if at > 0 && joins(at - 1) { blank.to_vec() } else { Vec::new() };
        text.extend_from_slice(word);
        at += 1;
        while is_ours(at) {
            let Some((blank, word)) = words.get(at) else { break };
            text.extend_from_slice(blank);
            text.extend_from_slice(word);
            at += 1;
        }
        if let Some((blank, _)) = words.get(at).filter(|_| joins(at)) {
            text.extend_from_slice(blank);
        }
        for (index, encoded) in encoded_words(&text).into_iter().enumerate() {
            out.push((if index == 0 { blank.to_vec() } else { b" ".to_vec() }, encoded));
        }
    }
    out
}

fn is_encoded(word: &[u8]) -> bool {
    word.starts_with(b"=?") && word.ends_with(b"?=")
}

/// Blanks, and the word behind them; the last word may be empty.
fn split(line: &[u8]) -> Vec<(&[u8], &[u8])> {
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let blanks = rest.iter().position(|octet| !is_blank(octet)).unwrap_or(rest.len());
        let (blank, from_word) = rest.split_at_checked(blanks).unwrap_or((rest, &[]));
        let length = from_word.iter().position(is_blank).unwrap_or(from_word.len());
        let (word, behind) = from_word.split_at_checked(length).unwrap_or((from_word, &[]));
        words.push((blank, word));
        rest = behind;
    }
    words
}

/// The text in as many encoded words as it takes, each of which holds whole characters.
pub(super) fn encoded_words(text: &[u8]) -> Vec<Vec<u8>> {
    let charset = if std::str::from_utf8(text).is_ok() { "utf-8" } else { "unknown-8bit" };
    let escaped: usize = text.iter().map(|octet| quoted(*octet).len()).sum();
    // The one that can be read without a decoder, unless the other is much shorter.
    let is_quoted = escaped <= text.len().saturating_mul(2);
    let frame = format!("=?{charset}?{}?", if is_quoted { 'q' } else { 'b' });
    let room = MAX_WORD.saturating_sub(frame.len()).saturating_sub(2);
    let (mut words, mut content) = (Vec::new(), Vec::new());
    let write = |content: &[u8]| {
        let text = if is_quoted {
            content.iter().flat_map(|octet| quoted(*octet)).collect()
        } else {
            BASE64_STANDARD.encode(content).into_bytes()
        };
        [frame.as_bytes(), &text, b"?="].concat()
    };
    for character in characters(text) {
        let length = content.len().saturating_add(character.len());
        let encoded = if is_quoted {
            content.iter().chain(character).map(|octet| quoted(*octet).len()).sum()
        } else {
            length.div_ceil(3) * 4
        };
        if encoded > room && !content.is_empty() {
            words.push(write(&content));
            content.clear();
        }
        content.extend_from_slice(character);
    }
    words.push(write(&content));
    words
}

/// Whole characters, or octets where it is no UTF-8.
fn characters(text: &[u8]) -> Vec<&[u8]> {
    match std::str::from_utf8(text) {
        Ok(text) => text.split_inclusive(|_: char| true).map(str::as_bytes).collect(),
        Err(_) => text.chunks(1).collect(),
    }
}

/// RFC 2047 §4.2 with the narrow set of §5 (3), which may stand in a phrase as well.
fn quoted(octet: u8) -> Vec<u8> {
    match octet {
        b' ' => b"_".to_vec(),
        octet if octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet) => vec![octet],
        octet => format!("={octet:02X}").into_bytes(),
    }
}
