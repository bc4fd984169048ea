//! The recipient fields of a header, made equal to the envelope: for transports that have no envelope and mail everyone in
//! To, Cc and Bcc.
//!
//! Promise: whatever the header says, the set of addresses that a reader finds in the To, Cc and Bcc fields of the
//! result equals the given recipients: never one more, never one fewer. No Bcc of the author's is left to be seen.
//! A field that names recipients only stays byte for byte; a mailbox that stays keeps its bytes. Only the top-level
//! header is looked at, and nothing but recipient fields is changed.
//!
//! Readers differ, so two questions are asked of every field, and both must come out safe:
//!
//! - *Could any reader mail this address?* Then it must be a recipient, or it goes. This covers fields that only some
//!   readers see: repeated ones, disguised names, fields behind a broken line, Resent-To and Resent-Cc (trace fields,
//!   which old `sendmail -t` and its imitators mail nevertheless).
//! - *Will every reader mail this address?* Otherwise it goes into our Bcc as well. The set is the same, and the recipient
//!   is not lost on a reader that stops early.
//!
//! Left to others: splitting (`split`), From (`from`). Invariant: the result aligned again is the same bytes.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::Address;
use crate::address_list::{AddressList, Entry, Mailbox, format_mailbox, parse_address_list, salvage_mailboxes};
use crate::header::{self, Field, Line, Other};
use crate::header_edit::{FoldedField, HeaderEdits};

/// Fields every reader takes recipients from.
const ADDRESSED: [&str; 2] = ["to", "cc"];
/// Fields some readers take recipients from.
const RESENT: [&str; 2] = ["resent-to", "resent-cc"];
/// Fields that recipients must not see.
const HIDDEN: [&str; 2] = ["bcc", "resent-bcc"];
const RECIPIENT_FIELDS: [&str; 6] = ["to", "cc", "resent-to", "resent-cc", "bcc", "resent-bcc"];

/// The header block with its recipient fields made equal to `recipients`. Borrowed when nothing had to change.
///
/// ```
/// let (bob, eve): (mail::Address, mail::Address) = ("bob@x.test".parse().unwrap(), "eve@x.test".parse().unwrap());
/// let header = b"To: Anna <anna@x.test>, Bob <bob@x.test>\r\nSubject: hi\r\n\r\n";
/// let aligned = mail::recipients::align_recipients(header, &[&bob, &eve]);
/// assert_eq!(&*aligned, b"Bcc: eve@x.test\r\nTo: Bob <bob@x.test>\r\nSubject: hi\r\n\r\n");
/// ```
pub fn align_recipients<'h>(header: &'h [u8], recipients: &[&Address]) -> Cow<'h, [u8]> {
    let mut alignment = Alignment::new(recipients);
    let lines = alignment.edits.clear_top(header);
    for line in lines {
        match line {
            Line::Field(field) => alignment.field(&field),
            Line::Other(other) => alignment.other(&other),
        }
    }
    let bcc = alignment.bcc_field(recipients);
    alignment.edits.apply_if_any(&bcc, header)
}

/// The header block without any field that would disclose a hidden recipient: for transports that have an envelope, and so
/// need no recipient fields made. Nothing else is changed.
pub fn remove_bcc(header: &[u8]) -> Cow<'_, [u8]> {
    let mut edits = HeaderEdits::default();
    for line in header::lines(header) {
        match line {
            Line::Other(other) => {
                edits.remove_disguised(&other, &HIDDEN);
            }
            Line::Field(field) => {
                if HIDDEN.iter().any(|name| field.is(name) || field.hides(name)) {
                    edits.remove(field.span.clone());
                }
            }
        }
    }
    edits.apply_if_any(&[], header)
}

struct Alignment<'r> {
    /// Each recipient with its place in `reached`.
    index: HashMap<&'r Address, usize>,
    /// Whether every reader of the header finds the recipient.
    reached: Vec<bool>,
    /// What the one To and the one Cc field reach; `None` once there were two.
    reached_by: [Reached; 2],
    /// Every reader sees what follows: no line so far could end the header for anybody.
    is_seen_by_all: bool,
    edits: HeaderEdits,
}

#[derive(Default)]
enum Reached {
    #[default]
    NoField,
    By(Vec<usize>),
    /// Some readers take the first of several fields, some the last.
    Unsure,
}

/// What becomes of one field.
enum Verdict {
    Keep,
    Replace(Vec<u8>),
    Remove,
}

impl<'r> Alignment<'r> {
    fn new(recipients: &[&'r Address]) -> Self {
        let mut index = HashMap::with_capacity(recipients.len());
        for (place, address) in recipients.iter().enumerate() {
            index.entry(*address).or_insert(place);
        }
        Self {
            index,
            reached: vec![false; recipients.len()],
            reached_by: Default::default(),
            is_seen_by_all: true,
            edits: HeaderEdits::default(),
        }
    }

    fn field(&mut self, field: &Field<'_>) {
        let which = ADDRESSED.iter().position(|name| field.is(name));
        let mut is_regular = field.is_regular;
        if HIDDEN.iter().any(|name| field.is(name)) {
            self.edits.remove(field.span.clone());
            return;
        }
        if which.is_some() || RESENT.iter().any(|name| field.is(name)) {
            let (verdict, named) = self.judge(field);
            match verdict {
                Verdict::Keep => {}
                Verdict::Remove => return self.edits.remove(field.span.clone()),
                Verdict::Replace(bytes) => {
                    is_regular = header::fields(&bytes).all(|field| field.is_regular);
                    self.edits.replace(field.span.clone(), bytes);
                }
            }
            self.note_reached(which, is_regular, named);
        } else if RECIPIENT_FIELDS.iter().any(|name| field.hides(name)) {
            self.edits.remove(field.span.clone());
            return;
        }
        self.is_seen_by_all &= is_regular;
    }

    /// A field that stays names these recipients. What counts is the header as it will be, not as it was.
    fn note_reached(&mut self, which: Option<usize>, is_regular: bool, named: Vec<usize>) {
        let is_sure = self.is_seen_by_all && is_regular;
        if let Some(reached) = which.and_then(|which| self.reached_by.get_mut(which)) {
            *reached = match reached {
                Reached::NoField if is_sure => Reached::By(named),
                _ => Reached::Unsure,
            };
        }
    }

    /// What becomes of the field, and which recipients it names then.
    fn judge(&self, field: &Field<'_>) -> (Verdict, Vec<usize>) {
        let Ok(list) = parse_address_list(field.value) else {
            return self.rewrite_salvaged(field);
        };
        let named: Vec<usize> = list.mailboxes().filter_map(|mailbox| self.place(&mailbox.address)).collect();
        let all_named = named.len() == list.mailboxes().count();
        if all_named && list.is_plain && list.mailboxes().all(|mailbox| mailbox.is_plain) {
            return (Verdict::Keep, named);
        }
        if named.is_empty() {
            return (Verdict::Remove, named);
        }
        (Verdict::Replace(self.rewritten(field, &list)), named)
    }

    fn place(&self, address: &Address) -> Option<usize> {
        self.index.get(address).copied()
    }

    fn rewritten(&self, field: &Field<'_>, list: &AddressList) -> Vec<u8> {
        let mut out = FoldedField::new(field.name);
        for entry in &list.entries {
            match entry {
                Entry::Mailbox(mailbox) => {
                    if self.place(&mailbox.address).is_some() {
                        out.item(&written(mailbox, field.value));
                    }
                }
                Entry::Group { name, members } => {
                    let kept = members.iter().filter(|member| self.place(&member.address).is_some());
                    let kept: Vec<_> = kept.map(|member| written(member, field.value)).collect();
                    if !kept.is_empty() {
                        out.item(field.value.get(name.clone()).unwrap_or_default());
                        out.push(b':');
                        out.open();
                        for member in &kept {
                            out.item(member);
                        }
                        out.push(b';');
                    }
                }
            }
        }
        out.finish()
    }

    /// The field was not understood: what can be proven of it is written anew.
    fn rewrite_salvaged(&self, field: &Field<'_>) -> (Verdict, Vec<usize>) {
        let mut named = Vec::new();
        let mut out = FoldedField::new(field.name);
        for salvaged in salvage_mailboxes(field.value) {
            if let Some(place) = self.place(&salvaged.address).filter(|place| !named.contains(place)) {
                named.push(place);
                out.item(&salvaged.written);
            }
        }
        let verdict = if named.is_empty() { Verdict::Remove } else { Verdict::Replace(out.finish()) };
        (verdict, named)
    }

    fn other(&mut self, other: &Other<'_>) {
        let is_gone = self.edits.remove_disguised(other, &RECIPIENT_FIELDS);
        self.is_seen_by_all &= is_gone;
    }

    /// Our Bcc, for the recipients whom not every reader finds elsewhere; empty when there are none.
    fn bcc_field(&mut self, recipients: &[&Address]) -> Vec<u8> {
        for reached in &self.reached_by {
            if let Reached::By(places) = reached {
                for place in places {
                    if let Some(reached) = self.reached.get_mut(*place) {
                        *reached = true;
                    }
                }
            }
        }
        let mut out = FoldedField::new(b"Bcc");
        let mut is_needed = false;
        for (place, address) in recipients.iter().enumerate() {
            let is_first_mention = self.place(address) == Some(place);
            if is_first_mention && self.reached.get(place) == Some(&false) {
                out.item(format_mailbox(None, address).as_bytes());
                is_needed = true;
            }
        }
        if is_needed { out.finish() } else { Vec::new() }
    }
}

/// The mailbox as it stood, or, where another reader might find another address in it, anew.
fn written<'v>(mailbox: &Mailbox, value: &'v [u8]) -> Cow<'v, [u8]> {
    if mailbox.is_plain {
        return Cow::Borrowed(mailbox.bytes_in(value));
    }
    let name = mailbox.display_name.clone().and_then(|span| value.get(span)).map(String::from_utf8_lossy);
    Cow::Owned(format_mailbox(name.as_deref(), &mailbox.address).into_bytes())
}

#[cfg(test)]
mod tests;
