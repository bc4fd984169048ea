//! The copy a recipient sees: what Exchange takes out of a message and puts into it on the way.

use crate::config::Behaviour;
use crate::mailbox::StoredMessage;

/// The message as a recipient finds it: without Bcc and Auto-Submitted, with the service's Return-Path, with the mailbox
/// as author if it named none, and changed further as `behaviour` says. The body is untouched.
pub(crate) fn delivered_copy(message: &StoredMessage, behaviour: &Behaviour) -> Vec<u8> {
    let raw = message.raw.as_ref();
    let mut out = Vec::with_capacity(raw.len() + 128);
    out.extend_from_slice(format!("Return-Path: <{}>\r\n", message.delivery.mailbox).as_bytes());
    if message.delivery.from.is_none() {
        out.extend_from_slice(format!("From: {}\r\n", message.delivery.mailbox).as_bytes());
    }
    if behaviour.replace_message_id {
        out.extend_from_slice(format!("Message-ID: <{}@sandbox.invalid>\r\n", message.delivery.id).as_bytes());
    }
    let mut rest = raw;
    let mut keep = true;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            keep = !is_removed(line, behaviour);
        }
        if keep {
            out.extend_from_slice(line);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.split_at(end)
}

fn is_removed(line: &[u8], behaviour: &Behaviour) -> bool {
    let end = line.iter().position(|&byte| byte == b':').unwrap_or(0);
    let name = line.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match name.as_slice() {
        b"bcc" | b"auto-submitted" | b"return-path" => true,
        b"message-id" => behaviour.replace_message_id,
        other => behaviour.drop_x_headers && other.starts_with(b"x-"),
    }
}
