//! The grant of one delegated connection, sealed in the store.
//!
//! Promise: what another sign-in put there meanwhile is neither overwritten nor declared dead. The store compares, so that
//! this holds however many processes refresh and sign in at once.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use entra::{EntraError, GrantKeeper, KeepError, Kept, MailScope, Who};
use secrecy::{ExposeSecret as _, SecretString};
use settings::ConnectionId;
use store::{Grant, KeyRingError, SecretField, Store, StoreError};

use super::explain;
use crate::Clock;

pub(super) struct KeptGrant {
    store: Arc<dyn Store>,
    connection: ConnectionId,
    clock: Clock,
}

impl fmt::Debug for KeptGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptGrant").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl KeptGrant {
    pub(super) fn new(store: Arc<dyn Store>, connection: ConnectionId, clock: Clock) -> Self {
        Self { store, connection, clock }
    }

    async fn read(&self) -> Result<Option<(Grant, SecretString)>, KeepError> {
        let Some(grant) = self.store.grant(&self.connection).await.map_err(|error| store_failed(&error))? else {
            return Ok(None);
        };
        let token = self.store.key_ring().open(&self.field(), &grant.refresh_token);
        Ok(Some((grant, token.map_err(|error| sealed(&error))?)))
    }

    /// The grant, if `used` still is its refresh token.
    async fn read_if(&self, used: &SecretString) -> Result<Option<Grant>, KeepError> {
        let kept = self.read().await?;
        Ok(kept.filter(|(_, token)| token.expose_secret() == used.expose_secret()).map(|(grant, _)| grant))
    }

    fn field(&self) -> SecretField {
        SecretField::new("grant", self.connection.0.clone(), "refresh_token")
    }
}

#[async_trait]
impl GrantKeeper for KeptGrant {
    async fn load(&self) -> Result<Option<Kept>, KeepError> {
        let kept = self.read().await?;
        Ok(kept.map(|(grant, refresh_token)| Kept {
            refresh_token,
            scope: MailScope::of_granted(grant.scopes.iter().map(String::as_str)),
            refreshed_at: grant.refreshed_at,
        }))
    }

    async fn store(&self, used: &SecretString, rotated: &SecretString) -> Result<(), KeepError> {
        let Some(known) = self.read_if(used).await? else { return Err(superseded()) };
        let refresh_token = self.store.key_ring().seal(&self.field(), rotated).map_err(|error| sealed(&error))?;
        let expected = known.refresh_token.clone();
        let grant = Grant { refresh_token, refreshed_at: (self.clock)(), dead: None, ..known };
        match self.store.put_grant_if(&self.connection, &expected, grant).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(superseded()),
            Err(error) => Err(store_failed(&error)),
        }
    }

    async fn died(&self, used: &SecretString, error: &EntraError) {
        let known = match self.read_if(used).await {
            Ok(Some(grant)) if grant.dead.is_none() => grant,
            // It is known, or somebody has signed in meanwhile, or the next to ask will say what is wrong.
            _ => return,
        };
        let code = error.aadsts().map(|number| format!("AADSTS{number}"));
        let dead = store::Explanation { code, ..explain(&error.explanation()) };
        let expected = known.refresh_token.clone();
        let user = known.user.clone();
        match self.store.put_grant_if(&self.connection, &expected, Grant { dead: Some(dead), ..known }).await {
            Ok(true) => tracing::error!(event = "grant_died", connection = %self.connection, user, %error),
            Ok(false) => {}
            Err(failure) => {
                tracing::error!(event = "grant_died", connection = %self.connection, user, %error);
                tracing::error!(event = "grant_death_not_stored", connection = %self.connection, error = %failure);
            }
        }
    }
}

fn store_failed(error: &StoreError) -> KeepError {
    KeepError {
        explanation: entra::Explanation::new(
            "The sign-in of the Service Connection cannot be read or stored.",
            format!("{error}."),
            "Check the disk of the data folder; it is tried again by itself.",
            Who::GatewayAdministrator,
        ),
        is_transient: true,
    }
}

fn sealed(error: &KeyRingError) -> KeepError {
    KeepError {
        explanation: entra::Explanation::new(
            "The sign-in of the Service Connection cannot be opened.",
            format!("{error}."),
            "Put back the master.key that belongs to this data folder, or sign in again with Setup Authentication.",
            Who::GatewayAdministrator,
        ),
        is_transient: false,
    }
}

fn superseded() -> KeepError {
    KeepError {
        explanation: entra::Explanation::new(
            "A token was not used.",
            "Somebody signed in anew, or refreshed the sign-in, while it was asked for.",
            "Nothing: what is kept now is used.",
            Who::Nobody,
        ),
        is_transient: true,
    }
}
