//! What an administrator can set, as types, and the decisions that follow from it alone.
//!
//! Promise: [`Settings`] is one consistent snapshot; routing and sender checks are pure functions of it, so the way in,
//! the way out and the console cannot disagree about them.
//!
//! Left to others: where settings are kept (`store`), who may change them (`admin`), what they do on the network.

mod account;
mod connection;
mod emails;
mod network;
mod pace;
mod route;
mod sealed;
mod sender_pattern;
mod sign_in;
mod snapshot;
mod telling;
mod tenant;
mod user;

pub use account::{Account, AccountId};
pub use connection::{
    Connection, ConnectionId, Delivery, GRAPH_LARGE_MAX_BYTES, GRAPH_LARGE_MAX_BYTES_EVER, GRAPH_MIME_MAX_BYTES,
    OnUncertain, Permission, Security, Service, SmtpServer,
};
pub use emails::{ConnectionType, Emails, FromPolicy};
pub use network::{ConnectionNetwork, ProxyChoice, ProxyServer};
pub use pace::{ExternalLimit, Pace, ServiceLimits, tenant_external_recipients};
pub use route::{Mailbox, Route, RouteId, RoutedTo};
pub use sealed::Sealed;
pub use sender_pattern::{SenderPattern, SenderPatternError};
pub use sign_in::{GroupRole, OpenIdProvider, SignIn};
pub use snapshot::{Settings, Unrouted};
pub use telling::{Alarms, News, Notices, Webhook, WebhookId};
pub use tenant::{Certificate, Cloud, Credential, CustomCloud, Tenant, TenantId};
pub use user::{ApiToken, ApiTokenId, OpenIdSubject, Role, User, UserId};
