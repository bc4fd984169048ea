//! Routes: which connection and mailbox carry mail of which sender.

use mail::Address;
use serde::{Deserialize, Serialize};

use crate::{ConnectionId, SenderPattern};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteId(pub String);

/// First match wins; the Emails settings come last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub id: RouteId,
    pub name: String,
    pub sender: SenderPattern,
    pub service_connection: ConnectionId,
    pub mailbox: Mailbox,
    /// Connections to fall back to, in order.
    pub fallback: Vec<ConnectionId>,
}

/// Whose mailbox sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mailbox {
    /// The mailbox of the message's header From.
    Sender,
    #[serde(untagged)]
    Address(Address),
}

/// Where a message goes: the key of its lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoutedTo {
    pub connection: ConnectionId,
    pub mailbox: Address,
}
