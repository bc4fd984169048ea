//! From the claims of a verified id token to a user with a role.

use jiff::Timestamp;
use serde_json::{Value, json};
use settings::{OpenIdProvider, OpenIdSubject, Role, Settings, User, UserId};
use store::{SettingsChange, Store};

use super::super::change::{Decision, change, end_sessions_of};
use super::super::{random, user_name};
use super::OpenIdError;
use super::provider::Claims;

/// The user these claims belong to: made at the first sign-in, role and name refreshed at each.
pub(super) async fn sign_in(
    store: &dyn Store,
    setting: &OpenIdProvider,
    claims: &Claims,
    now: Timestamp,
) -> Result<User, OpenIdError> {
    let subject =
        OpenIdSubject { issuer: claims.issuer().as_str().to_owned(), subject: claims.subject().as_str().to_owned() };
    let name = name(claims);
    let role = match role(setting, &claims.additional_claims().all, &name) {
        Ok(role) => role,
        Err(refused) => {
            end_sessions(store, &subject).await?;
            return Err(refused);
        }
    };
    let new = User {
        id: UserId(random::id("user")?),
        name: name.clone(),
        role,
        password_hash: None,
        totp: None,
        openid: Some(subject.clone()),
        disabled: false,
        created_at: now,
    };
    let (user, role_changed) = change(store, &name, "openid_user_refreshed", now, |settings| {
        let Some(known) = of(settings, &subject) else { return first_sign_in(settings, &new) };
        if known.disabled {
            return Err(refused(format!("'{}' is disabled", known.name), "Ask an administrator of Postern."));
        }
        // A name that somebody else has is not taken from them.
        let is_free = settings.user_named(&name).is_none_or(|other| other.id == known.id);
        let name = if is_free && user_name::check("user", &name).is_ok() { name.clone() } else { known.name.clone() };
        let current = User { name, role, ..known.clone() };
        let detail = json!({ "user": current.name, "before": known.role.name(), "after": role.name() });
        let changes = if current == *known { Vec::new() } else { vec![SettingsChange::PutUser(current.clone())] };
        Ok(Decision { changes, detail, outcome: (current, known.role != role) })
    })
    .await?;
    if role_changed {
        end_sessions_of(store, &user.id, None).await?;
    }
    Ok(user)
}

fn first_sign_in(settings: &Settings, new: &User) -> Result<Decision<(User, bool)>, OpenIdError> {
    user_name::check("user", &new.name).map_err(|error| refused(error.what, error.fix))?;
    if settings.user_named(&new.name).is_some() {
        return Err(refused(
            format!("there is a user called '{}' here who is not from this provider", new.name),
            "An administrator of Postern removes that user; then sign in again.",
        ));
    }
    let detail = json!({ "user": new.name, "before": Value::Null, "after": new.role.name() });
    Ok(Decision { changes: vec![SettingsChange::PutUser(new.clone())], detail, outcome: (new.clone(), false) })
}

/// Who lost the groups that let them in is out at once, not when the session ends.
async fn end_sessions(store: &dyn Store, subject: &OpenIdSubject) -> Result<(), OpenIdError> {
    let known = of(&store.settings().borrow(), subject).map(|user| user.id.clone());
    if let Some(user) = known {
        end_sessions_of(store, &user, None).await?;
    }
    Ok(())
}

fn of<'s>(settings: &'s Settings, subject: &OpenIdSubject) -> Option<&'s User> {
    settings.users.iter().find(|user| user.openid.as_ref() == Some(subject))
}

/// For people to read; who somebody is, issuer and subject say.
fn name(claims: &Claims) -> String {
    let preferred = claims.preferred_username().map(|name| name.as_str());
    let email = claims.email().map(|email| email.as_str());
    preferred.or(email).unwrap_or(claims.subject().as_str()).trim().to_owned()
}

fn role(
    setting: &OpenIdProvider,
    claims: &std::collections::HashMap<String, Value>,
    name: &str,
) -> Result<Role, OpenIdError> {
    let claim = &setting.groups_claim;
    let elsewhere = claims.get("_claim_names").and_then(|names| names.get(claim));
    let groups: Vec<&str> = match claims.get(claim) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        // Some providers send a single value bare.
        Some(Value::String(group)) => vec![group],
        // Entra ID leaves the groups out of the token when somebody is in more than 200.
        None if elsewhere.is_some() => {
            return Err(refused(
                format!("'{name}' is in so many groups that the provider leaves them out of the sign-in"),
                "In Entra ID: app registration → Token configuration → groups claim → 'Groups assigned to the application', \
                 and assign the groups that give a role.",
            ));
        }
        None => {
            return Err(refused(
                format!("the provider does not say which groups '{name}' is in: there is no claim '{claim}'"),
                "Have the provider put the groups into the id token, or correct the name of the claim.",
            ));
        }
        Some(_) => Vec::new(),
    };
    setting.role_of(groups).ok_or_else(|| {
        refused(
            format!("'{name}' is in none of the groups that may use Postern"),
            "Ask to be put into one of them, or ask an administrator of Postern to give one of your groups a role.",
        )
    })
}

fn refused(what: impl Into<String>, fix: impl Into<String>) -> OpenIdError {
    OpenIdError::Refused { what: what.into(), fix: fix.into() }
}
