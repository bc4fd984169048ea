//! The message as MIME: its header made equal to the attempt's recipients, the rest read from the store.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use graph::{MimeBody, MimeSource};
use mail::{Address, MessageId};
use settings::FromPolicy;
use store::{BodyReader, Store};
use tokio::io::AsyncReadExt as _;

/// What is read of a body to find its header's end. Intake refuses longer headers; past this, all of it is taken for
/// the header, which is safe, only not cheap.
const HEADER_READ_BYTES: u64 = 512 * 1024;

/// The message as it leaves, opened anew from the store for every attempt.
pub(super) struct OutgoingMime {
    pub(super) store: Arc<dyn Store>,
    pub(super) id: MessageId,
    pub(super) added_header: String,
    pub(super) recipients: Vec<Address>,
    pub(super) mailbox: Address,
    pub(super) from_policy: FromPolicy,
}

#[async_trait]
impl MimeSource for OutgoingMime {
    async fn open(&self) -> io::Result<MimeBody> {
        let mut body = self.store.read_body(self.id).await.map_err(io::Error::other)?;
        let mut start = Vec::new();
        read_past_header(&mut body, &mut start).await?;
        let (header, after) = mail::header::split(&start);
        let mut head = Vec::with_capacity(self.added_header.len() + start.len() + 256);
        head.extend_from_slice(self.added_header.as_bytes());
        head.extend_from_slice(&self.edited(header));
        head.extend_from_slice(after);
        let read = u64::try_from(start.len()).unwrap_or(u64::MAX);
        let rest = body.len().saturating_sub(read);
        let head = Bytes::from(head);
        Ok(if rest == 0 { MimeBody::from_bytes(head) } else { MimeBody::with_rest(head, body, rest) })
    }
}

impl OutgoingMime {
    fn edited<'h>(&self, header: &'h [u8]) -> Cow<'h, [u8]> {
        let recipients: Vec<&Address> = self.recipients.iter().collect();
        let aligned = mail::recipients::align_recipients(header, &recipients);
        let from = match self.from_policy {
            FromPolicy::Keep => mail::from::keep_from(&aligned, &self.mailbox),
            FromPolicy::Rewrite => mail::from::rewrite_from(&aligned, &self.mailbox),
        };
        match from {
            Cow::Owned(edited) => Cow::Owned(edited),
            Cow::Borrowed(_) => aligned,
        }
    }
}

/// Reads until the buffer holds the whole header block, and perhaps some of the body.
pub(in crate::transport) async fn read_past_header(body: &mut BodyReader, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut limited = body.take(HEADER_READ_BYTES);
    loop {
        let before = buffer.len();
        let mut chunk = (&mut limited).take(64 * 1024);
        chunk.read_to_end(buffer).await?;
        let (_, after) = mail::header::split(buffer);
        if !after.is_empty() || buffer.len() == before {
            return Ok(());
        }
    }
}
