//! What this crate is told at start, with every limit and its reason in one table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use graph::Network;
use jiff::{SignedDuration, Timestamp};
use relay::Backoff;

/// Tells the time. A parameter, so that tests move it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
pub struct TellingConfig {
    /// Our name in reports.
    pub hostname: String,
    /// How long a letter is tried: config `limits.queue_lifetime`.
    pub queue_lifetime: SignedDuration,
    /// How webhooks are reached.
    pub network: Network,
    /// Whether the disk has room.
    pub has_room: Arc<dyn Fn() -> bool + Send + Sync>,
    pub clock: Clock,
    pub limits: Limits,
}

impl TellingConfig {
    /// A gateway of this name, everything else at its default.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            queue_lifetime: SignedDuration::from_hours(48),
            network: Network::default(),
            has_room: Arc::new(|| true),
            clock: Arc::new(Timestamp::now),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for TellingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TellingConfig")
            .field("hostname", &self.hostname)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// From the start of a call to a webhook to its answer. Standard Webhooks advises 15 to 30 seconds.
    pub webhook_deadline: Duration,
    /// Between calls to a webhook that fails.
    pub webhook_backoff: Backoff,
    /// News that a failing webhook did not take for so long is dropped.
    pub webhook_lifetime: SignedDuration,
    /// A receiver's `Retry-After` is kept to, but not beyond this.
    pub webhook_retry_after_max: Duration,
    /// Between looks at what only time changes: ages, ends of secrets, Inboxes, delays.
    pub look: Duration,
    /// Looks at lanes follow each other no faster than this, however much goes on.
    pub look_at_once: Duration,
    /// An alarm is over when its reason was away for so long: what flaps is one alarm, not a flood.
    pub alarm_quiet: SignedDuration,
    /// A whole message comes back in a report up to this size; of a larger one, its header.
    pub returned_max_bytes: u64,
    /// The header that comes back.
    pub returned_header_max_bytes: u64,
    /// From a message that was sent to the first look for its report.
    pub inbox_soon: Duration,
    /// Between looks into the Inbox of a mailbox that sent within [`Self::inbox_busy`].
    pub inbox_look: SignedDuration,
    /// The same, when it has not sent for longer.
    pub inbox_look_seldom: SignedDuration,
    pub inbox_busy: SignedDuration,
    /// Reports come as long as Exchange tries: two days, and some more of others.
    pub inbox_watched: SignedDuration,
    /// A report of an older message is not believed.
    pub bounce_of_at_most: SignedDuration,
    /// Larger messages in an Inbox are not looked into.
    pub inbox_message_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            webhook_deadline: Duration::from_secs(15),
            webhook_backoff: Backoff { first: Duration::from_secs(5), cap: Duration::from_hours(1) },
            webhook_lifetime: SignedDuration::from_hours(24),
            webhook_retry_after_max: Duration::from_hours(1),
            look: Duration::from_mins(1),
            look_at_once: Duration::from_secs(1),
            alarm_quiet: SignedDuration::from_mins(2),
            returned_max_bytes: 1024 * 1024,
            returned_header_max_bytes: 64 * 1024,
            inbox_soon: Duration::from_secs(5),
            inbox_look: SignedDuration::from_mins(1),
            inbox_look_seldom: SignedDuration::from_mins(10),
            inbox_busy: SignedDuration::from_hours(1),
            inbox_watched: SignedDuration::from_hours(72),
            bounce_of_at_most: SignedDuration::from_hours(7 * 24),
            inbox_message_max_bytes: 2 * 1024 * 1024,
        }
    }
}
