//! The drafts of all mailboxes, and what was sent of them.
//!
//! Promise: bounded by what [`Storage`] allows: beyond it new drafts are refused as by a full mailbox, and the oldest sent
//! ones are forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::failure::Failure;
use super::super::schema::{self, list, text};
use super::super::submission::Submission;
use super::upload::{OpenSession, Session};
use crate::config::Storage;
use crate::guid;
use crate::state::lock;

#[derive(Debug, Clone)]
pub(super) enum Content {
    Mime(Bytes),
    Json(Map<String, Value>),
}

/// A draft, or what it became.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) mailbox: String,
    /// Ends with the move to Sent Items.
    pub(super) id: String,
    pub(super) immutable_id: String,
    pub(super) content: Content,
    pub(super) attachments: Vec<Value>,
    /// MAPI properties: id in Graph's normal form, value.
    pub(super) properties: Vec<(String, String)>,
    pub(super) is_sent: bool,
    pub(super) subject: Option<String>,
    pub(super) internet_message_id: Option<String>,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    bytes: u64,
}

impl Item {
    pub(super) fn new(mailbox: &str, content: Content, submission: &Submission) -> Result<Self, Failure> {
        let mut item = Self {
            mailbox: mailbox.to_owned(),
            id: new_id("AAMkAGI"),
            immutable_id: new_id("AAkALgA"),
            bytes: u64::try_from(submission.raw.len()).unwrap_or(u64::MAX),
            content,
            attachments: Vec::new(),
            properties: Vec::new(),
            is_sent: false,
            subject: None,
            internet_message_id: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
        };
        item.describe(submission);
        if let Content::Json(fields) = &item.content {
            for property in list(&fields.clone(), "singleValueExtendedProperties")? {
                let property = schema::EXTENDED_PROPERTY.read(property)?;
                item.set_property(
                    text(property, "id")?.unwrap_or_default(),
                    text(property, "value")?.unwrap_or_default(),
                )?;
            }
        }
        Ok(item)
    }

    /// Notes what is shown of the message.
    pub(super) fn describe(&mut self, submission: &Submission) {
        self.subject.clone_from(&submission.subject);
        self.internet_message_id.clone_from(&submission.internet_message_id);
        self.to.clone_from(&submission.to);
        self.cc.clone_from(&submission.cc);
        self.bcc.clone_from(&submission.bcc);
    }

    pub(super) fn set_property(&mut self, id: &str, value: &str) -> Result<(), Failure> {
        let id = normal_property(id).ok_or_else(|| {
            Failure::new(400, "ErrorInvalidProperty", format!("The extended property id '{id}' is not valid."))
        })?;
        self.properties.retain(|(known, _)| *known != id);
        self.properties.push((id, value.to_owned()));
        Ok(())
    }
}

/// The normal form of `Type 0xTAG` and `Type {guid} Name name`; `None` if it is neither.
pub(super) fn normal_property(id: &str) -> Option<String> {
    let (kind, rest) = id.trim().split_once(' ')?;
    let kind =
        ["String", "Integer", "Boolean", "SystemTime", "Binary"].iter().find(|it| it.eq_ignore_ascii_case(kind))?;
    let rest = rest.trim();
    if let Some(tag) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        return Some(format!("{kind} 0x{:x}", u32::from_str_radix(tag, 16).ok()?));
    }
    let (guid, name) = rest.strip_prefix('{')?.split_once('}')?;
    let name = name.trim().strip_prefix("Name ")?.trim();
    let is_guid = guid.len() == 36 && guid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    (is_guid && !name.is_empty()).then(|| format!("{kind} {{{}}} Name {name}", guid.to_lowercase()))
}

/// An id in the alphabet of Microsoft's: both cases matter.
fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE.encode(guid::random_u128().to_be_bytes()))
}

/// How a request names a message.
#[derive(Debug, Clone)]
pub(super) struct Key {
    mailbox: String,
    id: String,
    is_immutable: bool,
}

impl Key {
    pub(super) fn new(mailbox: &str, id: &str, is_immutable: bool) -> Self {
        Self { mailbox: mailbox.to_owned(), id: id.to_owned(), is_immutable }
    }

    fn names(&self, item: &Item) -> bool {
        let id = if self.is_immutable { &item.immutable_id } else { &item.id };
        // With the header the other kind of id is still understood; without it the immutable kind is not.
        let is_it = *id == self.id || (self.is_immutable && item.id == self.id);
        is_it && item.mailbox == self.mailbox
    }
}

#[derive(Debug, Default)]
struct Kept {
    items: VecDeque<Item>,
    sessions: HashMap<String, Session>,
    bytes: u64,
}

/// All drafts.
#[derive(Debug)]
pub(crate) struct Drafts {
    kept: Mutex<Kept>,
    storage: Storage,
}

fn not_found() -> Failure {
    Failure::known("ErrorItemNotFound")
}

impl Drafts {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self { kept: Mutex::default(), storage: storage.clone() }
    }

    /// Ids (immutable) and subjects of what lies in a mailbox's Drafts.
    pub(crate) fn waiting(&self, mailbox: &str) -> Vec<(String, Option<String>)> {
        let kept = lock(&self.kept);
        let waiting = kept.items.iter().filter(|item| !item.is_sent && item.mailbox == mailbox);
        waiting.map(|item| (item.immutable_id.clone(), item.subject.clone())).collect()
    }

    pub(super) fn add(&self, item: Item) -> Result<(), Failure> {
        let mut kept = lock(&self.kept);
        while kept.items.len() >= self.storage.keep_messages {
            let oldest = kept.items.iter().position(|item| item.is_sent);
            let Some(oldest) = oldest else { return Err(Failure::known("ErrorQuotaExceeded")) };
            kept.forget(oldest);
        }
        kept.grow(item.bytes, self.storage.keep_bytes)?;
        kept.items.push_back(item);
        Ok(())
    }

    pub(super) fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Item) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut kept = lock(&self.kept);
        let position = kept.find(key)?;
        act(kept.items.get_mut(position).ok_or_else(not_found)?)
    }

    /// Every message of the mailbox that `wanted` picks, oldest first.
    pub(super) fn matching(&self, mailbox: &str, wanted: impl Fn(&Item) -> bool) -> Vec<Item> {
        let kept = lock(&self.kept);
        let own = kept.items.iter().filter(|item| item.mailbox == mailbox && wanted(item));
        own.map(|item| Item { content: Content::Mime(Bytes::new()), attachments: Vec::new(), ..item.clone() }).collect()
    }

    pub(super) fn remove(&self, key: &Key) -> Result<(), Failure> {
        let mut kept = lock(&self.kept);
        let position = kept.find(key)?;
        kept.forget(position);
        Ok(())
    }

    /// Adds an attachment; returns its id.
    pub(super) fn attach(&self, key: &Key, attachment: Value) -> Result<String, Failure> {
        let mut kept = lock(&self.kept);
        let position = kept.find(key)?;
        let length = attachment.get("contentBytes").and_then(Value::as_str).map_or(0, str::len);
        kept.grow(u64::try_from(length).unwrap_or(u64::MAX), self.storage.keep_bytes)?;
        let item = kept.items.get_mut(position).ok_or_else(not_found)?;
        if item.is_sent {
            return Err(Failure::new(400, "ErrorInvalidRequest", "The message is no draft any more."));
        }
        item.bytes = item.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        item.attachments.push(attachment);
        Ok(new_id(&item.immutable_id))
    }

    /// From Drafts to Sent Items: the ordinary id ends, the content is in the mailbox now.
    pub(super) fn move_to_sent(&self, key: &Key) -> Result<(), Failure> {
        let mut kept = lock(&self.kept);
        let position = kept.find(key)?;
        let item = kept.items.get_mut(position).ok_or_else(not_found)?;
        if item.is_sent {
            return Err(not_found());
        }
        item.is_sent = true;
        item.id = new_id("AAMkAGI");
        item.content = Content::Mime(Bytes::new());
        item.attachments = Vec::new();
        let bytes = std::mem::take(&mut item.bytes);
        kept.bytes = kept.bytes.saturating_sub(bytes);
        Ok(())
    }

    pub(super) fn open_session(&self, id: String, session: Session) {
        lock(&self.kept).sessions.insert(id, session);
    }

    pub(super) fn session<T>(&self, id: &str, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        lock(&self.kept).sessions.get_mut(id).map(act)
    }

    pub(super) fn close_session(&self, id: &str) -> Option<Session> {
        lock(&self.kept).sessions.remove(id)
    }

    /// As Microsoft does now and then.
    pub(in crate::graph) fn forget_session(&self, session: &OpenSession) {
        self.close_session(session.id());
    }
}

impl Kept {
    fn find(&self, key: &Key) -> Result<usize, Failure> {
        // The newest are asked for most.
        let last = self.items.len();
        let found = self.items.iter().rev().position(|item| key.names(item));
        found.map(|from_end| last - 1 - from_end).ok_or_else(not_found)
    }

    fn grow(&mut self, by: u64, most: u64) -> Result<(), Failure> {
        if self.bytes.saturating_add(by) > most {
            return Err(Failure::known("ErrorQuotaExceeded"));
        }
        self.bytes += by;
        Ok(())
    }

    fn forget(&mut self, position: usize) {
        if let Some(item) = self.items.remove(position) {
            self.bytes = self.bytes.saturating_sub(item.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_ids_have_one_normal_form() {
        let rows = [
            ("string 0X01042", Some("String 0x1042")),
            ("Integer 0x0036", Some("Integer 0x36")),
            (
                "String {8F7B0C1E-0000-4000-8000-00000000000A} Name Own",
                Some("String {8f7b0c1e-0000-4000-8000-00000000000a} Name Own"),
            ),
            ("String {8F7B0C1E} Name Own", None),
            ("Text 0x1042", None),
            ("0x1042", None),
        ];
        for (id, expected) in rows {
            assert_eq!(normal_property(id).as_deref(), expected, "{id}");
        }
    }
}
