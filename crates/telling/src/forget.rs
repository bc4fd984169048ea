//! Outcomes that every reader has dealt with are forgotten.

use settings::Settings;
use store::{Store, StoreError};

use crate::position::{self, POSITIONS};
use crate::{reports, webhooks};

/// Forgets what all readers are past; also the positions of webhooks that are gone, or switched off.
pub(crate) async fn forget_outcomes(store: &dyn Store) -> Result<(), StoreError> {
    let settings = store.settings().borrow().clone();
    let mut all_read = u64::MAX;
    for (key, value) in store.kept_under(POSITIONS).await? {
        let name = key.strip_prefix(POSITIONS).unwrap_or_default();
        if is_reader(&settings, name) {
            all_read = all_read.min(value.as_u64().unwrap_or(0));
        } else {
            position::forget(store, name).await?;
        }
    }
    if all_read > 0 && all_read < u64::MAX {
        store.purge_outcomes(all_read).await?;
    }
    Ok(())
}

fn is_reader(settings: &Settings, name: &str) -> bool {
    name == reports::READER || settings.webhooks.iter().any(|it| !it.disabled && webhooks::reader(&it.id) == name)
}

#[cfg(test)]
mod tests {
    use settings::{Sealed, Webhook, WebhookId};
    use store::{RecipientOutcome, SettingsChange, Store as _};

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn outcomes_are_kept_until_the_last_reader_is_past_them() {
        let world = World::new().await;
        let store = &*world.store;
        let webhook = Webhook {
            id: WebhookId("one".into()),
            name: "one".into(),
            url: "https://x.test/".parse().unwrap(),
            secret: Sealed { key_id: 1, box_base64: String::new() },
            events: Vec::new(),
            disabled: false,
        };
        world.change(vec![SettingsChange::PutWebhook(webhook.clone())]).await;
        for name in [reports::READER, "webhook/one", "webhook/gone"] {
            position::save(store, name, 0).await.unwrap();
        }
        for _ in 0..3 {
            world.queue(|_| {}).await;
            world.end("main", &[RecipientOutcome::Accepted, RecipientOutcome::Accepted]).await;
        }
        let left = async || store.outcomes(0, 10).await.unwrap().len();
        position::save(store, reports::READER, 3).await.unwrap();
        forget_outcomes(store).await.unwrap();
        assert_eq!(left().await, 3, "the webhook was told of none");
        position::save(store, "webhook/one", 2).await.unwrap();
        forget_outcomes(store).await.unwrap();
        assert_eq!(left().await, 1);
        world.change(vec![SettingsChange::PutWebhook(Webhook { disabled: true, ..webhook })]).await;
        forget_outcomes(store).await.unwrap();
        assert_eq!(left().await, 0, "one that is switched off holds nothing back");
    }
}
