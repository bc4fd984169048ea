//! Grants that a change of the settings takes the ground from.
//!
//! Promise: a refresh token is never shown to another application, tenant or cloud than it came from. If the process ends
//! between the change and this, Microsoft refuses the token, which ends the grant as well.

use jiff::Timestamp;
use serde_json::json;
use settings::{Cloud, ConnectionId, Permission, Settings};
use store::Store;

use super::audit;
use crate::{Actor, AdminError};

/// Forgets what was granted to connections that no longer are what somebody signed in to.
pub(crate) async fn forget_groundless(
    store: &dyn Store,
    actor: &Actor,
    before: &Settings,
    after: &Settings,
    now: Timestamp,
) -> Result<(), AdminError> {
    for connection in &before.connections {
        let ground = ground(before, &connection.id);
        if ground.is_some() && ground != self::ground(after, &connection.id) {
            forget(store, actor, &connection.id, now).await?;
        }
    }
    Ok(())
}

pub(super) async fn forget(
    store: &dyn Store,
    actor: &Actor,
    connection: &ConnectionId,
    now: Timestamp,
) -> Result<(), AdminError> {
    let Some(grant) = store.grant(connection).await? else { return Ok(()) };
    store.put_grant(connection, None).await?;
    audit(store, actor, "grant_forgotten", json!({ "connection": connection.0, "user": grant.user }), now).await
}

/// What a user who signs in to this connection signs in to; `None`: nobody can.
fn ground<'a>(settings: &'a Settings, id: &ConnectionId) -> Option<(&'a Cloud, &'a str, &'a str)> {
    let connection = settings.connection(id).filter(|it| it.permission == Permission::Delegated)?;
    let tenant = settings.tenant(connection.tenant.as_ref()?)?;
    Some((&tenant.cloud, &tenant.tenant_id, &tenant.client_id))
}
