//! Users: adding, changing and removing people who may sign in.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use settings::{Role, UserId};
use store::Store;

use super::{Client, NewSession, SignInError, SignInGate, SignedIn};
use crate::{Actor, AdminError};

/// A user as people see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserSummary {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    pub disabled: bool,
    pub has_password: bool,
    pub has_second_factor: bool,
    /// Issuer of the OpenID provider they come from: their role is refreshed from there.
    pub openid_issuer: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct NewUser {
    pub name: String,
    pub role: Role,
    /// `None`: one is generated, and shown once.
    pub password: Option<SecretString>,
}

#[derive(Debug)]
pub struct AddedUser {
    pub user: UserSummary,
    /// Shown once, kept nowhere.
    pub generated_password: Option<SecretString>,
}

/// All users, by name. For administrators.
pub fn list_users(store: &dyn Store, actor: &Actor) -> Result<Vec<UserSummary>, AdminError> {
    todo!()
}

/// By name, letter case ignored, or by id. For administrators.
pub fn user_named(store: &dyn Store, actor: &Actor, name: &str) -> Result<UserSummary, AdminError> {
    todo!()
}

pub async fn add_user(
    store: &dyn Store,
    gate: &SignInGate,
    actor: &Actor,
    new: &NewUser,
    now: Timestamp,
) -> Result<AddedUser, AdminError> {
    todo!()
}

/// Ends the user's sessions. Refused for the last administrator, and for users whose role the OpenID provider says.
pub async fn change_role(
    store: &dyn Store,
    actor: &Actor,
    user: &UserId,
    role: Role,
    now: Timestamp,
) -> Result<UserSummary, AdminError> {
    todo!()
}

/// Disabling ends the user's sessions. Refused for the last administrator.
pub async fn set_disabled(
    store: &dyn Store,
    actor: &Actor,
    user: &UserId,
    disabled: bool,
    now: Timestamp,
) -> Result<UserSummary, AdminError> {
    todo!()
}

/// Sets `password`, or (`None`) generates one and returns it: shown once, kept nowhere. Ends the user's sessions.
pub async fn reset_password(
    store: &dyn Store,
    gate: &SignInGate,
    actor: &Actor,
    user: &UserId,
    password: Option<&SecretString>,
    now: Timestamp,
) -> Result<Option<SecretString>, AdminError> {
    todo!()
}

/// Ends all of one's sessions; a new one begins. `Ok(Err(_))`: the old password was not right, or not checked.
#[allow(clippy::too_many_arguments, reason = "each is one thing the form or the connection says")]
pub async fn change_own_password(
    store: &dyn Store,
    gate: &SignInGate,
    signed_in: &SignedIn,
    old: &SecretString,
    new: &SecretString,
    client: &Client,
    now: Timestamp,
) -> Result<Result<NewSession, SignInError>, AdminError> {
    todo!()
}

/// Ends the user's sessions. Refused for the last administrator.
pub async fn remove_user(store: &dyn Store, actor: &Actor, user: &UserId, now: Timestamp) -> Result<(), AdminError> {
    todo!()
}
