//! Changes of the settings, and the log of who made them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::{
    Account, AccountId, ApiToken, ApiTokenId, Connection, ConnectionId, Emails, Notices, Route, SignIn, Tenant,
    TenantId, User, UserId, Webhook, WebhookId,
};

/// One change of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettingsChange {
    PutTenant(Tenant),
    RemoveTenant(TenantId),
    PutConnection(Connection),
    RemoveConnection(ConnectionId),
    PutEmails(Emails),
    /// All routes in their order: order is meaning.
    SetRoutes(Vec<Route>),
    PutAccount(Account),
    RemoveAccount(AccountId),
    PutUser(User),
    RemoveUser(UserId),
    PutApiToken(ApiToken),
    RemoveApiToken(ApiTokenId),
    PutSignIn(SignIn),
    PutWebhook(Webhook),
    RemoveWebhook(WebhookId),
    PutNotices(Notices),
}

/// Who changed what; secrets already masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub detail: serde_json::Value,
}

/// An entry as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Grows with every entry.
    pub number: i64,
    #[serde(flatten)]
    pub entry: AuditEntry,
}
