//! All settings at one moment, and where they send a message.

use mail::Address;
use serde::{Deserialize, Serialize};

use crate::{Account, AccountId, Connection, ConnectionId, Emails, Mailbox, Route, RoutedTo, Tenant, TenantId};

/// One consistent snapshot. `version` grows with every change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    pub version: u64,
    pub tenants: Vec<Tenant>,
    pub connections: Vec<Connection>,
    pub emails: Emails,
    /// In order: the first match wins.
    pub routes: Vec<Route>,
    pub accounts: Vec<Account>,
}

/// Why no route takes a message. It stays queued until the settings do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    #[error("sending is switched off: Settings → Edit Global System Settings → Emails → Enabled")]
    Disabled,
    #[error("no Service Connection is chosen: Settings → Edit Global System Settings → Emails → Service Connection")]
    NoConnection,
    #[error("no mailbox to send from: Settings → Edit Global System Settings → Emails → Mailbox Email Address")]
    NoMailbox,
}

impl Settings {
    /// The way of a message whose header From is `sender` (`None`: the header has no usable From).
    pub fn route(&self, sender: Option<&Address>) -> Result<RoutedTo, Unrouted> {
        if !self.emails.enabled {
            return Err(Unrouted::Disabled);
        }
        let matching = sender.and_then(|sender| self.routes.iter().find(|route| route.sender.matches(sender)));
        if let Some(route) = matching {
            let mailbox = match &route.mailbox {
                Mailbox::Sender => sender,
                Mailbox::Address(address) => Some(address),
            };
            let mailbox = mailbox.cloned().ok_or(Unrouted::NoMailbox)?;
            return Ok(RoutedTo { connection: route.service_connection.clone(), mailbox });
        }
        let connection = self.emails.service_connection.clone().ok_or(Unrouted::NoConnection)?;
        let mailbox = self.emails.mailbox.clone().ok_or(Unrouted::NoMailbox)?;
        Ok(RoutedTo { connection, mailbox })
    }

    pub fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.id == *id)
    }

    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }

    pub fn account(&self, id: &AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == *id)
    }

    pub fn account_named(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }
}
