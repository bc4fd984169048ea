//! A message and a lane as the model holds them.

use bytes::Bytes;
use jiff::Timestamp;
use settings::RoutedTo;

use crate::{
    Attempt, Event, Explanation, LaneId, LanePause, MessageDetail, MessageRecord, MessageState, NewMessage, NodeId,
    RecipientOutcome, RecipientState, RecipientStatus,
};

#[derive(Debug)]
pub(super) struct Held {
    /// Place in the order of arrival.
    pub(super) arrival: u64,
    pub(super) record: MessageRecord,
    pub(super) body: Bytes,
    /// Kept while the message is held, too.
    pub(super) due_at: Timestamp,
    /// When it was first due.
    pub(super) starts_at: Timestamp,
    pub(super) recipients: Vec<RecipientStatus>,
    pub(super) attempts: Vec<Attempt>,
    /// Whom the latest attempt is for.
    pub(super) attempted: Vec<usize>,
    pub(super) events: Vec<Event>,
}

impl Held {
    pub(super) fn new(
        message: NewMessage,
        body: Bytes,
        arrival: u64,
        lane: Option<(LaneId, Option<RoutedTo>)>,
    ) -> Self {
        let pending = |address| RecipientStatus { address, state: RecipientState::Pending, status: None };
        let (lane, routed_to) = lane.map_or((None, None), |(lane, key)| (Some(lane), key));
        Self {
            arrival,
            due_at: message.send_at.unwrap_or(message.received_at),
            starts_at: message.send_at.unwrap_or(message.received_at),
            recipients: message.envelope.recipients.iter().map(|known| pending(known.address.clone())).collect(),
            attempts: Vec::new(),
            attempted: Vec::new(),
            events: Vec::new(),
            record: MessageRecord {
                id: message.id,
                state: MessageState::Queued,
                envelope: message.envelope,
                size_bytes: body.len().try_into().unwrap_or(u64::MAX),
                added_header: message.added_header,
                header_from: message.header_from,
                subject: message.subject,
                internet_message_id: message.internet_message_id,
                lane,
                routed_to,
                priority: message.priority,
                received_at: message.received_at,
                expires_at: message.expires_at,
                due_at: None,
                attempts: 0,
                may_be_duplicated: false,
                bounced: false,
                last_error: None,
                account: message.account,
                via: message.via,
                peer: message.peer,
                metadata: message.metadata,
            },
            body,
        }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.record.state, MessageState::Queued | MessageState::Sending)
    }

    /// The record with what follows from the rest.
    pub(super) fn shown(&self) -> MessageRecord {
        let due_at = (self.record.state == MessageState::Queued).then_some(self.due_at);
        MessageRecord { due_at, ..self.record.clone() }
    }

    pub(super) fn detail(&self) -> MessageDetail {
        MessageDetail {
            message: self.shown(),
            recipients: self.recipients.clone(),
            attempts: self.attempts.clone(),
            events: self.events.clone(),
        }
    }

    /// Ends the attempt under way; nothing left.
    pub(super) fn end_unsent(&mut self, reason: &Explanation, now: Timestamp) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended_at = Some(now);
            attempt.outcomes = vec![RecipientOutcome::Deferred; self.attempted.len()];
            attempt.explanation = Some(reason.clone());
        }
    }
}

#[derive(Debug)]
pub(super) struct HeldLane {
    pub(super) key: RoutedTo,
    pub(super) pause: Option<LanePause>,
    /// Who holds the lane, and until when.
    pub(super) holder: Option<(NodeId, Timestamp)>,
    pub(super) epoch: u64,
}

impl HeldLane {
    pub(super) fn new(key: RoutedTo) -> Self {
        Self { key, pause: None, holder: None, epoch: 0 }
    }
}
