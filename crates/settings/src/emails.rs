//! Global System Settings → Emails: the page that makes a connection the system's way out.

use mail::Address;
use serde::{Deserialize, Serialize};

use crate::ConnectionId;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the page")]
pub struct Emails {
    pub enabled: bool,
    /// *Enable SMTP Authentication*
    pub smtp_authentication: bool,
    /// *Modern Authentication (OAuth 2.0)*
    pub modern_authentication: bool,
    /// *Mailbox Email Address*
    pub mailbox: Option<Address>,
    /// *Service Connection*
    pub service_connection: Option<ConnectionId>,
    /// *SMTP Server Connection Type*
    pub connection_type: ConnectionType,
    pub from_policy: FromPolicy,
    /// Connections to fall back to, in order, while [`Self::service_connection`] is broken.
    #[serde(default)]
    pub fallback: Vec<ConnectionId>,
    /// For a testing environment: every message is held as it arrives, and sent only when somebody releases it.
    #[serde(default)]
    pub hold_all: bool,
    /// For a testing environment: whoever a message is for, it is sent to this address alone.
    #[serde(default)]
    pub redirect_all_to: Option<Address>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionType {
    #[default]
    Graph,
    Smtp,
}

/// What becomes of the message's own From.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FromPolicy {
    /// Leave it: the mailbox needs Send As for every other address.
    Keep,
    /// The mailbox becomes From, the original becomes Reply-To.
    #[default]
    Rewrite,
}
