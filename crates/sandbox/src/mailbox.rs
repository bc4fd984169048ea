//! The mailboxes: Sent Items of whoever sent, an Inbox for whoever was mailed, inside or outside the tenant.
//!
//! Promise: the submitted MIME is kept byte for byte; what a recipient sees is derived from it when asked for.
//! Memory is bounded by the number of messages and by their bytes, the oldest go first.

mod delivered;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::Storage;
use crate::journal::Delivery;
use crate::state::lock;

pub(crate) use delivered::delivered_copy;

/// Mailboxes counted one by one; mail to further addresses is kept but not counted per address.
const MAX_COUNTED_MAILBOXES: usize = 10_000;

/// A folder one can look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Folder {
    SentItems,
    Inbox,
}

/// One message, as submitted.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub delivery: Arc<Delivery>,
    /// The MIME as submitted; empty if bodies are not stored.
    pub raw: Bytes,
    /// Mailbox names of the recipients: aliases resolved, in lower case.
    pub inboxes: Vec<String>,
}

impl StoredMessage {
    /// Whether the message lies in `folder` of `mailbox` (a name in lower case).
    pub fn is_in(&self, mailbox: &str, folder: Folder) -> bool {
        match folder {
            Folder::SentItems => self.delivery.saved_to_sent_items && self.delivery.mailbox == mailbox,
            Folder::Inbox => self.inboxes.iter().any(|inbox| inbox == mailbox),
        }
    }
}

/// How often a mailbox sent and received.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Arc<StoredMessage>>,
    bytes: u64,
    counts: HashMap<String, Counts>,
}

/// All mailboxes of all tenants.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    kept: Mutex<Kept>,
    storage: Storage,
}

impl Mailboxes {
    pub(crate) fn new(storage: &Storage) -> Self {
        Self { kept: Mutex::default(), storage: storage.clone() }
    }

    pub(crate) fn store(&self, mut message: StoredMessage) {
        if !self.storage.store_bodies {
            message.raw = Bytes::new();
        }
        let mut kept = lock(&self.kept);
        kept.count(&message.delivery.mailbox, |counts| counts.sent += 1);
        for inbox in &message.inboxes {
            kept.count(inbox, |counts| counts.received += 1);
        }
        kept.bytes += size(&message);
        kept.messages.push_back(Arc::new(message));
        while kept.messages.len() > self.storage.keep_messages || kept.bytes > self.storage.keep_bytes {
            let Some(oldest) = kept.messages.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(size(&oldest));
        }
    }

    pub(crate) fn message(&self, id: &str) -> Option<Arc<StoredMessage>> {
        lock(&self.kept).messages.iter().rev().find(|message| message.delivery.id == id).cloned()
    }

    /// The newest `limit` messages that `wanted` picks, newest first.
    pub(crate) fn newest(&self, limit: usize, wanted: impl Fn(&StoredMessage) -> bool) -> Vec<Arc<StoredMessage>> {
        lock(&self.kept).messages.iter().rev().filter(|message| wanted(message)).take(limit).cloned().collect()
    }

    /// Counters by mailbox, sorted by name.
    pub(crate) fn counts(&self) -> Vec<(String, Counts)> {
        let kept = lock(&self.kept);
        let mut counts: Vec<_> = kept.counts.iter().map(|(name, counts)| (name.clone(), *counts)).collect();
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        counts
    }

    /// Number of messages kept and their bytes.
    pub(crate) fn kept(&self) -> (usize, u64) {
        let kept = lock(&self.kept);
        (kept.messages.len(), kept.bytes)
    }

    pub(crate) fn clear(&self) {
        *lock(&self.kept) = Kept::default();
    }
}

impl Kept {
    fn count(&mut self, mailbox: &str, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.counts.get_mut(mailbox) {
            change(counts);
        } else if self.counts.len() < MAX_COUNTED_MAILBOXES {
            change(self.counts.entry(mailbox.to_owned()).or_default());
        }
    }
}

fn size(message: &StoredMessage) -> u64 {
    u64::try_from(message.raw.len()).unwrap_or(u64::MAX)
}
