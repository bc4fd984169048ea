//! The provider as a setting.

use std::collections::HashSet;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use settings::{GroupRole, OpenIdProvider, Role, Sealed, SignIn, UserId};
use store::{SecretField, SettingsChange, Store, StoreError};
use url::Url;

use super::super::change::{Decision, change, end_sessions_of, unusable};
use crate::{Actor, AdminError};

/// What the sign-in page's button says after "Sign in with"; `None`: no button.
pub fn openid_name(store: &dyn Store) -> Option<String> {
    store.settings().borrow().sign_in.openid.as_ref().map(|provider| provider.name.clone())
}

/// The provider as it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIdProviderSummary {
    pub name: String,
    pub issuer: Url,
    pub client_id: String,
    pub has_client_secret: bool,
    pub groups_claim: String,
    pub groups: Vec<GroupRole>,
}

impl From<&OpenIdProvider> for OpenIdProviderSummary {
    fn from(provider: &OpenIdProvider) -> Self {
        Self {
            name: provider.name.clone(),
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            has_client_secret: provider.client_secret.is_some(),
            groups_claim: provider.groups_claim.clone(),
            groups: provider.groups.clone(),
        }
    }
}

/// The provider as an administrator enters it.
#[derive(Debug, Clone)]
pub struct OpenIdProviderEntry {
    pub name: String,
    /// `https`, or plain http on a loopback address. `/.well-known/openid-configuration` is found below it.
    pub issuer: Url,
    pub client_id: String,
    /// `None`: the one there is stays, if issuer and client id do.
    pub client_secret: Option<SecretString>,
    /// Usually `groups`.
    pub groups_claim: String,
    pub groups: Vec<GroupRole>,
}

/// For administrators.
pub fn sign_in_settings(store: &dyn Store, actor: &Actor) -> Result<Option<OpenIdProviderSummary>, AdminError> {
    actor.must_be(Role::Administrator)?;
    Ok(store.settings().borrow().sign_in.openid.as_ref().map(OpenIdProviderSummary::from))
}

/// Sets the provider up, or (`None`) removes it. The sessions of its users end: what they may do may be another.
pub async fn set_sign_in(
    store: &dyn Store,
    actor: &Actor,
    entry: Option<&OpenIdProviderEntry>,
    now: Timestamp,
) -> Result<Option<OpenIdProviderSummary>, AdminError> {
    actor.must_be(Role::Administrator)?;
    entry.map(check).transpose()?;
    let sealed = entry.and_then(|entry| entry.client_secret.as_ref()).map(|secret| seal(store, secret)).transpose()?;
    let (summary, users) = change(store, actor.name(), "sign_in_changed", now, |settings| {
        let before = settings.sign_in.openid.as_ref();
        let after = entry.map(|entry| provider(entry, sealed.clone(), before)).transpose()?;
        let summary = after.as_ref().map(OpenIdProviderSummary::from);
        let users: Vec<UserId> =
            settings.users.iter().filter(|user| user.openid.is_some()).map(|user| user.id.clone()).collect();
        let changes = if after.as_ref() == before {
            Vec::new()
        } else {
            vec![SettingsChange::PutSignIn(SignIn { openid: after })]
        };
        let users = if changes.is_empty() { Vec::new() } else { users };
        let detail = json!({
            "before": before.map(OpenIdProviderSummary::from),
            "after": summary,
            "client_secret": if sealed.is_some() { "changed" } else { "unchanged" },
        });
        Ok::<_, AdminError>(Decision { changes, detail, outcome: (summary, users) })
    })
    .await?;
    for user in users {
        end_sessions_of(store, &user, None).await?;
    }
    Ok(summary)
}

fn check(entry: &OpenIdProviderEntry) -> Result<(), AdminError> {
    let refused = |what: &str, fix: &str| Err(AdminError::refused(what, fix));
    let issuer = &entry.issuer;
    if !entra::is_private(issuer) {
        return refused(
            "the issuer must be an https address",
            "Enter it as the provider shows it, such as https://login.microsoftonline.com/TENANT-ID/v2.0.",
        );
    }
    if issuer.query().is_some() || issuer.fragment().is_some() || !issuer.username().is_empty() {
        return refused("the issuer has more than an address", "Leave out '?', '#' and what stands before '@'.");
    }
    if entry.name.trim().is_empty() || entry.client_id.trim().is_empty() || entry.groups_claim.trim().is_empty() {
        return refused(
            "name, client id or groups claim is empty",
            "Fill all three in; the claim is usually 'groups'.",
        );
    }
    let mut seen = HashSet::new();
    if entry.groups.is_empty() || !entry.groups.iter().all(|it| !it.group.trim().is_empty() && seen.insert(&it.group)) {
        return refused(
            "there is no group, or one that is empty or named twice",
            "Name at least one group and its role: who is in none of them may not sign in.",
        );
    }
    Ok(())
}

/// A secret that was kept stays only with the provider and client it was entered for: else it could be sent elsewhere.
fn provider(
    entry: &OpenIdProviderEntry,
    sealed: Option<Sealed>,
    before: Option<&OpenIdProvider>,
) -> Result<OpenIdProvider, AdminError> {
    let client_id = entry.client_id.trim();
    let kept = before.and_then(|before| before.client_secret.clone());
    let is_same = before.is_some_and(|before| before.issuer == entry.issuer && before.client_id == client_id);
    if sealed.is_none() && kept.is_some() && !is_same {
        return Err(AdminError::refused(
            "the client secret belongs to another provider or client id",
            "Enter the client secret of this one.",
        ));
    }
    Ok(OpenIdProvider {
        name: entry.name.trim().to_owned(),
        issuer: entry.issuer.clone(),
        client_id: client_id.to_owned(),
        client_secret: sealed.or(kept),
        groups_claim: entry.groups_claim.trim().to_owned(),
        groups: entry.groups.clone(),
    })
}

fn seal(store: &dyn Store, secret: &SecretString) -> Result<Sealed, StoreError> {
    store.key_ring().seal(&client_secret_place(), secret).map_err(|error| unusable(&error))
}

pub(super) fn client_secret_place() -> SecretField {
    SecretField::new("sign_in", "openid", "client_secret")
}
