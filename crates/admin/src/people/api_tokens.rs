//! Bearer tokens for programs that administer Postern over the HTTP API.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use settings::{ApiTokenId, Role};
use store::Store;

use crate::{Actor, AdminError};

/// A token as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiTokenSummary {
    pub id: ApiTokenId,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub expired: bool,
}

#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// What it is for; unique, letter case ignored.
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct CreatedApiToken {
    pub summary: ApiTokenSummary,
    /// `postern_…`; shown once, kept nowhere.
    pub token: SecretString,
}

/// By name. For administrators.
pub fn list_api_tokens(store: &dyn Store, actor: &Actor, now: Timestamp) -> Result<Vec<ApiTokenSummary>, AdminError> {
    todo!()
}

pub async fn create_api_token(
    store: &dyn Store,
    actor: &Actor,
    new: &NewApiToken,
    now: Timestamp,
) -> Result<CreatedApiToken, AdminError> {
    todo!()
}

/// By name, letter case ignored, or by id.
pub async fn revoke_api_token(store: &dyn Store, actor: &Actor, name: &str, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}

/// Whom a bearer token of the administrator's API stands for; `None`: nobody (any more). In the audit log they are
/// called `token:` and the token's name.
pub fn api_actor(store: &dyn Store, token: &SecretString, now: Timestamp) -> Result<Option<Actor>, AdminError> {
    todo!()
}
