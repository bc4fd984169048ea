//! One message coming in.
//!
//! The order of effects, each of which may be the last:
//!
//! 1. `begin`: a rate token is taken; nothing is stored.
//! 2. `write`: the body goes to the store's staging place, the header block is kept aside.
//! 3. `commit`: the header is judged; a refusal ends here and forgets the body.
//! 4. the store makes body, envelope and record durable in one transaction.
//! 5. the id is returned, and only now may anybody say "queued".

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use mail::line_endings::Canonicalizer;
use mail::trace::{Protocol, Received, missing_fields};
use mail::{Envelope, MessageId};
use settings::{RoutedTo, Settings};
use store::{BodyWriter, Enqueued, IdempotencyKey, NewMessage, Operation, Via};

use super::header_facts::{HeaderFacts, HeaderKeeper};
use super::{Origin, Refusal, Shared, SubmissionOptions, Submitter, policy, refusal};

/// A message between `begin` and `commit`. Dropped, it is forgotten.
#[derive(Debug)]
pub struct Incoming {
    shared: Arc<Shared>,
    id: MessageId,
    origin: Origin,
    envelope: Envelope,
    options: SubmissionOptions,
    idempotency: Option<IdempotencyKey>,
    body: BodyWriter,
    body_bytes: u64,
    lines: Canonicalizer,
    header: HeaderKeeper,
}

impl Incoming {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: MessageId,
        origin: Origin,
        envelope: Envelope,
        body: BodyWriter,
    ) -> Self {
        let header = HeaderKeeper::new(shared.limits.max_header_bytes);
        Self {
            shared,
            id,
            origin,
            envelope,
            options: SubmissionOptions::default(),
            idempotency: None,
            body,
            body_bytes: 0,
            lines: Canonicalizer::default(),
            header,
        }
    }

    /// The id that [`Self::commit`] will give, unless an idempotency key stands for an earlier message.
    pub fn id(&self) -> MessageId {
        self.id
    }

    pub fn set_options(&mut self, options: SubmissionOptions) {
        self.options = options;
    }

    /// "The same request again" is not stored again: see [`IdempotencyKey`].
    pub fn set_idempotency(&mut self, key: IdempotencyKey) {
        self.idempotency = Some(key);
    }

    /// The next piece of the message, of any size. After a refusal the message can only be dropped.
    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        let canonical = self.lines.push(chunk);
        self.store(canonical).await
    }

    async fn store(&mut self, canonical: Cow<'_, [u8]>) -> Result<(), Refusal> {
        let limit = self.shared.limits.max_message_bytes;
        self.body_bytes = self.body_bytes.saturating_add(u64::try_from(canonical.len()).unwrap_or(u64::MAX));
        if self.body_bytes > limit {
            return Err(refusal::too_large(limit));
        }
        let header_limit = self.shared.limits.max_header_bytes;
        self.header.push(&canonical).map_err(|_| refusal::header_too_large(header_limit))?;
        self.body.write(&canonical).await.map_err(|error| refusal::from_store(&error))
    }

    /// Judges the message and makes it durable. The id returned is the earlier message's when the idempotency key stands
    /// for one.
    pub async fn commit(mut self) -> Result<MessageId, Refusal> {
        let rest = self.lines.finish();
        self.store(Cow::Borrowed(rest)).await?;
        let facts = HeaderFacts::of(self.header.header());
        policy::check_header_from(&self.origin.submitter, &facts.from)?;
        let most = self.shared.limits.max_received_fields;
        if facts.received_fields > most {
            return Err(refusal::too_many_hops(most));
        }
        let shared = Arc::clone(&self.shared);
        let message = self.into_message(facts).await?;
        let (via, peer, size) = (message.via, message.peer, message.body.len());
        let (recipients, is_held) = (message.envelope.recipients.len(), message.hold.is_some());
        let enqueued = shared.store.enqueue(message).await.map_err(|error| refusal::from_store(&error))?;
        match enqueued {
            Enqueued::New(id) => {
                if !is_held {
                    hold_if_switched_on(&shared, id).await;
                }
                metrics::counter!("postern_messages_accepted_total", "via" => via_name(via)).increment(1);
                tracing::info!(event = "message_accepted", message_id = %id, via = via_name(via), ?peer, recipients, size);
                Ok(id)
            }
            Enqueued::Repeated(id) => {
                tracing::info!(event = "message_repeated", message_id = %id, via = via_name(via), ?peer);
                Ok(id)
            }
        }
    }

    async fn into_message(self, facts: HeaderFacts) -> Result<NewMessage, Refusal> {
        let now = self.shared.clock.now();
        let added_header = self.added_header(now);
        let settings = self.shared.store.settings().borrow().clone();
        let lifetime = self.shared.limits.queue_lifetime;
        let starts = self.options.send_at.map_or(now, |send_at| send_at.max(now));
        // No route now is no reason to refuse: the message waits for the settings.
        let ways = settings.route_with_fallbacks(facts.sender()).ok();
        if let Some(limit) = ways.as_ref().and_then(|(first, others)| widest(&settings, first, others)) {
            self.check_carried(limit, added_header.len())?;
        }
        let routed_to = ways.map(|(first, _)| first);
        Ok(NewMessage {
            id: self.id,
            body: self.body.finish().await.map_err(|error| refusal::from_store(&error))?,
            header_from: facts.sender().cloned(),
            routed_to,
            internet_message_id: facts.message_id.or_else(|| HeaderFacts::of(added_header.as_bytes()).message_id),
            subject: facts.subject,
            added_header,
            priority: self.options.priority,
            send_at: self.options.send_at,
            received_at: now,
            expires_at: starts.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            account: self.origin.submitter.account().map(|account| account.id.clone()),
            via: self.origin.via,
            peer: self.origin.peer,
            idempotency: self.idempotency,
            hold: settings.emails.hold_all.then(|| HELD.to_owned()),
            metadata: self.options.metadata,
            envelope: self.envelope,
        })
    }

    /// Refuses what its way out cannot carry: with our fields, and with every recipient in a Bcc as it may have to leave.
    fn check_carried(&self, limit: u64, added_bytes: usize) -> Result<(), Refusal> {
        let recipients: usize = self.envelope.recipients.iter().map(|r| r.address.as_str().len() + FOLD_BYTES).sum();
        let edited = u64::try_from(added_bytes + recipients + FROM_REWRITE_BYTES).unwrap_or(u64::MAX);
        if self.body_bytes.saturating_add(edited) > limit {
            return Err(refusal::too_large_for_route(limit));
        }
        Ok(())
    }

    /// What goes in front of the stored body when it leaves: trace first, then what was missing.
    fn added_header(&self, now: Timestamp) -> String {
        let host = self.origin.hostname.as_deref().unwrap_or(&self.shared.hostname);
        let with = match self.origin.via {
            Via::Smtp => Protocol::Smtp {
                utf8: self.envelope.smtputf8,
                tls: self.origin.tls.is_some(),
                authenticated: matches!(self.origin.submitter, Submitter::Account(_)),
            },
            Via::Http => Protocol::Http,
            Via::Sendmail | Via::Cli | Via::Gateway => Protocol::Local,
        };
        let sole_recipient = match self.envelope.recipients.as_slice() {
            [only] => Some(&only.address),
            _ => None,
        };
        let received = Received {
            helo: self.origin.helo.as_deref(),
            peer: self.origin.peer,
            by: host,
            with,
            tls: self.origin.tls.as_deref(),
            id: self.id,
            sole_recipient,
            at: now,
        };
        received.to_field() + &missing_fields(self.header.header(), self.id, host, now)
    }
}

/// The largest message that the way or one of its fallbacks carries; `None`: one of them names no limit.
fn widest(settings: &Settings, first: &RoutedTo, others: &[RoutedTo]) -> Option<u64> {
    let ways = std::iter::once(first).chain(others);
    let limits = ways.map(|way| settings.connection(&way.connection)?.max_message_bytes());
    limits.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// Why messages of a testing environment are held; administrators read it.
const HELD: &str = "this is a testing environment: every message is held until somebody releases it (hold_all)";

/// The switch was thrown while the message came in: what was queued then is held by now, and this one was not there yet.
async fn hold_if_switched_on(shared: &Shared, id: MessageId) {
    if !shared.store.settings().borrow().emails.hold_all {
        return;
    }
    let held = shared.store.operate(id, Operation::Hold, "system", Some(HELD), shared.clock.now()).await;
    if let Err(error) = held {
        tracing::warn!(event = "message_not_held", message_id = %id, %error);
    }
}

/// Between two addresses of a folded field: comma, line end, blank.
const FOLD_BYTES: usize = 4;
/// What a rewritten From and its Reply-To add at most in practice.
const FROM_REWRITE_BYTES: usize = 1024;

fn via_name(via: Via) -> &'static str {
    match via {
        Via::Smtp => "smtp",
        Via::Http => "http",
        Via::Sendmail => "sendmail",
        Via::Cli => "cli",
        Via::Gateway => "gateway",
    }
}
