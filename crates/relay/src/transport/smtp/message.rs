//! The message as it leaves by SMTP: Bcc gone, From as the policy has it, everything else as it came.
//!
//! Here the envelope says who gets it, so To and Cc stay what the author wrote.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use mail::{Address, BodyType, Envelope, ReversePath};
use settings::FromPolicy;
use store::{BodyReader, Store, StoreError};
use tokio::io::AsyncReadExt as _;

use crate::Delivery;
use crate::transport::graph::read_past_header;

/// What is read of a body at once.
const READ_BYTES: usize = 64 * 1024;

/// One message opened for one attempt.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What MAIL and RCPT say; its recipients are those of the attempt.
    pub(super) envelope: Envelope,
    /// The header as it leaves, and what was read behind it.
    head: Vec<u8>,
    body: BodyReader,
    /// Octets as SIZE counts them.
    pub(super) size: u64,
    pub(super) needs_smtputf8: bool,
}

impl Outgoing {
    /// Opens the message. `mail_from`: the reverse-path, if it is not to be the message's own.
    pub(super) async fn open(
        delivery: &Delivery<'_>,
        mailbox: &Address,
        mail_from: Option<Address>,
    ) -> io::Result<Self> {
        let claim = delivery.claim;
        let id = claim.message.id;
        let mut body = read(delivery.store, id).await?;
        let mut start = Vec::new();
        read_past_header(&mut body, &mut start).await?;
        let (header, after) = mail::header::split(&start);
        let edited = edited(header, mailbox, delivery.from_policy);
        let header_is_8bit = !edited.is_ascii();
        let mut head = Vec::with_capacity(claim.message.added_header.len() + start.len() + 256);
        head.extend_from_slice(claim.message.added_header.as_bytes());
        head.extend_from_slice(&edited);
        head.extend_from_slice(after);
        let taken = u64::try_from(start.len()).unwrap_or(u64::MAX);
        let rest = body.len().saturating_sub(taken);

        let mut envelope = Envelope { recipients: Vec::new(), ..claim.message.envelope.clone() };
        let all = &claim.message.envelope.recipients;
        envelope.recipients.extend(claim.recipients.iter().filter_map(|index| all.get(*index)).cloned());
        if let (Some(mailbox), false) = (mail_from, envelope.reverse_path.is_null()) {
            envelope.reverse_path = ReversePath::Address(mailbox);
        }
        // What the client said of the body is a promise we do not rely on: 8-bit content said to be 7-bit is common.
        if !head.is_ascii() || (rest > 0 && is_8bit(read(delivery.store, id).await?).await?) {
            envelope.body = BodyType::EightBitMime;
        } else {
            envelope.body = BodyType::SevenBit;
        }
        let is_international = |path: &str| !path.is_ascii();
        let needs_smtputf8 = envelope.reverse_path.address().is_some_and(|it| is_international(it.as_str()))
            || envelope.recipients.iter().any(|recipient| is_international(recipient.address.as_str()))
            || (header_is_8bit && claim.message.envelope.smtputf8);
        envelope.smtputf8 = needs_smtputf8;
        let size = u64::try_from(head.len()).unwrap_or(u64::MAX).saturating_add(rest);
        Ok(Self { envelope, head, body, size, needs_smtputf8 })
    }

    pub(super) fn is_8bit(&self) -> bool {
        self.envelope.body == BodyType::EightBitMime
    }

    /// The next octets, into `buffer`, which is empty at the end.
    pub(super) async fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        if !self.head.is_empty() {
            std::mem::swap(&mut self.head, buffer);
            return Ok(());
        }
        buffer.reserve(READ_BYTES);
        self.body.read_buf(buffer).await.map(|_| ())
    }
}

fn edited<'h>(header: &'h [u8], mailbox: &Address, policy: FromPolicy) -> Cow<'h, [u8]> {
    let without_bcc = mail::recipients::remove_bcc(header);
    let from = match policy {
        FromPolicy::Keep => return without_bcc,
        FromPolicy::Rewrite => mail::from::rewrite_from(&without_bcc, mailbox),
    };
    match from {
        Cow::Owned(edited) => Cow::Owned(edited),
        Cow::Borrowed(_) => without_bcc,
    }
}

async fn read(store: &Arc<dyn Store>, id: mail::MessageId) -> io::Result<BodyReader> {
    store.read_body(id).await.map_err(io::Error::other)
}

async fn is_8bit(mut body: BodyReader) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    loop {
        buffer.clear();
        if body.read_buf(&mut buffer).await? == 0 {
            return Ok(false);
        }
        if !buffer.is_ascii() {
            return Ok(true);
        }
    }
}

/// The stored body is damaged, as seen through the error of its reader.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    let stored = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(stored, Some(StoreError::Unreadable { .. }))
}
