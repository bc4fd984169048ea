//! Whether a connection can send, or waits for somebody to sign in.

use entra::MailScope;
use serde::Serialize;
use settings::{ConnectionId, Permission};
use store::Store;

use super::GrantSummary;
use crate::{Actor, AdminError, ConnectionSummary, connection_named, list_connections};

/// A connection, and for a delegated one who signed in.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionStanding {
    #[serde(flatten)]
    pub connection: ConnectionSummary,
    pub grant: Option<GrantSummary>,
    /// Nothing leaves before somebody signs in (again): nobody ever did, or what was granted is over.
    pub needs_sign_in: bool,
    /// Permissions that the connection's settings need and nobody has granted: part of its mail waits until somebody signs
    /// in again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<&'static str>,
}

/// By name, or by id.
pub async fn connection_standing(
    store: &dyn Store,
    actor: &Actor,
    name: &str,
) -> Result<ConnectionStanding, AdminError> {
    standing(store, connection_named(store, actor, name)?).await
}

/// All connections.
pub async fn connection_standings(store: &dyn Store, actor: &Actor) -> Result<Vec<ConnectionStanding>, AdminError> {
    let mut standings = Vec::new();
    for connection in list_connections(store, actor)? {
        standings.push(standing(store, connection).await?);
    }
    Ok(standings)
}

async fn standing(store: &dyn Store, connection: ConnectionSummary) -> Result<ConnectionStanding, AdminError> {
    let grant = store.grant(&ConnectionId(connection.id.clone())).await?.map(GrantSummary::from);
    let lives = grant.as_ref().is_some_and(|grant| grant.dead.is_none());
    let is_delegated = connection.permission == Permission::Delegated;
    let settings = store.settings().borrow().clone();
    let wanted = settings.connection(&ConnectionId(connection.id.clone())).map(relay::mail_scope);
    let lacks = match (&grant, wanted) {
        (Some(grant), Some(wanted)) if is_delegated && lives => {
            wanted.lacking(MailScope::of_granted(grant.scopes.iter().map(String::as_str)))
        }
        _ => Vec::new(),
    };
    Ok(ConnectionStanding { connection, grant, needs_sign_in: is_delegated && !lives, lacks })
}
