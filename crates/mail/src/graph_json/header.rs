//! The header fields that JSON has properties for.

use std::collections::HashSet;
use std::sync::LazyLock;

use mail_parser::{Addr, HeaderName, Message, MessageParser};
use serde_json::{Map, Value, json};

use crate::Address;
use crate::header::{self, Field, Line};

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::From)
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_address(HeaderName::ReplyTo)
        .header_text(HeaderName::Subject)
        .default_header_raw()
});

/// Graph takes this many internet message headers.
const MAX_CUSTOM_FIELDS: usize = 5;

/// A header line that long is folded by nobody; Exchange stores no more of a property that travels in a header.
const MAX_VALUE_CHARS: usize = 32_000;

/// MAPI properties that Exchange turns into header fields.
const PROPERTIES: [(&str, &str); 3] =
    [("in-reply-to", "String 0x1042"), ("references", "String 0x1039"), ("list-unsubscribe", "String 0x1045")];

/// Every property that comes from the header.
pub(super) fn fields(block: &[u8], recipients: &[&Address]) -> Map<String, Value> {
    let raw = Raw::read(block);
    // `None`: the block has no field at all. A message made by default would have no part to ask.
    let message = PARSER.parse_headers(block);
    let message = message.as_ref();
    let mut fields = Map::new();
    fields.insert("subject".to_owned(), json!(message.and_then(Message::subject).unwrap_or_default()));
    if let Some(from) = message.and_then(Message::from).and_then(|list| list.iter().find_map(mailbox)) {
        fields.insert("from".to_owned(), from);
    }
    add_recipients(&mut fields, message, recipients);
    let reply_to = message.and_then(Message::reply_to).into_iter().flat_map(mail_parser::Address::iter);
    let reply_to: Vec<Value> = reply_to.filter_map(mailbox).collect();
    if !reply_to.is_empty() {
        fields.insert("replyTo".to_owned(), Value::Array(reply_to));
    }
    if let Some(id) = raw.first("message-id").filter(|id| id.starts_with('<') && id.ends_with('>')) {
        fields.insert("internetMessageId".to_owned(), json!(id));
    }
    fields.insert("importance".to_owned(), json!(importance(&raw)));
    if raw.first("disposition-notification-to").is_some() {
        fields.insert("isReadReceiptRequested".to_owned(), json!(true));
    }
    if raw.first("return-receipt-to").is_some() {
        fields.insert("isDeliveryReceiptRequested".to_owned(), json!(true));
    }
    fields.insert("singleValueExtendedProperties".to_owned(), Value::Array(properties(&raw)));
    let custom = custom_fields(&raw);
    if !custom.is_empty() {
        fields.insert("internetMessageHeaders".to_owned(), Value::Array(custom));
    }
    fields
}

/// Recipients that the header names are where it names them, with their display names; all others are blind.
fn add_recipients(fields: &mut Map<String, Value>, message: Option<&Message<'_>>, recipients: &[&Address]) {
    let mut left: HashSet<&Address> = recipients.iter().copied().collect();
    let to = message.into_iter().flat_map(Message::all_to).flat_map(mail_parser::Address::iter);
    let to: Vec<Value> = to.filter_map(|entry| take(&mut left, entry)).collect();
    let cc = message.into_iter().flat_map(Message::all_cc).flat_map(mail_parser::Address::iter);
    let cc: Vec<Value> = cc.filter_map(|entry| take(&mut left, entry)).collect();
    let blind = recipients.iter().filter(|address| left.remove(**address)).map(|address| entry(None, address.as_str()));
    let bcc: Vec<Value> = blind.collect();
    for (name, list) in [("toRecipients", to), ("ccRecipients", cc), ("bccRecipients", bcc)] {
        fields.insert(name.to_owned(), Value::Array(list));
    }
}

fn take(left: &mut HashSet<&Address>, found: &Addr<'_>) -> Option<Value> {
    let address: Address = found.address()?.trim().parse().ok()?;
    left.remove(&address).then(|| entry(found.name(), address.as_str()))
}

fn mailbox(found: &Addr<'_>) -> Option<Value> {
    let address: Address = found.address()?.trim().parse().ok()?;
    Some(entry(found.name(), address.as_str()))
}

fn entry(name: Option<&str>, address: &str) -> Value {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => json!({"emailAddress": {"name": name, "address": address}}),
        None => json!({"emailAddress": {"address": address}}),
    }
}

/// `Importance` is RFC 2156's; `X-Priority` and `Priority` are what others write for the same.
fn importance(raw: &Raw) -> &'static str {
    let value = |name: &str| raw.first(name).map(str::to_ascii_lowercase).unwrap_or_default();
    match (value("importance").as_str(), value("x-priority").get(..1), value("priority").as_str()) {
        ("high", ..) | (_, Some("1" | "2"), _) | (_, _, "urgent") => "high",
        ("low", ..) | (_, Some("4" | "5"), _) | (_, _, "non-urgent") => "low",
        _ => "normal",
    }
}

fn properties(raw: &Raw) -> Vec<Value> {
    let mut all: Vec<Value> = PROPERTIES
        .iter()
        .filter_map(|(field, property)| Some(json!({"id": property, "value": raw.first(field)?})))
        .collect();
    let sensitivity = match raw.first("sensitivity").map(str::to_ascii_lowercase).as_deref() {
        Some("personal") => "1",
        Some("private") => "2",
        Some("company-confidential") => "3",
        _ => return all,
    };
    all.push(json!({"id": "Integer 0x36", "value": sensitivity}));
    all
}

/// The first five fields of the author's own. Those that JSON has properties for, and those that are Exchange's, are left out.
fn custom_fields(raw: &Raw) -> Vec<Value> {
    let is_custom = |name: &str| {
        name.starts_with("x-") && name.len() > 2 && !name.starts_with("x-ms-") && !name.contains("priority")
    };
    let own = raw.fields.iter().filter(|(name, _)| is_custom(&name.to_ascii_lowercase()));
    own.take(MAX_CUSTOM_FIELDS).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// The fields as lines of text.
struct Raw {
    fields: Vec<(String, String)>,
}

impl Raw {
    fn read(block: &[u8]) -> Self {
        let field = |line: Line<'_>| match line {
            Line::Field(field) => Some((String::from_utf8_lossy(field.name).into_owned(), value(&field))),
            Line::Other(_) => None,
        };
        Self { fields: header::lines(block).filter_map(field).collect() }
    }

    /// The first field of that name (in lower case), if it says something.
    fn first(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

fn value(field: &Field<'_>) -> String {
    field.unfolded().chars().filter(|c| !c.is_control() || *c == '\t').take(MAX_VALUE_CHARS).collect()
}
