//! Letters of the gateway's own: reports to senders, alarms to administrators. They go through the queue like all mail.
//!
//! Promise: a letter is queued once for each name it is given, whatever happens between (the store's idempotency). Its
//! reverse-path is null, so nothing is ever sent because of it.

use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use mail::{Address, BodyType, DsnNotify, Envelope, MessageId, Recipient, ReversePath};
use serde_json::json;
use settings::RoutedTo;
use sha2::{Digest as _, Sha256};
use store::{Enqueued, IdempotencyKey, NewMessage, Priority, StagedBody, Store, StoreError, Via};

/// For longer than this nothing asks for the same letter again: positions are saved within moments.
const NAME_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

const NEVER: DsnNotify = DsnNotify { success: false, failure: false, delay: false };

/// A letter that is to be sent.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: MessageId,
    /// What happened, in a name of its own: the same name is the same letter.
    pub(crate) name: String,
    /// `report` or `alarm`, for the metadata.
    pub(crate) kind: &'static str,
    pub(crate) about: Option<MessageId>,
    /// The mailbox it is sent from.
    pub(crate) from: Address,
    pub(crate) to: Vec<Address>,
    pub(crate) subject: String,
    pub(crate) internet_message_id: String,
    pub(crate) mime: Vec<u8>,
    /// `None`: as the settings route mail of `from`.
    pub(crate) way: Option<RoutedTo>,
    pub(crate) priority: Priority,
}

/// Queues the letter. The store's answer is the letter's id, or that of the one that was queued before.
pub(crate) async fn post(
    store: &dyn Store,
    letter: Letter,
    lifetime: SignedDuration,
    now: Timestamp,
) -> Result<MessageId, StoreError> {
    let settings = store.settings().borrow().clone();
    let (kind, id) = (letter.kind, letter.id);
    let mut envelope = Envelope::new(ReversePath::Null);
    for address in &letter.to {
        envelope.add(Recipient { address: address.clone(), notify: Some(NEVER), original_recipient: None });
    }
    let is_ascii = letter.to.iter().chain([&letter.from]).all(Address::is_ascii);
    envelope.smtputf8 = !is_ascii;
    envelope.body = if letter.mime.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime };
    let request_digest: [u8; 32] = Sha256::digest(letter.name.as_bytes()).into();
    let message = NewMessage {
        id,
        envelope,
        body: stage(store, letter.mime).await?,
        added_header: String::new(),
        routed_to: letter.way.or_else(|| settings.route(Some(&letter.from)).ok()),
        header_from: Some(letter.from),
        subject: Some(letter.subject),
        internet_message_id: Some(letter.internet_message_id),
        hold: settings.emails.hold_all.then(|| "hold_all is switched on".to_owned()),
        priority: letter.priority,
        send_at: None,
        received_at: now,
        expires_at: now.checked_add(lifetime).unwrap_or(Timestamp::MAX),
        account: None,
        via: Via::Gateway,
        peer: None,
        idempotency: Some(IdempotencyKey {
            key: letter.name,
            request_digest,
            expires_at: now.checked_add(NAME_KEPT).unwrap_or(Timestamp::MAX),
        }),
        metadata: Some(json!({"postern": kind, "about": letter.about})),
    };
    match store.enqueue(message).await? {
        Enqueued::New(id) => {
            metrics::counter!("postern_letters_total", "kind" => kind).increment(1);
            tracing::info!(event = "letter_queued", message_id = %id, kind, about = letter.about.map(tracing::field::display));
            Ok(id)
        }
        Enqueued::Repeated(id) => Ok(id),
    }
}

async fn stage(store: &dyn Store, mime: Vec<u8>) -> Result<StagedBody, StoreError> {
    let bytes = Bytes::from(mime);
    if let Some(body) = StagedBody::inline(bytes.clone()) {
        return Ok(body);
    }
    let mut writer = store.stage_body().await?;
    writer.write(&bytes).await?;
    writer.finish().await
}

/// Ids for letters: in the order they were given out.
#[derive(Debug, Default)]
pub(crate) struct IdSource {
    last: Mutex<(u64, u128)>,
}

/// The low 80 bits of an id are random.
const RANDOM_BITS: u128 = (1 << 80) - 1;

impl IdSource {
    /// Without random numbers from the system nothing is sent: two letters of one id would be one.
    pub(crate) fn next(&self, now: Timestamp) -> Result<MessageId, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable { detail: error.to_string() })?;
        let random = u128::from_be_bytes(bytes) & (RANDOM_BITS >> 1);
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if now > last.0 { (now, random) } else { (last.0, last.1.saturating_add(1) & RANDOM_BITS) };
        Ok(MessageId::new(last.0, last.1))
    }
}
