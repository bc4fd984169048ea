//! Bearer tokens for programs that administer Postern over the HTTP API.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use settings::{ApiToken, ApiTokenId, Role, Settings};
use store::{SettingsChange, Store, StoreError};

use super::change::{Decision, change, unusable};
use super::{random, user_name};
use crate::{Actor, AdminError};

/// What every token begins with: so that one that leaked is known for what it is.
const PREFIX: &str = "postern_";

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

impl ApiTokenSummary {
    fn new(token: &ApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            role: token.role,
            created_at: token.created_at,
            expires_at: token.expires_at,
            expired: token.is_expired(now),
        }
    }
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
    actor.must_be(Role::Administrator)?;
    let settings = store.settings().borrow().clone();
    let mut tokens: Vec<_> = settings.api_tokens.iter().map(|token| ApiTokenSummary::new(token, now)).collect();
    tokens.sort_by_key(|token| token.name.to_lowercase());
    Ok(tokens)
}

pub async fn create_api_token(
    store: &dyn Store,
    actor: &Actor,
    new: &NewApiToken,
    now: Timestamp,
) -> Result<CreatedApiToken, AdminError> {
    actor.must_be(Role::Administrator)?;
    let name = user_name::check("token", &new.name)?;
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(AdminError::refused("the token would be expired already", "Give a time to come."));
    }
    let token = SecretString::from(format!("{PREFIX}{}", random::token()?.expose_secret()));
    let kept = ApiToken {
        id: ApiTokenId(random::id("token")?),
        name: name.to_owned(),
        role: new.role,
        digest: digest(store, &token)?,
        created_at: now,
        expires_at: new.expires_at,
    };
    change(store, actor.name(), "api_token_created", now, |settings| {
        if let Some(other) = named(settings, name) {
            return Err(AdminError::refused(
                format!("there is a token called '{}' already", other.name),
                "Choose another name; letter case makes no difference.",
            ));
        }
        let detail = json!({ "token": name, "role": new.role.name(), "expires_at": new.expires_at });
        Ok(Decision { changes: vec![SettingsChange::PutApiToken(kept.clone())], detail, outcome: () })
    })
    .await?;
    Ok(CreatedApiToken { summary: ApiTokenSummary::new(&kept, now), token })
}

/// By name, letter case ignored, or by id.
pub async fn revoke_api_token(store: &dyn Store, actor: &Actor, name: &str, now: Timestamp) -> Result<(), AdminError> {
    actor.must_be(Role::Administrator)?;
    change(store, actor.name(), "api_token_revoked", now, |settings| {
        let by_id = || settings.api_tokens.iter().find(|token| token.id.0 == name);
        let token = named(settings, name.trim()).or_else(by_id).ok_or_else(|| {
            AdminError::refused(format!("there is no token called '{name}'"), "List the tokens, and correct the name.")
        })?;
        let detail = json!({ "token": token.name, "role": token.role.name() });
        let changes = vec![SettingsChange::RemoveApiToken(token.id.clone())];
        Ok(Decision { changes, detail, outcome: () })
    })
    .await
}

/// Whom a bearer token of the administrator's API stands for; `None`: nobody (any more). In the audit log they are
/// called `token:` and the token's name.
pub fn api_actor(store: &dyn Store, token: &SecretString, now: Timestamp) -> Result<Option<Actor>, AdminError> {
    if !token.expose_secret().starts_with(PREFIX) {
        return Ok(None);
    }
    // The digest is keyed, so the time a comparison takes tells nothing about the token.
    let digest = digest(store, token)?;
    let settings = store.settings().borrow().clone();
    let known = settings.api_tokens.iter().find(|known| known.digest == digest && !known.is_expired(now));
    Ok(known.map(|known| Actor::new(format!("token:{}", known.name), known.role)))
}

fn digest(store: &dyn Store, token: &SecretString) -> Result<String, StoreError> {
    store.key_ring().token_digest(token).map_err(|error| unusable(&error))
}

fn named<'s>(settings: &'s Settings, name: &str) -> Option<&'s ApiToken> {
    let wanted = name.to_lowercase();
    settings.api_tokens.iter().find(|token| token.name.to_lowercase() == wanted)
}
