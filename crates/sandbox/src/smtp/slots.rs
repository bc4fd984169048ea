//! Exchange Online's limit of sessions at once: three for each mailbox.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::state::lock;

const SESSIONS_OF_A_MAILBOX: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<String, usize>>);

/// One session of one mailbox, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    mailbox: String,
}

impl Slots {
    /// `None`: three are open.
    pub(super) fn take(self: &Arc<Self>, mailbox: &str) -> Option<Slot> {
        let mut open = lock(&self.0);
        let count = open.entry(mailbox.to_owned()).or_default();
        if *count >= SESSIONS_OF_A_MAILBOX {
            return None;
        }
        *count += 1;
        Some(Slot { slots: Arc::clone(self), mailbox: mailbox.to_owned() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = lock(&self.slots.0);
        if let Some(count) = open.get_mut(&self.mailbox) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.mailbox);
            }
        }
    }
}
