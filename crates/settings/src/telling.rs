//! Who is told what became of messages, and of the gateway itself.

use std::fmt;

use mail::Address;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{ConnectionId, Sealed};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookId(pub String);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL that is told of news by a signed POST (Standard Webhooks).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub id: WebhookId,
    pub name: String,
    /// `https://`; `http://` for loopback addresses only.
    pub url: Url,
    /// `whsec_` and the key in base64, sealed for the field `secret` of the webhook.
    pub secret: Sealed,
    /// Empty: of everything.
    pub events: Vec<News>,
    pub disabled: bool,
}

impl Webhook {
    pub fn wants(&self, news: News) -> bool {
        !self.disabled && (self.events.is_empty() || self.events.contains(&news))
    }
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum News {
    #[serde(rename = "message.sent")]
    Sent,
    /// Finally: to at least one recipient.
    #[serde(rename = "message.failed")]
    Failed,
    /// Not delivered for longer than the delay notice allows; still being tried.
    #[serde(rename = "message.delayed")]
    Delayed,
    /// May have been delivered, and waits for a decision.
    #[serde(rename = "message.uncertain")]
    Uncertain,
    /// A non-delivery report came back after the upstream had accepted the message.
    #[serde(rename = "message.bounced")]
    Bounced,
    #[serde(rename = "message.quarantined")]
    Quarantined,
    #[serde(rename = "alarm.raised")]
    AlarmRaised,
    #[serde(rename = "alarm.cleared")]
    AlarmCleared,
}

impl News {
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::Failed,
        Self::Delayed,
        Self::Uncertain,
        Self::Bounced,
        Self::Quarantined,
        Self::AlarmRaised,
        Self::AlarmCleared,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "message.sent",
            Self::Failed => "message.failed",
            Self::Delayed => "message.delayed",
            Self::Uncertain => "message.uncertain",
            Self::Bounced => "message.bounced",
            Self::Quarantined => "message.quarantined",
            Self::AlarmRaised => "alarm.raised",
            Self::AlarmCleared => "alarm.cleared",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|news| news.name() == name)
    }
}

/// Notices by mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notices {
    /// The sender of a message that finally failed gets a delivery status notification (RFC 3464).
    pub failures: bool,
    /// The sender is told, once, when a message waits for longer than this; `None`: never.
    pub delay_after_minutes: Option<u32>,
    pub alarms: Alarms,
}

impl Default for Notices {
    fn default() -> Self {
        Self { failures: true, delay_after_minutes: Some(4 * 60), alarms: Alarms::default() }
    }
}

/// When the gateway itself is in trouble: a connection that only an administrator can mend, a secret about to expire, mail
/// that grows old in the queue. Webhooks are told, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarms {
    /// Nobody: no mail.
    pub to: Vec<Address>,
    /// By which connection alarms go: one that does not break together with the others. `None`: by the Emails settings.
    pub connection: Option<ConnectionId>,
    /// From which mailbox on that connection; `None`: the Emails settings' one.
    pub mailbox: Option<Address>,
    /// The oldest message that is due waits for longer than this.
    pub queue_age_minutes: u32,
    /// A secret or certificate ends within so many days.
    pub expiry_days: u32,
}

impl Default for Alarms {
    fn default() -> Self {
        Self { to: Vec::new(), connection: None, mailbox: None, queue_age_minutes: 60, expiry_days: 14 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_is_stored_and_signed() {
        for news in News::ALL {
            assert_eq!(News::from_name(news.name()), Some(news));
        }
    }
}
