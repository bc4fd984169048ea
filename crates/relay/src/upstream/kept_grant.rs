//! The grant of one delegated connection, sealed in the store.
//!
//! Promise: what another sign-in put there meanwhile is neither overwritten nor declared dead. The store compares, so that
//! this holds however many processes refresh and sign in at once.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use entra::{EntraError, GrantKeeper, KeepError, Kept, MailScope, MailService, Who};
use secrecy::{ExposeSecret as _, SecretString};
use settings::{Connection, ConnectionId};
use store::{Grant, KeyRingError, SecretField, Store, StoreError};

use super::{explain, mail_scope};
use crate::Clock;

pub(super) struct KeptGrant {
    store: Arc<dyn Store>,
    connection: ConnectionId,
    /// The one the connection sends by: the same grant is good for another one, if the user allowed that as well.
    service: MailService,
    clock: Clock,
}

impl fmt::Debug for KeptGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptGrant").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl KeptGrant {
    pub(super) fn new(store: Arc<dyn Store>, connection: &Connection, clock: Clock) -> Self {
        let service = mail_scope(connection).service;
        Self { store, connection: connection.id.clone(), service, clock }
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
            scope: MailScope {
                service: self.service,
                ..MailScope::of_granted(grant.scopes.iter().map(String::as_str))
            },
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use store::sqlite::SqliteStore;

    use super::*;

    struct Rig {
        _folder: tempfile::TempDir,
        store: Arc<dyn Store>,
        keeper: KeptGrant,
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// Whatever it says: the keeper is told that it is the end.
    fn some_refusal() -> EntraError {
        let application = entra::Application {
            cloud: entra::Cloud::GLOBAL,
            tenant_id: "contoso.test".into(),
            client_id: "client".into(),
            credential: entra::Credential::PublicClient,
        };
        let http = crate::Network::default().client().unwrap();
        entra::TokenSource::new(http, application, &entra::Scope::Graph).unwrap_err()
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
            let connection = Connection::new(ConnectionId("c".into()), "C", settings::Service::GraphApi);
            let keeper = KeptGrant::new(Arc::clone(&store), &connection, Arc::new(|| at(7)));
            Self { _folder: folder, store, keeper }
        }

        async fn sign_in(&self, token: &str) {
            let refresh_token = self.store.key_ring().seal(&self.keeper.field(), &secret(token)).unwrap();
            let (user, scopes) = ("anna@contoso.test".to_owned(), vec!["Mail.Send".to_owned()]);
            let grant = Grant { refresh_token, user, scopes, signed_in_at: at(1), refreshed_at: at(1), dead: None };
            self.store.put_grant(&self.keeper.connection, Some(grant)).await.unwrap();
        }

        async fn kept(&self) -> (Grant, String) {
            let (grant, token) = self.keeper.read().await.unwrap().unwrap();
            (grant, token.expose_secret().to_owned())
        }
    }

    #[tokio::test]
    async fn a_rotation_is_kept_at_the_relays_own_time() {
        let rig = Rig::new();
        rig.sign_in("first").await;
        rig.keeper.store(&secret("first"), &secret("second")).await.unwrap();
        let (grant, token) = rig.kept().await;
        assert_eq!((token.as_str(), grant.signed_in_at, grant.refreshed_at), ("second", at(1), at(7)));
    }

    /// Both read "old", for a read is quicker than a commit; the sign-in commits first.
    #[tokio::test]
    async fn a_rotation_and_a_death_never_take_the_place_of_a_newer_sign_in() {
        let rig = Rig::new();
        let refusal = some_refusal();
        for _ in 0..50 {
            rig.sign_in("old").await;
            let (old, rotated) = (secret("old"), secret("rotated"));
            let (stored, ()) = tokio::join!(rig.keeper.store(&old, &rotated), rig.sign_in("newer"));
            assert_eq!(rig.kept().await.1, "newer", "the rotation ended with {stored:?}");

            rig.sign_in("old").await;
            tokio::join!(rig.keeper.died(&old, &refusal), rig.sign_in("newer"));
            let (grant, token) = rig.kept().await;
            assert_eq!((token.as_str(), grant.dead), ("newer", None));
        }
    }

    /// That the two above do meet: without the comparison in the store the older token wins now and then.
    #[tokio::test]
    async fn a_rotation_that_only_looks_first_takes_the_place_of_a_newer_sign_in() {
        let rig = Rig::new();
        let rotate = async || {
            let Some(known) = rig.keeper.read_if(&secret("old")).await.unwrap() else { return };
            let refresh_token = rig.store.key_ring().seal(&rig.keeper.field(), &secret("rotated")).unwrap();
            let grant = Grant { refresh_token, ..known };
            rig.store.put_grant(&rig.keeper.connection, Some(grant)).await.unwrap();
        };
        for _ in 0..1000 {
            rig.sign_in("old").await;
            tokio::join!(rotate(), rig.sign_in("newer"));
            if rig.kept().await.1 == "rotated" {
                return;
            }
        }
        panic!("they never meet: the test above shows nothing");
    }

    #[tokio::test]
    async fn the_grant_is_asked_for_the_service_that_the_connection_sends_by() {
        let rig = Rig::new();
        rig.sign_in("token").await;
        let by = |service| {
            let connection = Connection::new(ConnectionId("c".into()), "C", service);
            KeptGrant::new(Arc::clone(&rig.store), &connection, Arc::new(|| at(7)))
        };
        for (service, permission) in
            [(settings::Service::GraphApi, "Mail.Send"), (settings::Service::Exchange, "SMTP.Send")]
        {
            let kept = by(service).load().await.unwrap().unwrap();
            assert_eq!(kept.scope.permissions(), [permission]);
        }
    }

    #[tokio::test]
    async fn what_was_forgotten_meanwhile_does_not_come_back() {
        let rig = Rig::new();
        rig.sign_in("old").await;
        let forget = rig.store.put_grant(&rig.keeper.connection, None);
        let (old, rotated) = (secret("old"), secret("rotated"));
        let (_, forgotten) = tokio::join!(rig.keeper.store(&old, &rotated), forget);
        forgotten.unwrap();
        assert!(rig.keeper.load().await.unwrap().is_none());
    }
}
