//! Submission accounts: who may hand us mail.

use jiff::Timestamp;
use serde::Serialize;
use settings::{Account, AccountId, Settings};
use store::Store;

use crate::apply::accounts;
use crate::change::{check_name, gone, save};
use crate::{AccountEntry, Actor, AdminError, Refused, Role, Saved};

/// An account as it may be shown; no secret is in it, nor a digest of one.
#[derive(Debug, Clone, Serialize)]
pub struct AccountView {
    pub id: String,
    pub name: String,
    pub has_password: bool,
    pub has_token: bool,
    /// Empty: any sender.
    pub allowed_senders: Vec<String>,
    /// Empty: any network.
    pub networks: Vec<String>,
    pub messages_per_minute: Option<u32>,
    /// When its newest message arrived that is still kept.
    pub last_submission: Option<Timestamp>,
}

pub async fn list_accounts(store: &dyn Store, actor: &Actor) -> Result<Vec<AccountView>, AdminError> {
    actor.must_be(Role::Viewer)?;
    let last = store.last_submissions().await?;
    let settings = store.settings().borrow().clone();
    Ok(settings.accounts.iter().map(|account| view(account, &last)).collect())
}

pub async fn find_account(store: &dyn Store, actor: &Actor, id: &str) -> Result<AccountView, AdminError> {
    actor.must_be(Role::Viewer)?;
    let last = store.last_submissions().await?;
    let settings = store.settings().borrow().clone();
    Ok(view(with_id(&settings, id)?, &last))
}

pub async fn create_account(
    store: &dyn Store,
    actor: &Actor,
    entry: &AccountEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "account_created", expected_version, now, |draft| {
        check_name("account", &entry.name, draft.settings.accounts.iter().map(|it| it.name.as_str()))?;
        Ok(accounts::put(draft, None, entry)?.0)
    })
    .await
}

/// Replaces all but the identity; a password or token that the entry leaves out stays.
pub async fn update_account(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    entry: &AccountEntry,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "account_changed", expected_version, now, |draft| {
        let known = with_id(&draft.settings, id)?.id.clone();
        let others = draft.settings.accounts.iter().filter(|it| it.id != known);
        check_name("account", &entry.name, others.map(|it| it.name.as_str()))?;
        Ok(accounts::put(draft, Some(&known), entry)?.0)
    })
    .await
}

/// What it handed in stays; it can hand in nothing more.
pub async fn remove_account(
    store: &dyn Store,
    actor: &Actor,
    id: &str,
    expected_version: Option<u64>,
    now: Timestamp,
) -> Result<Saved, AdminError> {
    save(store, actor, "account_removed", expected_version, now, |draft| {
        with_id(&draft.settings, id)?;
        draft.settings.accounts.retain(|it| it.id.0 != id);
        Ok(id.to_owned())
    })
    .await
}

fn with_id<'a>(settings: &'a Settings, id: &str) -> Result<&'a Account, Refused> {
    settings.account(&AccountId(id.to_owned())).ok_or_else(|| gone("account", id))
}

fn view(account: &Account, last: &[(AccountId, Timestamp)]) -> AccountView {
    AccountView {
        id: account.id.0.clone(),
        name: account.name.clone(),
        has_password: account.password_hash.is_some(),
        has_token: account.token_digest.is_some(),
        allowed_senders: account.allowed_senders.iter().map(ToString::to_string).collect(),
        networks: account.networks.iter().map(ToString::to_string).collect(),
        messages_per_minute: account.messages_per_minute,
        last_submission: last.iter().find(|(id, _)| *id == account.id).map(|(_, at)| *at),
    }
}
