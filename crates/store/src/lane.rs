//! Lanes: one mailbox on one connection; the unit of pacing, ordering and ownership.
//!
//! A node works on a lane only while it holds the lane's lease. The lease's epoch grows at every change of owner, and
//! each claim carries it, so a claim of an earlier owner can be told from one's own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::RoutedTo;

use crate::{Explanation, Priority};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LaneId(pub i64);

/// A process that delivers. Stays the same over restarts on the same data folder, so that a restarted node takes its
/// own lanes back at once instead of waiting for its old leases to expire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub String);

/// A lane with what its owner must know before working on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub id: LaneId,
    pub key: RoutedTo,
    /// Messages queued or being sent.
    pub waiting: u64,
    /// When the next message of the lane is due; `None`: nothing is waiting.
    pub next_due: Option<Timestamp>,
    pub pause: Option<LanePause>,
}

/// The lane stands still until then. Durable: a restart does not break a Retry-After.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanePause {
    pub until: Timestamp,
    pub explanation: Explanation,
    /// An administrator must act (a configuration error), as opposed to a throttle that passes by itself.
    pub needs_administrator: bool,
}

/// What a lane takes of what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appetite {
    pub messages: u32,
    /// Recipients of one attempt at most.
    pub recipients: u32,
    /// Larger ones, as stored, are passed over; where [`Appetite::PASSED_OVER_MAX`] of one account are due before a smaller
    /// one, that is passed over, too.
    pub max_bytes: u64,
    /// Only messages of this priority, and of higher ones.
    pub at_least: Priority,
    /// Also while the lane is paused: its owner knows why it stands still, and what may pass.
    pub through_pause: bool,
}

impl Appetite {
    /// Whoever looks further looks long: the search is the writer's.
    pub const PASSED_OVER_MAX: u16 = 256;

    /// Whatever is due, while the lane is not paused.
    pub fn for_any(messages: u32, recipients: u32) -> Self {
        Self { messages, recipients, max_bytes: u64::MAX, at_least: Priority::Bulk, through_pause: false }
    }
}

/// The right to work on a lane until `until`, proven by `epoch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub lane: LaneId,
    pub node: NodeId,
    pub epoch: u64,
    pub until: Timestamp,
}
