//! Submission accounts.

use settings::{Account, AccountId};

use super::password::hash_unless_known;
use super::plan::{Draft, new_id};
use crate::Refused;
use crate::setup_file::AccountEntry;

/// Adds the account, or replaces `known`; a password or token that the entry does not name stays as it is.
pub(crate) fn put(
    draft: &mut Draft<'_>,
    known: Option<&AccountId>,
    entry: &AccountEntry,
) -> Result<AccountId, Refused> {
    check(entry)?;
    let position = draft.settings.accounts.iter().position(|account| Some(&account.id) == known);
    let known = position.and_then(|index| draft.settings.accounts.get(index)).cloned();
    let password_hash = password_hash(draft, known.as_ref(), entry)?;
    let token_digest = token_digest(draft, known.as_ref(), entry)?;
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

fn check(entry: &AccountEntry) -> Result<(), Refused> {
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
    Ok(())
}

fn password_hash(draft: &Draft<'_>, known: Option<&Account>, entry: &AccountEntry) -> Result<Option<String>, Refused> {
    let kept = known.and_then(|known| known.password_hash.clone());
    let Some(value) = &entry.password else { return Ok(kept) };
    let owner = format!("password of account '{}'", entry.name);
    let password = draft.secrets.read(value, &owner).map_err(|refused| refused.at("password"))?;
    hash_unless_known(&password, kept.as_deref()).map(Some)
}

/// A token says which account it belongs to, so no two may have the same.
fn token_digest(draft: &Draft<'_>, known: Option<&Account>, entry: &AccountEntry) -> Result<Option<String>, Refused> {
    let Some(value) = &entry.token else { return Ok(known.and_then(|known| known.token_digest.clone())) };
    let owner = format!("token of account '{}'", entry.name);
    let token = draft.secrets.read(value, &owner).map_err(|refused| refused.at("token"))?;
    let unusable =
        |error| Refused::new(format!("the {owner} cannot be kept: {error}"), "Look at master.key in the data folder.");
    let digest = draft.keys.token_digest(&token).map_err(unusable)?;
    let is_other = |other: &&Account| Some(&other.id) != known.map(|known| &known.id);
    let mut others = draft.settings.accounts.iter().filter(is_other);
    match others.find(|other| other.token_digest.as_ref() == Some(&digest)) {
        None => Ok(Some(digest)),
        Some(other) => Err(Refused::new(
            format!("the accounts '{}' and '{}' have the same token", entry.name, other.name),
            "A token says which account it belongs to: give each its own.",
        )
        .at("token")),
    }
}
