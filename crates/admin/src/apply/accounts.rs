//! Submission accounts.

use settings::{Account, AccountId};

use super::password::hash_unless_known;
use super::plan::{Draft, new_id};
use crate::Refused;
use crate::setup_file::AccountEntry;

/// Adds the account, or replaces `known`; a password or token that the entry does not name stays as it is.
pub(crate) fn put(draft: &mut Draft<'_>, known: Option<&AccountId>, entry: &AccountEntry) -> Result<AccountId, Refused> {
    if entry.name.chars().any(char::is_control) {
        return Err(Refused::new("an account's name has control characters", "Use letters, digits and '-'.").at("name"));
    }
    if entry.messages_per_minute == Some(0) {
        return Err(Refused::new(
            format!("account '{}': messages_per_minute = 0 would let nothing through", entry.name),
            "Give a number above 0, or leave it out for no limit.",
        )
        .at("messages_per_minute"));
    }
    let position = draft.settings.accounts.iter().position(|account| Some(&account.id) == known);
    let known = position.and_then(|index| draft.settings.accounts.get(index)).cloned();
    let known_id = known.as_ref().map(|known| &known.id);
    let owner = |what: &str| format!("{what} of account '{}'", entry.name);
    let mut password_hash = known.as_ref().and_then(|known| known.password_hash.clone());
    if let Some(value) = &entry.password {
        let password = draft.secrets.read(value, &owner("password")).map_err(|refused| refused.at("password"))?;
        password_hash = Some(hash_unless_known(&password, password_hash.as_deref())?);
    }
    let mut token_digest = known.as_ref().and_then(|known| known.token_digest.clone());
    if let Some(value) = &entry.token {
        let token = draft.secrets.read(value, &owner("token")).map_err(|refused| refused.at("token"))?;
        token_digest = Some(draft.keys.token_digest(&token).map_err(|error| {
            Refused::new(
                format!("the {} cannot be kept: {error}", owner("token")),
                "Look at master.key in the data folder.",
            )
        })?);
    }
    if let Some(other) = draft
        .settings
        .accounts
        .iter()
        .find(|other| Some(&other.id) != known_id && token_digest.is_some() && other.token_digest == token_digest)
    {
        return Err(Refused::new(
            format!("the accounts '{}' and '{}' have the same token", entry.name, other.name),
            "A token says which account it belongs to: give each its own.",
        )
        .at("token"));
    }
    let id = known.map(|known| known.id).map_or_else(|| new_id(&entry.name).map(AccountId), Ok)?;
    let account = Account {
        id: id.clone(),
        name: entry.name.clone(),
        password_hash,
        token_digest,
        allowed_senders: entry.allowed_senders.clone(),
        networks: entry.networks.clone(),
        messages_per_minute: entry.messages_per_minute,
    };
    match position.and_then(|index| draft.settings.accounts.get_mut(index)) {
        Some(place) => *place = account,
        None => draft.settings.accounts.push(account),
    }
    Ok(id)
}
