//! Waiting messages follow the settings: when routes change, they move to the lanes that take them now.
//!
//! Those that took a fallback stay on it while their first way is broken, as long as the settings still name it.

use std::collections::HashSet;

use mail::Address;
use settings::{RoutedTo, Settings};
use store::{Store, StoreError};

use crate::failover::broken_lanes;

/// Messages looked at in one read and moved in one transaction.
const PAGE: u32 = 500;

/// Routes every waiting message by the settings as they are; returns how many moved.
pub async fn reroute_waiting(store: &dyn Store) -> Result<u64, StoreError> {
    let settings = store.settings().borrow().clone();
    let broken = broken_ways(store).await?;
    let mut after = None;
    let mut moved = 0;
    loop {
        let page = store.waiting_messages(after, PAGE).await?;
        let Some((last, _, _)) = page.last() else { return Ok(moved) };
        after = Some(*last);
        let routes: Vec<_> = page
            .into_iter()
            .filter_map(|(id, sender, routed_to)| {
                let now = way_of(&settings, &broken, sender.as_ref(), routed_to.as_ref());
                (now != routed_to).then_some((id, now))
            })
            .collect();
        moved += u64::try_from(routes.len()).unwrap_or(u64::MAX);
        if !routes.is_empty() {
            store.reroute(routes).await?;
        }
    }
}

fn way_of(
    settings: &Settings,
    broken: &HashSet<RoutedTo>,
    sender: Option<&Address>,
    routed_to: Option<&RoutedTo>,
) -> Option<RoutedTo> {
    let (first, fallbacks) = settings.route_with_fallbacks(sender).ok()?;
    let taken = routed_to.filter(|way| broken.contains(&first) && fallbacks.contains(way));
    Some(taken.cloned().unwrap_or(first))
}

async fn broken_ways(store: &dyn Store) -> Result<HashSet<RoutedTo>, StoreError> {
    let mut ways = HashSet::new();
    for lane in broken_lanes(store).await? {
        ways.insert(store.lane(lane).await?.key);
    }
    Ok(ways)
}
