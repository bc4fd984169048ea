//! Header fields of a description: read strictly, written by the builder.

use std::fmt;

use mail_builder::headers::HeaderType;
use mail_builder::headers::address;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{ComposeError, Mailboxes};
use crate::Address;
use crate::address_list::{Mailbox, parse_address_list};

/// RFC 5322 §2.1.1 bounds a line at 998 octets: a name must leave room for a value.
const MAX_HEADER_NAME_BYTES: usize = 76;

/// Somebody with an address and perhaps a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) name: Option<String>,
    pub(super) address: Address,
}

pub(super) fn one_mailbox(field: &str, text: &str) -> Result<Party, ComposeError> {
    let mut parties = parties(field, text)?;
    match (parties.pop(), parties.is_empty()) {
        (Some(party), true) => Ok(party),
        _ => Err(ComposeError::new(field, "give one mailbox, as in \"Name <user@example.org>\"")),
    }
}

pub(super) fn mailboxes(field: &str, mailboxes: &Mailboxes) -> Result<Vec<Party>, ComposeError> {
    let mut all = Vec::new();
    for text in &mailboxes.0 {
        all.extend(parties(field, text)?);
    }
    Ok(all)
}

fn parties(field: &str, text: &str) -> Result<Vec<Party>, ComposeError> {
    refuse_control_characters(field, text)?;
    let not_understood = || {
        let reason = format!(
            "{text:?} is not a mailbox: write user@example.org or \"Name <user@example.org>\", the name in quotes if it \
             holds a comma or an @"
        );
        ComposeError::new(field, reason)
    };
    let list = parse_address_list(text.as_bytes()).map_err(|_| not_understood())?;
    let is_plain = list.is_plain && list.mailboxes().all(|mailbox| mailbox.is_plain);
    let parties: Vec<Party> = list.mailboxes().map(|mailbox| party(mailbox, text)).collect();
    if parties.is_empty() || !is_plain { Err(not_understood()) } else { Ok(parties) }
}

fn party(mailbox: &Mailbox, text: &str) -> Party {
    let phrase = mailbox.display_name.clone().and_then(|span| text.get(span));
    Party { name: phrase.map(unquoted).filter(|name| !name.is_empty()), address: mailbox.address.clone() }
}

/// The phrase as people read it: quotes gone, escapes undone.
fn unquoted(phrase: &str) -> String {
    let mut name = String::with_capacity(phrase.len());
    let mut chars = phrase.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' => name.extend(chars.next()),
            c => name.push(c),
        }
    }
    name
}

pub(super) fn header(parties: &[Party]) -> HeaderType<'static> {
    let written =
        parties.iter().map(|party| address::Address::new_address(party.name.clone(), party.address.to_string()));
    address::Address::new_list(written.collect()).into()
}

pub(super) fn refuse_control_characters(field: &str, text: &str) -> Result<(), ComposeError> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ComposeError::new(
            field,
            "line breaks and control characters are not allowed here: leave them out",
        ));
    }
    Ok(())
}

/// Fields that the description's own keys say, that describe the MIME structure, or that are the transport's to write.
fn whose_header(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "from" => Some("use from"),
        "to" => Some("use to"),
        "cc" => Some("use cc"),
        "bcc" => Some("use bcc"),
        "reply-to" => Some("use reply_to"),
        "subject" => Some("use subject"),
        "sender" | "return-path" | "received" | "dkim-signature" | "mime-version" => Some("it is written on the way"),
        _ if name.starts_with("content-") => Some("it follows from text, html and attachments"),
        _ if name.starts_with("resent-") => Some("resending is not done through headers"),
        _ => None,
    }
}

pub(super) fn check_further_header(name: &str, value: &str) -> Result<(), ComposeError> {
    let field = format!("headers.{name}");
    let is_name = !name.is_empty()
        && name.len() <= MAX_HEADER_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_name {
        let reason = format!(
            "a header name has up to {MAX_HEADER_NAME_BYTES} letters, digits, hyphens and underscores, as in X-Order-Id"
        );
        return Err(ComposeError::new("headers", format!("{name:?}: {reason}")));
    }
    if let Some(instead) = whose_header(name) {
        return Err(ComposeError::new(field, format!("this header cannot be set here: {instead}")));
    }
    refuse_control_characters(&field, value)
}

impl<'de> Deserialize<'de> for Mailboxes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MailboxesVisitor)
    }
}

struct MailboxesVisitor;

impl<'de> Visitor<'de> for MailboxesVisitor {
    type Value = Mailboxes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mailbox such as \"Name <user@example.org>\", or an array of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Mailboxes, E> {
        Ok(Mailboxes(vec![text.to_owned()]))
    }

    fn visit_unit<E: Error>(self) -> Result<Mailboxes, E> {
        Ok(Mailboxes::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Mailboxes, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = sequence.next_element()? {
            all.push(text);
        }
        Ok(Mailboxes(all))
    }
}
