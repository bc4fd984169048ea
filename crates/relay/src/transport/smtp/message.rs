//! The message as it leaves by SMTP: Bcc gone, From as the policy has it, everything else as it came; and in seven bits where
//! the server takes no more.
//!
//! Here the envelope says who gets it, so To and Cc stay what the author wrote.

mod conversion;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mail::seven_bit::{Converter, Plan};
use mail::{Address, BodyType, Envelope, MessageId, Recipient, ReversePath};
use settings::FromPolicy;
use store::{BodyReader, Store, StoreError};
use tokio::io::AsyncReadExt as _;

use crate::Delivery;
use crate::transport::graph::read_past_header;
pub(super) use conversion::NotConverted;

/// What is read of a body at once.
const READ_BYTES: usize = 64 * 1024;

/// One message opened for one attempt.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What MAIL and RCPT say; its recipients are those of the attempt whom the server can be told.
    pub(super) envelope: Envelope,
    /// All recipients of the attempt.
    recipients: Vec<Recipient>,
    /// The header as it leaves, and what was read behind it.
    head: Bytes,
    rest: Option<Rest>,
    /// Octets as SIZE counts them.
    pub(super) size: u64,
    /// The header has letters beyond ASCII, and who handed the message in meant them (RFC 6531).
    header_is_international: bool,
    conversion: Option<Plan>,
}

/// The stored body behind the head.
#[derive(Debug)]
struct Rest {
    store: Arc<dyn Store>,
    id: MessageId,
    /// Octets of the body that the head stands for.
    skipped: u64,
    /// A reader that stands there, for who comes first.
    reader: Option<BodyReader>,
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
        let skipped = length(&start);
        let behind = body.len().saturating_sub(skipped);

        let mut envelope = Envelope { recipients: Vec::new(), ..claim.message.envelope.clone() };
        let all = &claim.message.envelope.recipients;
        let recipients = claim.recipients.iter().filter_map(|index| all.get(*index)).cloned().collect();
        if let (Some(mailbox), false) = (mail_from, envelope.reverse_path.is_null()) {
            envelope.reverse_path = ReversePath::Address(mailbox);
        }
        // What the client said of the body is a promise we do not rely on: 8-bit content said to be 7-bit is common.
        let is_8bit = !head.is_ascii() || (behind > 0 && is_8bit(read(delivery.store, id).await?).await?);
        envelope.body = if is_8bit { BodyType::EightBitMime } else { BodyType::SevenBit };
        let rest = Rest { store: Arc::clone(delivery.store), id, skipped, reader: Some(body) };
        Ok(Self {
            header_is_international: header_is_8bit && claim.message.envelope.smtputf8,
            envelope,
            recipients,
            size: length(&head).saturating_add(behind),
            head: Bytes::from(head),
            rest: (behind > 0).then_some(rest),
            conversion: None,
        })
    }

    /// A message that is not stored, in ASCII.
    pub(super) fn of_text(envelope: Envelope, head: Bytes) -> Self {
        Self {
            recipients: envelope.recipients.clone(),
            envelope,
            size: length(&head),
            head,
            rest: None,
            header_is_international: false,
            conversion: None,
        }
    }

    pub(super) fn is_8bit(&self) -> bool {
        self.envelope.body == BodyType::EightBitMime
    }

    /// The header has letters beyond ASCII that only SMTPUTF8 carries.
    pub(super) fn has_international_header(&self) -> bool {
        self.header_is_international
    }

    /// Puts into the envelope whom the server can be told; `takes_utf8`: it can be told any address. Says whether somebody is in it.
    pub(super) fn address(&mut self, takes_utf8: bool) -> bool {
        let can_be_told = |recipient: &&Recipient| takes_utf8 || recipient.address.as_str().is_ascii();
        self.envelope.recipients = self.recipients.iter().filter(can_be_told).cloned().collect();
        let addresses = || self.envelope.recipients.iter().map(|recipient| &recipient.address);
        let mut all = addresses().chain(self.envelope.reverse_path.address());
        self.envelope.smtputf8 = self.header_is_international || all.any(|address| !address.as_str().is_ascii());
        !self.envelope.recipients.is_empty()
    }

    /// For each recipient of the attempt, whether the envelope holds it.
    pub(super) fn addressed(&self) -> Vec<bool> {
        self.recipients.iter().map(|it| self.envelope.recipients.contains(it)).collect()
    }

    /// The message from its beginning, as it leaves.
    pub(super) async fn read(&mut self) -> io::Result<Reading> {
        let body = match &mut self.rest {
            None => None,
            Some(Rest { reader: Some(_), .. }) => self.rest.as_mut().and_then(|rest| rest.reader.take()),
            Some(rest) => {
                let mut body = read(&rest.store, rest.id).await?;
                tokio::io::copy(&mut (&mut body).take(rest.skipped), &mut tokio::io::sink()).await?;
                Some(body)
            }
        };
        let converter = self.conversion.as_ref().map(Plan::converter);
        Ok(Reading { head: self.head.clone(), body, converter })
    }
}

/// One reading of a message.
#[derive(Debug)]
pub(super) struct Reading {
    head: Bytes,
    body: Option<BodyReader>,
    converter: Option<Converter>,
}

impl Reading {
    /// The next octets, into `buffer`, which is empty at the end.
    pub(super) async fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        loop {
            buffer.clear();
            if !self.head.is_empty() {
                buffer.extend_from_slice(&std::mem::take(&mut self.head));
            } else if let Some(body) = &mut self.body {
                buffer.reserve(READ_BYTES);
                body.read_buf(buffer).await?;
            }
            let Some(converter) = self.converter.as_mut().filter(|_| !buffer.is_empty()) else { return Ok(()) };
            let mut converted = Vec::with_capacity(buffer.len().saturating_mul(2));
            converter.push(buffer, &mut converted);
            *buffer = converted;
            // A piece may only have begun what the next one ends.
            if !buffer.is_empty() {
                return Ok(());
            }
        }
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

async fn read(store: &Arc<dyn Store>, id: MessageId) -> io::Result<BodyReader> {
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

fn length(octets: &[u8]) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

/// The stored body is damaged, as seen through the error of its reader.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    let stored = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>());
    matches!(stored, Some(StoreError::Unreadable { .. }))
}
