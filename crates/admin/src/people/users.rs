//! Users: adding, changing and removing people who may sign in.
//!
//! Promise: an enabled administrator with a password always remains: a provider that does not answer, or a group that was
//! emptied, shuts nobody out for good. That is checked in the very settings that are changed.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use settings::{Role, Settings, User, UserId};
use store::{SettingsChange, Store};

use super::change::{Decision, change, end_sessions_of};
use super::sign_in::prove;
use super::{Client, Credentials, NewSession, SignInError, SignInGate, SignedIn, password, random, session, user_name};
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

impl From<&User> for UserSummary {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            role: user.role,
            disabled: user.disabled,
            has_password: user.password_hash.is_some(),
            has_second_factor: user.totp.is_some(),
            openid_issuer: user.openid.as_ref().map(|openid| openid.issuer.clone()),
            created_at: user.created_at,
        }
    }
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
    actor.must_be(Role::Administrator)?;
    let mut users: Vec<UserSummary> = store.settings().borrow().users.iter().map(UserSummary::from).collect();
    users.sort_by_key(|user| user.name.to_lowercase());
    Ok(users)
}

/// By name, letter case ignored, or by id. For administrators.
pub fn user_named(store: &dyn Store, actor: &Actor, name: &str) -> Result<UserSummary, AdminError> {
    actor.must_be(Role::Administrator)?;
    let settings = store.settings().borrow().clone();
    let user = settings.user_named(name.trim()).or_else(|| settings.user(&UserId(name.to_owned())));
    user.map(UserSummary::from).ok_or_else(|| {
        AdminError::refused(format!("there is no user called '{name}'"), "List the users, and correct the name.")
    })
}

pub async fn add_user(
    store: &dyn Store,
    gate: &SignInGate,
    actor: &Actor,
    new: &NewUser,
    now: Timestamp,
) -> Result<AddedUser, AdminError> {
    actor.must_be(Role::Administrator)?;
    let name = user_name::check("user", &new.name)?;
    // Before the costly part; asked again in the change.
    must_be_free(&store.settings().borrow(), name)?;
    let (password, generated_password) = given_or_generated(new.password.as_ref(), name)?;
    let user = User {
        id: UserId(random::id("user")?),
        name: name.to_owned(),
        role: new.role,
        password_hash: Some(gate.hash(&password).await?),
        totp: None,
        openid: None,
        disabled: false,
        created_at: now,
    };
    let user = change(store, actor.name(), "user_added", now, |settings| {
        must_be_free(settings, name)?;
        let detail = json!({ "user": name, "role": new.role.name() });
        Ok::<_, AdminError>(put(user.clone(), detail))
    })
    .await?;
    Ok(AddedUser { user, generated_password })
}

/// Ends the user's sessions. Refused for the last administrator, and for users whose role the OpenID provider says.
pub async fn change_role(
    store: &dyn Store,
    actor: &Actor,
    user: &UserId,
    role: Role,
    now: Timestamp,
) -> Result<UserSummary, AdminError> {
    actor.must_be(Role::Administrator)?;
    let changed = change(store, actor.name(), "user_role_changed", now, |settings| {
        let current = existing(settings, user)?;
        if current.openid.is_some() {
            return Err(AdminError::refused(
                format!("the role of '{}' comes from their groups at the OpenID provider", current.name),
                "Change their groups there, or which group gives which role here.",
            ));
        }
        if current.role == role {
            return Ok::<_, AdminError>(unchanged(current));
        }
        let detail = json!({ "user": current.name, "before": current.role.name(), "after": role.name() });
        let changed = User { role, ..current.clone() };
        must_leave_an_administrator(settings, current, Some(&changed))?;
        Ok(put(changed, detail))
    })
    .await?;
    end_sessions_of(store, user, None).await?;
    Ok(changed)
}

/// Disabling ends the user's sessions. Refused for the last administrator.
pub async fn set_disabled(
    store: &dyn Store,
    actor: &Actor,
    user: &UserId,
    disabled: bool,
    now: Timestamp,
) -> Result<UserSummary, AdminError> {
    actor.must_be(Role::Administrator)?;
    let action = if disabled { "user_disabled" } else { "user_enabled" };
    let changed = change(store, actor.name(), action, now, |settings| {
        let current = existing(settings, user)?;
        if current.disabled == disabled {
            return Ok::<_, AdminError>(unchanged(current));
        }
        let changed = User { disabled, ..current.clone() };
        must_leave_an_administrator(settings, current, Some(&changed))?;
        Ok(put(changed, json!({ "user": current.name })))
    })
    .await?;
    if disabled {
        end_sessions_of(store, user, None).await?;
    }
    Ok(changed)
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
    actor.must_be(Role::Administrator)?;
    let name = existing(&store.settings().borrow(), user)?.name.clone();
    let (password, generated) = given_or_generated(password, &name)?;
    let hash = gate.hash(&password).await?;
    set_password_hash(store, actor.name(), "password_reset", user, &hash, now).await?;
    Ok(generated)
}

/// Ends all of one's sessions; a new one begins. `Ok(Err(_))`: the old password was not right, or not checked.
///
/// Asks for no code of the second factor: the session proves that there was one.
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
    password::check(new, &signed_in.user.name)?;
    let credentials = Credentials { name: signed_in.user.name.clone(), password: old.clone(), code: None };
    match prove(store, gate, &credentials, client, now).await {
        Ok(proved) if proved.id == signed_in.user.id => {}
        // The password was right; and the session proves the rest.
        Err(SignInError::NeedsCode) => {}
        Ok(_) => return Ok(Err(SignInError::Wrong)),
        Err(error) => return Ok(Err(error)),
    }
    let hash = gate.hash(new).await?;
    let user = &signed_in.user.id;
    set_password_hash(store, signed_in.actor.name(), "own_password_changed", user, &hash, now).await?;
    let current = existing(&store.settings().borrow(), user)?.clone();
    Ok(session::begin(store, &current, client, now).await?.ok_or(SignInError::Wrong))
}

/// Ends the user's sessions. Refused for the last administrator.
pub async fn remove_user(store: &dyn Store, actor: &Actor, user: &UserId, now: Timestamp) -> Result<(), AdminError> {
    actor.must_be(Role::Administrator)?;
    change(store, actor.name(), "user_removed", now, |settings| {
        let current = existing(settings, user)?;
        must_leave_an_administrator(settings, current, None)?;
        let detail = json!({ "user": current.name, "role": current.role.name() });
        let changes = vec![SettingsChange::RemoveUser(user.clone())];
        Ok::<_, AdminError>(Decision { changes, detail, outcome: () })
    })
    .await?;
    end_sessions_of(store, user, None).await?;
    Ok(())
}

async fn set_password_hash(
    store: &dyn Store,
    actor: &str,
    action: &'static str,
    user: &UserId,
    hash: &str,
    now: Timestamp,
) -> Result<(), AdminError> {
    change(store, actor, action, now, |settings| {
        let current = existing(settings, user)?;
        if current.openid.is_some() {
            return Err(AdminError::refused(
                format!("'{}' signs in with the OpenID provider and has no password here", current.name),
                "Change the password there.",
            ));
        }
        let changed = User { password_hash: Some(hash.to_owned()), ..current.clone() };
        Ok(put(changed, json!({ "user": current.name })))
    })
    .await?;
    end_sessions_of(store, user, None).await?;
    Ok(())
}

/// The password to set, and the same again if it was made here and must be shown.
fn given_or_generated(
    given: Option<&SecretString>,
    name: &str,
) -> Result<(SecretString, Option<SecretString>), AdminError> {
    if let Some(given) = given {
        password::check(given, name)?;
        return Ok((given.clone(), None));
    }
    let generated = random::password()?;
    Ok((generated.clone(), Some(generated)))
}

fn put(user: User, detail: Value) -> Decision<UserSummary> {
    let outcome = UserSummary::from(&user);
    Decision { changes: vec![SettingsChange::PutUser(user)], detail, outcome }
}

fn unchanged(user: &User) -> Decision<UserSummary> {
    Decision { changes: Vec::new(), detail: Value::Null, outcome: UserSummary::from(user) }
}

pub(super) fn existing<'s>(settings: &'s Settings, user: &UserId) -> Result<&'s User, AdminError> {
    settings.user(user).ok_or_else(|| {
        AdminError::refused("this user does not exist (any more)", "List the users again: somebody removed them.")
    })
}

pub(super) fn must_be_free(settings: &Settings, name: &str) -> Result<(), AdminError> {
    match settings.user_named(name) {
        None => Ok(()),
        Some(other) => Err(AdminError::refused(
            format!("there is a user called '{}' already", other.name),
            "Choose another name; letter case makes no difference.",
        )),
    }
}

/// Somebody who can always sign in and put things right.
pub(super) fn is_lasting_administrator(user: &User) -> bool {
    user.role == Role::Administrator && !user.disabled && user.password_hash.is_some()
}

fn must_leave_an_administrator(settings: &Settings, before: &User, after: Option<&User>) -> Result<(), AdminError> {
    let others = settings.users.iter().filter(|user| user.id != before.id);
    let remains = others.chain(after).any(is_lasting_administrator);
    if remains || !is_lasting_administrator(before) {
        return Ok(());
    }
    Err(AdminError::refused(
        format!("'{}' is the last administrator who can sign in with a password", before.name),
        "Make somebody else an administrator first.",
    ))
}
