//! Webhooks and notices.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::Address;
use secrecy::{ExposeSecret as _, SecretString};
use settings::{Alarms, News, Notices, Settings, Webhook, WebhookId};
use url::Url;

use super::plan::{Draft, new_id};
use super::references;
use crate::Refused;
use crate::sealed_secret::{self, seal_unless_known};
use crate::setup_file::{NoticesEntry, WebhookEntry};

/// What a signing key begins with (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// Lengths of the key that Standard Webhooks asks for.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Adds the webhook, or replaces `known`; a secret that the entry does not name stays as it is, or is made. Returns the
/// secret if it was made.
pub(crate) fn put_webhook(
    draft: &mut Draft<'_>,
    known: Option<&WebhookId>,
    entry: &WebhookEntry,
) -> Result<(WebhookId, Option<SecretString>), Refused> {
    let owner = format!("webhook '{}'", entry.name);
    let (url, events) = (address_to_tell(&owner, &entry.url)?, events(&owner, &entry.events)?);
    let position = draft.settings.webhooks.iter().position(|webhook| Some(&webhook.id) == known);
    let known = position.and_then(|index| draft.settings.webhooks.get(index)).cloned();
    let (id, kept) = match known {
        Some(known) => (known.id, Some(known.secret)),
        None => (WebhookId(new_id(&entry.name)?), None),
    };
    let place = sealed_secret::webhook_secret(&id);
    let (secret, made) = match (&entry.secret, kept) {
        (Some(value), kept) => {
            let secret = draft.secrets.read(value, &format!("secret of {owner}"));
            let secret =
                secret.and_then(|secret| signing_key(&owner, secret)).map_err(|refused| refused.at("secret"))?;
            (seal_unless_known(draft.keys, &place, &secret, kept)?, None)
        }
        (None, Some(kept)) => (kept, None),
        (None, None) => {
            let made = make_signing_key()?;
            (seal_unless_known(draft.keys, &place, &made, None)?, Some(made))
        }
    };
    let webhook = Webhook { id: id.clone(), name: entry.name.clone(), url, secret, events, disabled: entry.disabled };
    match position.and_then(|index| draft.settings.webhooks.get_mut(index)) {
        Some(place) => *place = webhook,
        None => draft.settings.webhooks.push(webhook),
    }
    Ok((id, made))
}

/// As Standard Webhooks writes it: `whsec_` and 32 random octets in base64.
pub(crate) fn make_signing_key() -> Result<SecretString, Refused> {
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Refused::new(format!("the system gives no random numbers: {error}"), "Look at the system."))?;
    Ok(SecretString::from(format!("{PREFIX}{}", STANDARD.encode(key))))
}

fn signing_key(owner: &str, secret: SecretString) -> Result<SecretString, Refused> {
    let key = secret.expose_secret().strip_prefix(PREFIX).and_then(|base64| STANDARD.decode(base64).ok());
    if key.is_some_and(|key| KEY_BYTES.contains(&key.len())) {
        return Ok(secret);
    }
    let what = format!("the secret of {owner} is no signing key");
    Err(Refused::new(what, "Write whsec_ and 24 to 64 octets in base64, or leave it out: one is made."))
}

/// Clear text is for this machine alone, and an address holds no secret.
fn address_to_tell(owner: &str, text: &str) -> Result<Url, Refused> {
    let refused = |why: &str, fix: &str| Err(Refused::new(format!("{owner}: url {why}"), fix.to_owned()).at("url"));
    let Ok(url) = Url::parse(text.trim()) else {
        return refused("is not an address", "Write it as https://hooks.example.org/postern.");
    };
    if url.host().is_none() {
        return refused("has no host", "Write it as https://hooks.example.org/postern.");
    }
    if !entra::is_private(&url) {
        return refused(
            "is not https",
            "Use https; plain http is for loopback addresses such as http://127.0.0.1:9000.",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused(
            "holds a user or a password",
            "Leave them out: calls are signed, and the receiver checks that.",
        );
    }
    Ok(url)
}

fn events(owner: &str, names: &[String]) -> Result<Vec<News>, Refused> {
    let mut events = Vec::new();
    for name in names {
        let Some(news) = News::from_name(name.trim()) else {
            let known = News::ALL.map(News::name).join(", ");
            let what = format!("{owner}: there is no event '{name}'");
            return Err(Refused::new(what, format!("There are: {known}.")).at("events"));
        };
        if !events.contains(&news) {
            events.push(news);
        }
    }
    Ok(events)
}

/// The notices that the entry describes, whole.
pub(crate) fn notices(settings: &Settings, entry: &NoticesEntry) -> Result<Notices, Refused> {
    let alarms = &entry.alarms;
    for (field, value) in [("queue_age_minutes", alarms.queue_age_minutes), ("expiry_days", alarms.expiry_days)] {
        if value == 0 {
            let what = format!("alarms: {field} = 0 would be an alarm at all times");
            return Err(Refused::new(what, "Give a number above 0.").at(field));
        }
    }
    let connection = alarms.connection.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let connection = connection.map(|name| references::connection(settings, name)).transpose();
    let connection = connection
        .map_err(|refused| Refused { what: format!("alarms: {}", refused.what), ..refused }.at("connection"))?;
    let mailbox = alarms.mailbox.as_deref().map(str::trim).filter(|text| !text.is_empty());
    Ok(Notices {
        failures: entry.failures,
        delay_after_minutes: Some(entry.delay_after_minutes).filter(|minutes| *minutes > 0),
        alarms: Alarms {
            to: alarms.to.iter().map(|text| address("to", text)).collect::<Result<_, _>>()?,
            connection: connection.map(|connection| connection.id.clone()),
            mailbox: mailbox.map(|text| address("mailbox", text)).transpose()?,
            queue_age_minutes: alarms.queue_age_minutes,
            expiry_days: alarms.expiry_days,
        },
    })
}

fn address(field: &'static str, text: &str) -> Result<Address, Refused> {
    text.trim().parse().map_err(|error| {
        let what = format!("alarms: {field} '{text}' is not an address: {error}");
        Refused::new(what, "Write it as user@example.org.").at(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_told_over_tls_or_on_this_machine() {
        for (url, is_one) in [
            ("https://hooks.contoso.test/postern?x=1", true),
            ("http://127.0.0.1:9000/hook", true),
            ("http://[::1]:9000/hook", true),
            ("http://localhost/hook", true),
            ("http://hooks.contoso.test/", false),
            ("http://127.0.0.1.contoso.test/", false),
            ("https://user@hooks.contoso.test/", false),
            ("ftp://127.0.0.1/", false),
            ("hooks.contoso.test", false),
        ] {
            assert_eq!(address_to_tell("webhook 'x'", url).is_ok(), is_one, "{url}");
        }
    }

    #[test]
    fn a_made_key_is_one_and_others_are_looked_at() {
        let made = make_signing_key().unwrap();
        assert!(signing_key("webhook 'x'", made.clone()).is_ok());
        assert_ne!(made.expose_secret(), make_signing_key().unwrap().expose_secret());
        for wrong in ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64"] {
            let refused = signing_key("webhook 'x'", wrong.into()).unwrap_err();
            assert!(!refused.what.contains(wrong), "{}", refused.what);
        }
    }
}
