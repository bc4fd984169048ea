//! New messages that are made here: a stored one again, and a test message. Both go through the queue as any other.

use jiff::{SignedDuration, Timestamp};
use mail::compose::{ComposeMessage, Mailboxes, compose};
use mail::{Address, MessageId, trace};
use serde_json::json;
use settings::Settings;
use store::{AuditEntry, Enqueued, NewMessage, Priority, StagedBody, Store, StoreError, Via};
use tokio::io::AsyncReadExt as _;

use crate::{Actor, AdminError, Refused, Role};

const CHUNK_BYTES: usize = 64 * 1024;
/// A test that has not left by then says enough.
const TEST_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Queues the message once more under a new id: the same envelope and body, routed by the settings as they are now,
/// whatever became of the first. Recipients who got the first get it twice. Both ids stand in the audit log, and the
/// first one's in the new message's metadata (`resent_of`).
pub async fn resend_message(
    store: &dyn Store,
    actor: &Actor,
    id: MessageId,
    now: Timestamp,
) -> Result<MessageId, AdminError> {
    actor.must_be(Role::Operator)?;
    let record = store.message(id).await?.message;
    let body = copy_body(store, id).await?;
    let lifetime = record.received_at.duration_until(record.expires_at);
    let settings = store.settings().borrow().clone();
    let routed_to = settings.route(record.header_from.as_ref()).ok();
    let again = new_id(now)?;
    let message = NewMessage {
        id: again,
        envelope: record.envelope,
        body,
        added_header: record.added_header,
        header_from: record.header_from,
        subject: record.subject,
        internet_message_id: record.internet_message_id,
        routed_to,
        hold: hold(&settings),
        priority: record.priority,
        send_at: None,
        received_at: now,
        expires_at: now.saturating_add(lifetime).map_err(|_| beyond_time())?,
        account: record.account,
        via: record.via,
        peer: record.peer,
        idempotency: None,
        metadata: Some(marked(record.metadata, id)),
    };
    queue(store, actor, message, "message_resent", json!({ "message": id, "resent_as": again })).await
}

/// Queues a message from the mailbox of the Emails settings to `to`; its way through the queue is the proof.
/// `hostname` is what a missing Message-ID ends in.
pub async fn send_test_message(
    store: &dyn Store,
    actor: &Actor,
    to: &Address,
    hostname: &str,
    now: Timestamp,
) -> Result<MessageId, AdminError> {
    actor.must_be(Role::Operator)?;
    let settings = store.settings().borrow().clone();
    let Some(from) = settings.emails.mailbox.clone() else {
        return Err(Refused::new("the Emails settings have no mailbox", "Enter the Mailbox Email Address.").into());
    };
    let routed_to = settings.route(Some(&from)).map_err(|missing| {
        Refused::new(missing.to_string(), "Complete the Emails settings, then send the test again.")
    })?;
    let composed = compose(description(&from, to, actor))
        .map_err(|error| Refused::new(error.to_string(), "Correct the address.").at("to"))?;
    let id = new_id(now)?;
    let added_header = trace::missing_fields(mail::header::split(&composed.mime).0, id, hostname, now);
    let body = StagedBody::inline(composed.mime.into())
        .ok_or_else(|| Refused::new("the test message is too large", "Use a shorter address."))?;
    let message = NewMessage {
        id,
        envelope: composed.envelope,
        body,
        internet_message_id: Some(format!("<{id}@{hostname}>")),
        added_header,
        header_from: Some(from),
        subject: Some(TEST_SUBJECT.to_owned()),
        routed_to: Some(routed_to),
        hold: hold(&settings),
        priority: Priority::High,
        send_at: None,
        received_at: now,
        expires_at: now.saturating_add(TEST_LIFETIME).map_err(|_| beyond_time())?,
        account: None,
        via: Via::Gateway,
        peer: None,
        idempotency: None,
        metadata: Some(json!({ "test": true })),
    };
    queue(store, actor, message, "test_message_sent", json!({ "message": id, "to": to })).await
}

const TEST_SUBJECT: &str = "Test message from Postern";

fn description(from: &Address, to: &Address, actor: &Actor) -> ComposeMessage {
    // The name is put into the text, where it can break nothing.
    let text = format!(
        "{} sent this message with Postern's console. It went through the queue\nas every other message does; that it \
         arrived shows that mail leaves this gateway.\n",
        actor.name()
    );
    ComposeMessage {
        from: format!("Postern <{from}>"),
        to: Mailboxes(vec![to.to_string()]),
        cc: Mailboxes::default(),
        bcc: Mailboxes::default(),
        reply_to: Mailboxes::default(),
        subject: TEST_SUBJECT.to_owned(),
        text: Some(text),
        html: None,
        attachments: Vec::new(),
        headers: std::collections::BTreeMap::new(),
        priority: None,
        send_at: None,
        metadata: None,
    }
}

async fn queue(
    store: &dyn Store,
    actor: &Actor,
    message: NewMessage,
    action: &'static str,
    detail: serde_json::Value,
) -> Result<MessageId, AdminError> {
    let at = message.received_at;
    let (Enqueued::New(id) | Enqueued::Repeated(id)) = store.enqueue(message).await?;
    tracing::info!(event = "message_made", action, message_id = %id, actor = actor.name());
    let audit = AuditEntry { at, actor: actor.name().to_owned(), action: action.to_owned(), detail };
    store.record_audit(audit).await?;
    Ok(id)
}

/// Streams: a body is never whole in memory.
async fn copy_body(store: &dyn Store, id: MessageId) -> Result<StagedBody, StoreError> {
    let mut reader = store.read_body(id).await?;
    let mut writer = store.stage_body().await?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = reader.read(&mut chunk).await;
        let read = read.map_err(|error| StoreError::Unreadable { detail: error.to_string() })?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        writer.write(bytes).await?;
    }
    writer.finish().await
}

/// The submitter's labels stay; what is no object of labels stands beside ours.
fn marked(metadata: Option<serde_json::Value>, of: MessageId) -> serde_json::Value {
    match metadata {
        Some(serde_json::Value::Object(mut labels)) => {
            labels.insert("resent_of".to_owned(), json!(of));
            serde_json::Value::Object(labels)
        }
        Some(other) => json!({ "resent_of": of, "metadata": other }),
        None => json!({ "resent_of": of }),
    }
}

/// A testing environment holds what is made here, too.
fn hold(settings: &Settings) -> Option<String> {
    settings.emails.hold_all.then(|| "this is a testing environment: every message is held (hold_all)".to_owned())
}

fn new_id(now: Timestamp) -> Result<MessageId, Refused> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Refused::new(format!("the system gives no random numbers: {error}"), "Look at the system."))?;
    Ok(MessageId::new(u64::try_from(now.as_millisecond()).unwrap_or(0), u128::from_be_bytes(random)))
}

fn beyond_time() -> Refused {
    Refused::new("the clock of this machine cannot be right", "Let the machine follow a time server (NTP).")
}
