//! What an SMTP server offered when a connection was tested.

use mail::Address;
use relay::SmtpFacts;
use serde::Serialize;
use settings::{ConnectionId, Mailbox, Settings};

/// What came of a session that was opened and ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmtpOffer {
    pub host: String,
    pub port: u16,
    /// The session was protected.
    pub tls: bool,
    pub authenticated: bool,
    /// Octets; `None`: the server names no limit.
    pub max_message_bytes: Option<u64>,
    /// Extensions that mail may need and the server does not offer.
    pub lacks: Vec<&'static str>,
}

impl From<SmtpFacts> for SmtpOffer {
    fn from(facts: SmtpFacts) -> Self {
        let SmtpFacts { host, port, tls, authenticated, max_message_bytes, lacks, accepted: _ } = facts;
        Self { host, port, tls, authenticated, max_message_bytes, lacks }
    }
}

/// A mailbox that mail leaves from through this connection, if the settings name one.
pub(crate) fn mailbox<'a>(settings: &'a Settings, connection: &ConnectionId) -> Option<&'a Address> {
    let emails = &settings.emails;
    if emails.service_connection.as_ref() == Some(connection) && emails.mailbox.is_some() {
        return emails.mailbox.as_ref();
    }
    settings.routes.iter().filter(|route| route.service_connection == *connection).find_map(|route| {
        match &route.mailbox {
            Mailbox::Address(address) => Some(address),
            Mailbox::Sender => None,
        }
    })
}
