//! *Setup Authentication*: letting a connection send, as an application (consent, scope) or for a user who signs in.
//!
//! Promise: a refresh token is sealed before it is kept and never shown; a sign-in ends once, in the console session that
//! began it, within ten minutes; whoever signs in or is forgotten stands in the audit log.
//!
//! Left to others: talking to Entra ID (`entra`), refreshing what was granted (`relay`), the redirect itself (`console`).

mod browser;
mod consent;
mod device;
mod flows;
mod forgetting;
mod proving;
mod scoping;
mod standing;

use entra::Granted;
use jiff::Timestamp;
use relay::Network;
use serde::Serialize;
use serde_json::json;
use settings::{Connection, ConnectionId, Permission, Settings, Tenant};
use store::{AuditEntry, Explanation, Grant, KeyRing, Store};

use crate::connection::explain;
use crate::{Actor, AdminError, Refused, Role, sealed_secret};

pub use browser::{Callback, SignInRequest, begin_sign_in, finish_sign_in};
pub use consent::{admin_consent_url, explain_consent_refusal};
pub use device::{DevicePolled, DeviceSignIn, begin_device_sign_in, poll_device_sign_in};
pub use flows::Flows;
pub(crate) use forgetting::forget_groundless;
pub use proving::{Proof, prove_application};
pub use scoping::scoping_script;
pub use standing::{ConnectionStanding, connection_standing, connection_standings};

/// What a user granted, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantSummary {
    /// The user principal name of who signed in.
    pub user: String,
    pub scopes: Vec<String>,
    pub signed_in_at: Timestamp,
    pub refreshed_at: Timestamp,
    /// Why it is over: somebody must sign in again.
    pub dead: Option<Explanation>,
}

/// How a sign-in ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SignInEnd {
    Granted(GrantSummary),
    /// Nothing was changed.
    Refused(Explanation),
}

/// What was granted to the connection with this id; `None`: nobody has signed in.
pub async fn grant_of(store: &dyn Store, actor: &Actor, connection: &str) -> Result<Option<GrantSummary>, AdminError> {
    actor.must_be(Role::Viewer)?;
    Ok(store.grant(&ConnectionId(connection.to_owned())).await?.map(GrantSummary::from))
}

/// Forgets what was granted: mail of the connection waits until somebody signs in again.
pub async fn forget_grant(
    store: &dyn Store,
    actor: &Actor,
    connection: &str,
    now: Timestamp,
) -> Result<(), AdminError> {
    actor.must_be(Role::Administrator)?;
    forgetting::forget(store, actor, &ConnectionId(connection.to_owned()), now).await
}

impl From<Grant> for GrantSummary {
    fn from(grant: Grant) -> Self {
        Self {
            user: grant.user,
            scopes: grant.scopes,
            signed_in_at: grant.signed_in_at,
            refreshed_at: grant.refreshed_at,
            dead: grant.dead,
        }
    }
}

/// A delegated connection with its tenant: nothing else is signed in to.
fn delegated<'a>(settings: &'a Settings, id: &str) -> Result<(&'a Connection, &'a Tenant), Refused> {
    let (connection, tenant) = with_tenant(settings, id)?;
    if connection.permission != Permission::Delegated {
        return Err(Refused::new(
            format!("connection '{}' sends with the application's own permission: nobody signs in", connection.name),
            "Change its permission to delegated first.",
        )
        .at("permission"));
    }
    Ok((connection, tenant))
}

fn with_tenant<'a>(settings: &'a Settings, id: &str) -> Result<(&'a Connection, &'a Tenant), Refused> {
    let connection = crate::connection::with_id(settings, id)?;
    let tenant = connection.tenant.as_ref().and_then(|id| settings.tenant(id)).ok_or_else(|| {
        Refused::new(format!("connection '{}' has no tenant", connection.name), "Choose a tenant.").at("tenant")
    })?;
    Ok((connection, tenant))
}

fn cloud(tenant: &Tenant) -> Result<entra::Cloud, Refused> {
    relay::cloud(&tenant.cloud)
        .map_err(|error| Refused::new(error.to_string(), "Correct the cloud of the tenant.").at("cloud"))
}

fn sign_in(
    connection: &Connection,
    tenant: &Tenant,
    keys: &KeyRing,
    network: &Network,
    scope: entra::MailScope,
) -> Result<entra::DelegatedSignIn, Refused> {
    let unusable = |error: relay::UpstreamError| {
        let explanation = error.explanation();
        Refused::new(format!("{} {}", explanation.what, explanation.why).trim_end(), explanation.fix)
    };
    let network = relay::network_of(connection, network, keys).map_err(unusable)?;
    let http = network.client().map_err(|error| unusable(error.into()))?;
    let application = relay::application(tenant, &cloud(tenant)?, keys, Permission::Delegated).map_err(unusable)?;
    entra::DelegatedSignIn::new(http, application, scope)
        .map_err(|error| Refused::new(error.to_string(), error.explanation().fix))
}

/// What is asked of who signs in: all that the connection's settings need.
fn scope_of(connection: &Connection, shared_mailboxes: bool) -> entra::MailScope {
    entra::MailScope { shared: shared_mailboxes, ..relay::mail_scope(connection) }
}

/// Seals and keeps what was granted.
async fn keep(
    store: &dyn Store,
    actor: &Actor,
    connection: &ConnectionId,
    granted: Granted,
    now: Timestamp,
) -> Result<GrantSummary, AdminError> {
    let sealed = store.key_ring().seal(&sealed_secret::refresh_token(connection), &granted.refresh_token);
    let refresh_token = sealed.map_err(|error| {
        Refused::new(format!("what was granted cannot be sealed: {error}"), "Look at master.key in the data folder.")
    })?;
    let grant = Grant {
        refresh_token,
        user: granted.user.unwrap_or_else(|| "unknown".to_owned()),
        scopes: granted.scopes,
        signed_in_at: now,
        refreshed_at: now,
        dead: None,
    };
    let summary = GrantSummary::from(grant.clone());
    store.put_grant(connection, Some(grant)).await?;
    let detail = json!({ "connection": connection.0, "user": summary.user, "scopes": summary.scopes.join(" ") });
    audit(store, actor, "connection_signed_in", detail, now).await?;
    Ok(summary)
}

/// Entra's refusal in the words of the console.
fn refused(error: &entra::EntraError) -> Explanation {
    explain(&error.explanation(), error.aadsts().map(|number| format!("AADSTS{number}")))
}

async fn audit(
    store: &dyn Store,
    actor: &Actor,
    action: &'static str,
    detail: serde_json::Value,
    at: Timestamp,
) -> Result<(), AdminError> {
    tracing::info!(event = "grant_changed", action, actor = actor.name());
    let entry = AuditEntry { at, actor: actor.name().to_owned(), action: action.to_owned(), detail };
    Ok(store.record_audit(entry).await?)
}
