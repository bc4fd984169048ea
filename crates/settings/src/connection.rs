//! Service connections: a service, with a tenant or a host, and how deliveries through it behave.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ConnectionNetwork, ConnectionType, Pace, Sealed, TenantId};

/// Identity of a connection row; stable over renames. Part of a lane's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub String);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of upstream, built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Service {
    #[serde(rename = "Microsoft Entra ID Graph API")]
    GraphApi,
    #[serde(rename = "Microsoft Entra ID Exchange")]
    Exchange,
    #[serde(rename = "SMTP Server")]
    SmtpServer,
}

impl Service {
    pub const ALL: [Self; 3] = [Self::GraphApi, Self::Exchange, Self::SmtpServer];

    /// The name shown in the console and written in setup files.
    pub fn name(self) -> &'static str {
        match self {
            Self::GraphApi => "Microsoft Entra ID Graph API",
            Self::Exchange => "Microsoft Entra ID Exchange",
            Self::SmtpServer => "SMTP Server",
        }
    }

    pub fn needs_tenant(self) -> bool {
        !matches!(self, Self::SmtpServer)
    }

    /// How mail goes to it: what *SMTP Server Connection Type* must say.
    pub fn connection_type(self) -> ConnectionType {
        match self {
            Self::GraphApi => ConnectionType::Graph,
            Self::Exchange | Self::SmtpServer => ConnectionType::Smtp,
        }
    }

    /// Attempts at once on one mailbox that the service bears.
    pub fn max_in_flight(self) -> u32 {
        match self {
            // Graph serves four requests at once on a mailbox; more only earns refusals.
            Self::GraphApi => 4,
            // Exchange Online takes three connections of a mailbox.
            Self::Exchange => 3,
            Self::SmtpServer => 50,
        }
    }

    /// What is used where nothing is said.
    pub fn default_in_flight(self) -> u32 {
        match self {
            Self::GraphApi | Self::Exchange => Connection::DEFAULT_IN_FLIGHT,
            // What Postfix and Exim allow one client without being told.
            Self::SmtpServer => 10,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    #[default]
    Application,
    Delegated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    #[default]
    Standard,
    /// Draft with an immutable id, then send: after a lost answer the draft tells whether it left.
    Tracked,
}

/// What to do with a message that may or may not have been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUncertain {
    /// Send again: the recipient may get it twice.
    #[default]
    Retry,
    /// Keep it `uncertain` until an administrator decides: the recipient may not get it.
    Hold,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    pub id: ConnectionId,
    pub name: String,
    pub service: Service,
    /// Present when the service needs one, or when a server of one's own takes the tenant's tokens.
    pub tenant: Option<TenantId>,
    pub permission: Permission,
    /// May ask for `Mail.ReadWrite` to send what does not fit one Graph request.
    pub large_messages: bool,
    pub delivery: Delivery,
    pub on_uncertain: OnUncertain,
    /// Attempts under way at once per mailbox.
    pub in_flight: u32,
    /// Of [`Service::GraphApi`]: octets of message that go in one request; `None`: [`GRAPH_MIME_MAX_BYTES`]. Microsoft does not say
    /// where exactly its limit is, and some tenants seem to have a lower one.
    #[serde(default)]
    pub mime_max_bytes: Option<u64>,
    /// Of [`Service::GraphApi`] with large messages: what its mailboxes may send at most, octets; `None`:
    /// [`GRAPH_LARGE_MAX_BYTES`]. An administrator of Exchange Online can allow up to [`GRAPH_LARGE_MAX_BYTES_EVER`].
    #[serde(default)]
    pub large_max_bytes: Option<u64>,
    /// `None`: as the gateway goes.
    #[serde(default)]
    pub network: Option<ConnectionNetwork>,
    #[serde(default)]
    pub pace: Pace,
    /// Of [`Service::GraphApi`]: non-delivery reports are read from the sending mailboxes, which needs `Mail.Read`.
    #[serde(default)]
    pub read_bounces: bool,
    /// Present for [`Service::SmtpServer`].
    pub smtp: Option<SmtpServer>,
}

/// What one Graph request carries: 4 MiB of base64 are this much MIME.
pub const GRAPH_MIME_MAX_BYTES: u64 = 3 * 1024 * 1024;

/// What a mailbox of Exchange Online may send unless its administrator allows more.
pub const GRAPH_LARGE_MAX_BYTES: u64 = 35 * 1024 * 1024;

/// What an administrator of Exchange Online can allow a mailbox at most.
pub const GRAPH_LARGE_MAX_BYTES_EVER: u64 = 150 * 1024 * 1024;

impl Connection {
    /// Microsoft allows four requests at once on a mailbox; one is left for the doctor and other software.
    pub const DEFAULT_IN_FLIGHT: u32 = 3;

    /// A connection with every choice at its default.
    pub fn new(id: ConnectionId, name: impl Into<String>, service: Service) -> Self {
        Self {
            id,
            name: name.into(),
            service,
            tenant: None,
            permission: Permission::default(),
            large_messages: false,
            delivery: Delivery::default(),
            on_uncertain: OnUncertain::default(),
            in_flight: service.default_in_flight(),
            mime_max_bytes: None,
            large_max_bytes: None,
            network: None,
            pace: Pace::default(),
            read_bounces: false,
            smtp: None,
        }
    }

    /// Octets of message that go in one Graph request.
    pub fn mime_limit(&self) -> u64 {
        self.mime_max_bytes.unwrap_or(GRAPH_MIME_MAX_BYTES)
    }

    /// Whether what does not fit one Graph request is sent as a draft with separate attachments.
    pub fn takes_large_apart(&self) -> bool {
        self.service == Service::GraphApi && self.large_messages
    }

    /// Whether it makes drafts in its mailboxes, for which Microsoft asks `Mail.ReadWrite`.
    pub fn makes_drafts(&self) -> bool {
        self.takes_large_apart() || (self.service == Service::GraphApi && self.delivery == Delivery::Tracked)
    }

    /// The largest message the connection can carry, in octets as it leaves; `None`: it names no limit.
    pub fn max_message_bytes(&self) -> Option<u64> {
        match self.service {
            Service::GraphApi if self.takes_large_apart() => {
                Some(self.large_max_bytes.unwrap_or(GRAPH_LARGE_MAX_BYTES))
            }
            Service::GraphApi => Some(self.mime_limit()),
            Service::Exchange | Service::SmtpServer => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpServer {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub username: Option<String>,
    pub password: Option<Sealed>,
    /// With a tenant: what its application asks a token for, to sign in with XOAUTH2 instead of a password, such as
    /// `https://mail.contoso.test/.default`.
    #[serde(default)]
    pub oauth_scope: Option<String>,
}

/// How the session with an SMTP server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Begins in clear and is protected before anything is said; a server that does not offer it is not used.
    #[default]
    StartTls,
    /// TLS from the first octet.
    Implicit,
    None,
}

impl Security {
    /// The port that goes with it, unless another is given: submission (RFC 6409), submissions (RFC 8314), smtp.
    pub fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}
