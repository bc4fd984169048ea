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
