//! The server of a connection of the service *SMTP Server*, as people see it.

use serde::Serialize;
use settings::{Security, SmtpServer};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmtpServerView {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub username: Option<String>,
    pub has_password: bool,
    /// Signs in with a token of the tenant, for this scope, in place of a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_scope: Option<String>,
}

impl From<&SmtpServer> for SmtpServerView {
    fn from(server: &SmtpServer) -> Self {
        Self {
            host: server.host.clone(),
            port: server.port,
            security: server.security,
            username: server.username.clone(),
            has_password: server.password.is_some(),
            oauth_scope: server.oauth_scope.clone(),
        }
    }
}
