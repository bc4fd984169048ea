//! Transports: how one attempt is carried to an upstream.

mod graph;
mod smtp;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mail::{Address, MessageId};
use settings::{ConnectionId, FromPolicy, OnUncertain};
use store::{Claim, Explanation, Store};

use crate::{UpstreamError, Verdict};

pub(crate) use graph::GraphTransport;
pub use smtp::{SmtpFacts, TestLetter};
pub(crate) use smtp::{SmtpTransport, Target};

/// All that a transport may look at while it carries one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub claim: &'a Claim,
    pub store: &'a Arc<dyn Store>,
    pub from_policy: FromPolicy,
}

/// What an attempt takes of what the upstream allows a mailbox: at most so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    pub requests: u64,
    /// Octets of request bodies.
    pub upload_bytes: u64,
}

/// Something that attempts for a message may have left in a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct Leftover<'a> {
    pub mailbox: &'a Address,
    pub message: MessageId,
    pub internet_message_id: Option<&'a str>,
}

/// Carries attempts to one upstream. Bounded in time: an implementation has deadlines for all it waits for.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    async fn deliver(&self, delivery: Delivery<'_>) -> Verdict;

    /// Attempts under way at once on one lane.
    fn in_flight(&self) -> u32;

    /// Recipients of one attempt at most; a message with more is sent in several.
    fn max_recipients(&self) -> u32;

    fn on_uncertain(&self) -> OnUncertain;

    /// Whether an attempt that is cut off can leave something in the mailbox that [`Self::clear_away`] removes.
    fn leaves_drafts(&self) -> bool {
        false
    }

    /// Removes what attempts left behind, for a message that will not be attempted here again.
    async fn clear_away(&self, _left: &Leftover<'_>) -> Result<(), Explanation> {
        Ok(())
    }

    /// Of an attempt with a message of that size as it leaves; `is_repeated`: an earlier attempt may have left traces. A larger
    /// message never costs less.
    fn cost(&self, _message_bytes: u64, _is_repeated: bool) -> Cost {
        Cost::default()
    }
}

/// Finds the transport of a connection as the settings are now.
#[async_trait]
pub trait Upstreams: Send + Sync + fmt::Debug {
    fn transport(&self, connection: &ConnectionId) -> Result<Arc<dyn Transport>, UpstreamError>;

    fn header_from_policy(&self) -> FromPolicy;

    /// Whether the settings have changed since `transport` was found for this connection.
    fn has_replaced(&self, _connection: &ConnectionId, _transport: &Arc<dyn Transport>) -> bool {
        false
    }

    /// Somebody may have signed in for a delegated connection: tokens of earlier sign-ins are no longer used. Returns the
    /// connections of which so.
    async fn notice_sign_ins(&self) -> Vec<ConnectionId> {
        Vec::new()
    }

    /// Called once a day: refreshes what users granted and nobody used for `idle`, so that it does not end of disuse.
    async fn keep_alive(&self, _idle: Duration, _now: Timestamp) {}
}
