//! Whether a connection can send, or waits for somebody to sign in.

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
    let needs_sign_in = connection.permission == Permission::Delegated && !lives;
    Ok(ConnectionStanding { connection, grant, needs_sign_in })
}
