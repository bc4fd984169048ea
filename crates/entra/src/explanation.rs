//! An error as an explanation: what failed, why, what to do, and who has to do it.
//!
//! Promise: every failure of this crate and of those built on it can be shown to an administrator in these four parts.
//! The texts carry codes and request ids where they help, and never a secret.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose hands the fix is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Changes app registrations, secrets, consent and Conditional Access in the Entra admin center.
    EntraAdministrator,
    /// Changes mailboxes, licences, Send As rights and application access in Exchange Online.
    ExchangeAdministrator,
    /// Runs this gateway: its settings, clock and file permissions.
    GatewayAdministrator,
    /// Runs the network between here and Microsoft: DNS, firewall, proxy, TLS inspection.
    NetworkAdministrator,
    /// Wrote the message, or runs the program that did.
    Sender,
    /// Nobody has to act: it passes by itself.
    Nobody,
    /// The gateway did something it must not do: report it to its authors.
    Developers,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EntraAdministrator => "the Entra administrator",
            Self::ExchangeAdministrator => "the Exchange administrator",
            Self::GatewayAdministrator => "the administrator of this gateway",
            Self::NetworkAdministrator => "the network administrator",
            Self::Sender => "the sender of the message",
            Self::Nobody => "nobody: it passes by itself",
            Self::Developers => "the developers of this gateway",
        })
    }
}

/// What failed, why, the fix, and whose hands it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub what: Cow<'static, str>,
    pub why: Cow<'static, str>,
    pub fix: Cow<'static, str>,
    pub who: Who,
}

impl Explanation {
    pub fn new(
        what: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
        fix: impl Into<Cow<'static, str>>,
        who: Who,
    ) -> Self {
        Self { what: what.into(), why: why.into(), fix: fix.into(), who }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Cause: {} Fix: {} (for {})", self.what, self.why, self.fix, self.who)
    }
}
