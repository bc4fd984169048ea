//! People: signing in, staying signed in, and what administrators may do about it. On the model store, with a clock that
//! the tests move.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "all of this is tests; helpers of tests panic like tests do"
)]

mod api_tokens;
mod openid;
mod provider;
mod second_factor;
mod sessions;
mod setup;
mod signing_in;
mod users;

use std::sync::Arc;

use admin::people::*;
use admin::{Actor, Role};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use settings::UserId;
use store::Store;
use store::model::ModelStore;

pub(crate) const PASSWORD: &str = "zebra lamp quiet";
pub(crate) const HOME: &str = "192.0.2.7";

/// Seconds after the test began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn client(peer: &str) -> Client {
    Client { peer: peer.parse().unwrap(), user_agent: Some("a browser".to_owned()), old_token: None }
}

pub(crate) struct House {
    pub(crate) store: Arc<ModelStore>,
    pub(crate) gate: SignInGate,
    pub(crate) policy: SessionPolicy,
}

impl House {
    pub(crate) fn new() -> Self {
        let store = Arc::new(ModelStore::default());
        Self { store, gate: SignInGate::default(), policy: SessionPolicy::default() }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) async fn add(&self, name: &str, role: Role) -> UserId {
        let new = NewUser { name: name.to_owned(), role, password: Some(PASSWORD.into()) };
        add_user(self.store(), &self.gate, &Actor::command_line(), &new, at(0)).await.unwrap().user.id
    }

    pub(crate) async fn try_sign_in(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
        peer: &str,
        now: Timestamp,
    ) -> Result<NewSession, SignInError> {
        let credentials =
            Credentials { name: name.to_owned(), password: password.into(), code: code.map(str::to_owned) };
        sign_in(self.store(), &self.gate, &credentials, &client(peer), now).await
    }

    /// Signs in from home with the right password.
    pub(crate) async fn sign_in(&self, name: &str, now: Timestamp) -> SecretString {
        self.try_sign_in(name, PASSWORD, None, HOME, now).await.unwrap().token
    }

    pub(crate) async fn who(&self, token: &SecretString, now: Timestamp) -> Option<SignedIn> {
        who(self.store(), &self.policy, token, now).await.unwrap()
    }

    pub(crate) async fn signed_in(&self, name: &str, now: Timestamp) -> SignedIn {
        let token = self.sign_in(name, now).await;
        self.who(&token, now).await.unwrap()
    }

    /// Actions in the audit log, oldest first.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let mut records = self.store.audit(None, 1000).await.unwrap();
        records.reverse();
        records.into_iter().map(|record| record.entry.action).collect()
    }
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}
