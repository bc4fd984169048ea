//! Waiting messages follow the settings: when routes change, they move to the lanes that take them now.

use store::{Store, StoreError};

/// Messages looked at in one read and moved in one transaction.
const PAGE: u32 = 500;

/// Routes every waiting message by the settings as they are; returns how many moved.
pub async fn reroute_waiting(store: &dyn Store) -> Result<u64, StoreError> {
    let settings = store.settings().borrow().clone();
    let mut after = None;
    let mut moved = 0;
    loop {
        let page = store.waiting_messages(after, PAGE).await?;
        let Some((last, _, _)) = page.last() else { return Ok(moved) };
        after = Some(*last);
        let routes: Vec<_> = page
            .into_iter()
            .filter_map(|(id, sender, routed_to)| {
                let now = settings.route(sender.as_ref()).ok();
                (now != routed_to).then_some((id, now))
            })
            .collect();
        moved += u64::try_from(routes.len()).unwrap_or(u64::MAX);
        if !routes.is_empty() {
            store.reroute(routes).await?;
        }
    }
}
