//! The message after DATA: read to its end, judged, put into the mailboxes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use mail_parser::{Address, HeaderName, MessageParser};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::token::Submitter;
use crate::config::UserState;
use crate::journal::Delivery;
use crate::mailbox::StoredMessage;
use crate::state::State;
use crate::{digest, guid};

/// What SIZE says: the largest message Exchange Online can be set to take.
pub(super) const MAX_BYTES: usize = 157_286_400;

static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_address(HeaderName::From)
        .header_text(HeaderName::Subject)
        .header_id(HeaderName::MessageId)
        .default_header_raw()
});

/// A message as it came, to its end.
#[derive(Debug)]
pub(super) struct Received {
    content: Vec<u8>,
    is_too_large: bool,
    has_bare_line_end: bool,
}

impl Received {
    pub(super) fn new() -> Self {
        Self { content: Vec::new(), is_too_large: false, has_bare_line_end: false }
    }

    fn push(&mut self, octets: &[u8], max_bytes: usize) {
        if self.content.len() + octets.len() > max_bytes {
            self.is_too_large = true;
            self.content = Vec::new();
        } else if !self.is_too_large {
            self.content.extend_from_slice(octets);
        }
    }
}

/// Reads up to `CRLF . CRLF`; `None`: the connection ended before.
pub(super) async fn read<S: AsyncBufRead + Unpin>(stream: &mut S, max_bytes: usize) -> Option<Received> {
    let mut received = Received::new();
    let (mut line, mut is_after_crlf) = (Vec::new(), true);
    loop {
        line.clear();
        let room = u64::try_from(max_bytes).ok()?.saturating_add(2);
        let read = (&mut *stream).take(room).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        // Only after a CRLF; a line that an LF alone ended before is still the message's.
        if line == b".\r\n" && is_after_crlf {
            return Some(received);
        }
        is_after_crlf = line.ends_with(b"\r\n");
        let text = line.strip_suffix(b"\r\n");
        received.has_bare_line_end |= text.is_none_or(|text| text.contains(&b'\r'));
        received.push(line.strip_prefix(b".").unwrap_or(&line), max_bytes);
    }
}

/// Reads a chunk of BDAT (RFC 3030), whose lines end as they like; `None`: the connection ended before.
pub(super) async fn read_chunk<S: AsyncBufRead + Unpin>(
    stream: &mut S,
    octets: u64,
    received: &mut Received,
) -> Option<()> {
    let (mut chunk, mut left) = (stream.take(octets), octets);
    while left > 0 {
        let piece = chunk.fill_buf().await.ok()?;
        if piece.is_empty() {
            return None;
        }
        let count = piece.len();
        received.push(piece, MAX_BYTES);
        chunk.consume(count);
        left = left.saturating_sub(u64::try_from(count).ok()?);
    }
    Some(())
}

/// Exchange's answer to the message; a `250` means it is in the mailboxes.
pub(super) fn submit(
    state: &State,
    submitter: &Submitter,
    recipients: &[String],
    received: Received,
    hostname: &str,
) -> String {
    match judge(state, submitter, &received) {
        Err(sentence) => sentence,
        Ok((from, subject, message_id)) => {
            let bytes = received.content.len();
            let id = guid::random();
            commit(state, submitter, recipients, received.content, (id.clone(), from, subject, message_id.clone()));
            let message_id = message_id.unwrap_or_else(|| format!("{id}@{hostname}"));
            format!(
                "250 2.6.0 <{message_id}> [InternalId=1, Hostname={hostname}] {bytes} bytes in 0.1, 1 KB/sec Queued mail \
                 for delivery"
            )
        }
    }
}

type Facts = (Option<String>, Option<String>, Option<String>);

fn judge(state: &State, submitter: &Submitter, received: &Received) -> Result<Facts, String> {
    let own = submitter.user.settings.max_message_bytes.unwrap_or(state.config.limits.max_message_bytes);
    if received.is_too_large || u64::try_from(received.content.len()).unwrap_or(u64::MAX) > own {
        return Err("552 5.3.4 Message size exceeds fixed maximum message size".to_owned());
    }
    if received.has_bare_line_end {
        return Err("550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds".to_owned());
    }
    let message = PARSER.parse_headers(&received.content);
    let message = message.ok_or_else(|| "550 5.6.0 M2MCVT.StorageError; content conversion failed".to_owned())?;
    let mut authors = Vec::new();
    for header in message.headers().iter().filter(|header| header.name == HeaderName::From) {
        if let mail_parser::HeaderValue::Address(Address::List(list)) = &header.value {
            authors.extend(list.iter().filter_map(|entry| entry.address()).map(str::to_owned));
        }
    }
    if let Some(other) = authors.iter().find(|author| !may_send_as(submitter, author)) {
        return Err(format!(
            "554 5.2.252 SendAsDenied; {} not allowed to send as {other}; STOREDRV.Submission.Exception:\
             SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception",
            submitter.user.settings.upn
        ));
    }
    check_mailbox(submitter.user.settings.state)?;
    Ok((authors.into_iter().next(), message.subject().map(str::to_owned), message.message_id().map(str::to_owned)))
}

fn check_mailbox(state: UserState) -> Result<(), String> {
    let sentence = match state {
        UserState::Full => {
            "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded"
        }
        UserState::QuotaExceeded => "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
        UserState::Moving => "451 4.3.0 STOREDRV.Submission; mailbox is being moved",
        _ => return Ok(()),
    };
    Err(sentence.to_owned())
}

/// The mailbox itself, or whom it was given the right to send as.
pub(super) fn may_send_as(submitter: &Submitter, address: &str) -> bool {
    submitter.user.owns(address) || submitter.send_as.contains(&address.to_lowercase())
}

fn commit(
    state: &State,
    submitter: &Submitter,
    recipients: &[String],
    raw: Vec<u8>,
    (id, from, subject, internet_message_id): (String, Option<String>, Option<String>, Option<String>),
) {
    let mut inboxes: Vec<String> = recipients.iter().map(|address| submitter.tenant.mailbox_of(address)).collect();
    inboxes.sort_unstable();
    inboxes.dedup();
    let delivery = Arc::new(Delivery {
        id: id.clone(),
        at: state.smtp_sessions.arrival(
            &submitter.user.mailbox,
            state.config.limits.smtp_messages_per_minute,
            state.clock.now(),
        ),
        tenant_id: submitter.tenant.id.clone(),
        client_id: submitter.client_id.clone(),
        mailbox: submitter.user.mailbox.clone(),
        form: "smtp",
        from,
        subject,
        internet_message_id,
        recipients: recipients.to_vec(),
        to: recipients.to_vec(),
        cc: Vec::new(),
        bcc: Vec::new(),
        saved_to_sent_items: true,
        sha256: digest::sha256_hex(&raw),
        bytes: raw.len(),
        request_id: id,
        target: "smtp".to_owned(),
        headers: Vec::new(),
        answer_withheld: false,
    });
    let message = StoredMessage { delivery: Arc::clone(&delivery), raw: Bytes::from(raw), inboxes };
    state.bounces.follow(&submitter.tenant, &message, &state.config.behaviour);
    state.mailboxes.store(message);
    state.journal.delivered(delivery);
}
