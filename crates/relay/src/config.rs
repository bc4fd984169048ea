//! What the relay is told at start, with every limit and its reason in one table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use store::NodeId;

use crate::{Backoff, Network};

/// Tells the time. A parameter, so that tests move it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub struct RelayConfig {
    pub node: NodeId,
    pub network: Network,
    pub limits: Limits,
    pub retention: Retention,
    pub clock: Clock,
}

impl RelayConfig {
    /// This node under the name `node`, everything else at its default.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            network: Network::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig").field("node", &self.node).field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// Attempts under way at once over all lanes: bounds sockets and memory.
    pub in_flight: u32,
    /// Of one application (a tenant's Client ID), over all its mailboxes: one of Microsoft's documents counts its four requests
    /// at once by application and not by mailbox. `None`: by mailbox alone.
    pub in_flight_per_application: Option<u32>,
    /// Of one message: short at first, since most upstream hiccups pass in seconds.
    pub message_backoff: Backoff,
    /// Of a lane whose upstream cannot be reached or throttles without saying for how long.
    pub lane_backoff: Backoff,
    /// How long a lane rests that only an administrator can mend. Changed settings end the rest at once.
    pub configuration_rest: Duration,
    /// How long a lane rests after a sending quota was used up and the upstream names no time.
    pub quota_rest: Duration,
    /// A lease outlives its owner by this at most; renewed at half.
    pub lease: Duration,
    /// A lane with nothing to do ends its task after this; new work starts it again.
    pub lane_idle: Duration,
    /// How long a shutdown waits for attempts under way. What is cut off then becomes uncertain.
    pub shutdown: Duration,
    /// Between looks at expired and outlived messages, and at the day of the grants.
    pub housekeeping: Duration,
    /// A user's grant that was not used for so long is refreshed: far from the 90 days after which Entra forgets it.
    pub grant_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 256,
            in_flight_per_application: None,
            message_backoff: Backoff { first: Duration::from_secs(5), cap: Duration::from_mins(15) },
            lane_backoff: Backoff { first: Duration::from_secs(2), cap: Duration::from_mins(5) },
            configuration_rest: Duration::from_mins(5),
            quota_rest: Duration::from_hours(1),
            lease: Duration::from_mins(1),
            lane_idle: Duration::from_mins(1),
            shutdown: Duration::from_secs(30),
            housekeeping: Duration::from_mins(1),
            grant_idle: Duration::from_hours(7 * 24),
        }
    }
}

/// How long settled messages are kept; `None`: for ever.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    pub sent: Option<Duration>,
    pub failed: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { sent: Some(30 * day), failed: Some(90 * day) }
    }
}
