//! Emails settings, routes, submission accounts.

use serde::{Deserialize, Serialize};
use submission::http::DateTime;
use utoipa::ToSchema;

use super::{DiffLine, SecretText};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum ConnectionTypeName {
    Graph,
    Smtp,
}

/// What becomes of a message's own From.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum FromPolicyName {
    Keep,
    Rewrite,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the page")]
pub(in crate::api) struct EmailsView {
    enabled: bool,
    smtp_authentication: bool,
    modern_authentication: bool,
    #[schema(required)]
    mailbox: Option<String>,
    /// Name of the connection.
    #[schema(required)]
    service_connection: Option<String>,
    #[schema(required)]
    service_connection_id: Option<String>,
    connection_type: ConnectionTypeName,
    from_policy: FromPolicyName,
    /// Names of connections, in the order in which they are tried while the Service Connection is broken.
    fallback: Vec<String>,
    /// A testing environment: every message is held as it arrives.
    hold_all: bool,
    /// A testing environment: every message goes to this address alone.
    #[schema(required)]
    redirect_all_to: Option<String>,
    /// Why mail that no route takes would wait; null: it leaves.
    #[schema(required)]
    problem: Option<String>,
}

/// The Emails settings, whole: what is left out has its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a box of the page")]
pub(in crate::api) struct EmailsEntry {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    smtp_authentication: bool,
    #[serde(default)]
    modern_authentication: bool,
    mailbox: Option<String>,
    /// Name of the connection.
    service_connection: Option<String>,
    #[serde(default)]
    #[schema(nullable = false)]
    connection_type: Option<ConnectionTypeName>,
    #[serde(default)]
    #[schema(nullable = false)]
    from_policy: Option<FromPolicyName>,
    /// Names of connections, in the order in which they are tried.
    #[serde(default)]
    fallback: Vec<String>,
    #[serde(default)]
    hold_all: bool,
    redirect_all_to: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RouteList {
    /// In the order in which they are tried.
    routes: Vec<RouteView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct RouteView {
    id: String,
    /// Counted from 1.
    position: u64,
    name: String,
    sender: String,
    /// Name of the connection.
    service_connection: String,
    service_connection_id: String,
    /// An address, or `sender`.
    mailbox: String,
    /// Names of connections, in the order in which they are tried while this one is broken.
    fallback: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RouteEntry {
    name: String,
    /// An address in which `*` stands for anything.
    sender: String,
    /// Name of the connection.
    service_connection: String,
    /// An address, or `sender`: that of the header From.
    mailbox: String,
    /// Names of connections, in the order in which they are tried while this one is broken.
    #[serde(default)]
    fallback: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum MoveName {
    Up,
    Down,
    First,
    Last,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AccountList {
    accounts: Vec<AccountView>,
}

/// A submission account; no secret is in it, nor a digest of one.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AccountView {
    id: String,
    name: String,
    has_password: bool,
    has_token: bool,
    /// Empty: any sender.
    allowed_senders: Vec<String>,
    /// Empty: any network.
    networks: Vec<String>,
    #[schema(required)]
    messages_per_minute: Option<u32>,
    /// When its newest message arrived that is still kept.
    #[schema(required)]
    last_submission: Option<DateTime>,
}

/// A submission account. A password or token that is neither given nor made stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AccountEntry {
    name: String,
    /// For SMTP.
    password: Option<SecretText>,
    /// For this API.
    token: Option<SecretText>,
    /// Makes a password; it is in this one answer.
    #[serde(default)]
    generate_password: bool,
    /// Makes a token; it is in this one answer.
    #[serde(default)]
    generate_token: bool,
    /// Addresses in which `*` stands for anything; empty: any sender.
    #[serde(default)]
    allowed_senders: Vec<String>,
    /// As in `10.0.0.0/8`; empty: any network.
    #[serde(default)]
    networks: Vec<String>,
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    messages_per_minute: Option<u32>,
}

/// What saving an account came to, with the secrets that were made: they are kept nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AccountSaved {
    id: String,
    /// The version the settings are at.
    version: u64,
    /// What was before and is now, secrets masked; empty: it was like that already.
    diff: Vec<DiffLine>,
    /// Waiting messages that go another way now.
    rerouted: u64,
    #[schema(required)]
    generated_password: Option<String>,
    #[schema(required)]
    generated_token: Option<String>,
}
