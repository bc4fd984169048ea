//! Another way for mail whose own way is broken: a circuit breaker a lane, and fallbacks in the order of the route.
//!
//! ```text
//!            a rest that breaks the lane ([`breaks`])
//!   closed ─────────────────────────────────────────► open: what waits moves to the first fallback
//!     ▲                                                │ ▲     that works; so does what arrives
//!     │ an attempt is accepted             rest ends   │ │ the probe fails: it rests again
//!     └──────────────────────────────── half-open ◄────┘ │
//!                                        └───────────────┘  one attempt under way: the next message is the probe
//! ```
//!
//! Promise: only trouble of the lane moves mail, never a refusal of the message itself; the one exception is what a way
//! cannot carry at all ([`next_way`]). A message in doubt does not move: its own way alone can tell what became of it. A
//! broken lane is remembered on disk, so a restart neither forgets the detour nor floods a lane that is broken still.
//!
//! Left to others: who rests and for how long (`rest`), moving durably (`Store::divert`).

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use mail::{Address, MessageId};
use settings::{RoutedTo, Settings};
use store::{Event, LaneId, LanePause, MessageRecord, Store, StoreError};

use crate::LaneVerdict;
use crate::retry::after;

/// A rest that is told to be longer is worth a detour; a shorter one passes while mail would still be moving.
const LONG_REST: Duration = Duration::from_mins(5);

/// Rests in a row after which an upstream that does not answer, or answers that it is broken, counts as dead.
const DEAD_AFTER_RESTS: u32 = 3;

/// When to look again for a fallback that is being probed, and at everything where much waits.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Messages looked at in one read and moved in one transaction.
const PAGE: u16 = 500;

/// Under this the store keeps which lanes are broken.
const BROKEN: &str = "relay/broken_lane/";

/// Whether a rest breaks the lane: mail should take a fallback. `rests` is the number of rests in a row, with this one.
pub(crate) fn breaks(verdict: LaneVerdict, wait: Duration, rests: u32) -> bool {
    match verdict {
        LaneVerdict::Go | LaneVerdict::MessageOnly => false,
        LaneVerdict::NeedsAdministrator => true,
        LaneVerdict::Throttled(Some(_)) | LaneVerdict::QuotaUsedUp(_) => wait > LONG_REST,
        LaneVerdict::Throttled(None) => wait > LONG_REST || rests >= DEAD_AFTER_RESTS,
    }
}

/// Remembers over restarts whether the lane is broken.
pub(crate) async fn mark(store: &dyn Store, lane: LaneId, broken_since: Option<Timestamp>) {
    let since = broken_since.map(|at| serde_json::Value::String(at.to_string()));
    let (event_is_good, key) = (since.is_none(), key(lane));
    if let Err(error) = store.keep(&key, since).await {
        // This process knows it all the same.
        tracing::error!(event = "lane_break_not_stored", lane = lane.0, %error);
    }
    if event_is_good {
        tracing::info!(event = "lane_works_again", lane = lane.0);
    }
}

pub(crate) async fn is_marked(store: &dyn Store, lane: LaneId) -> Result<bool, StoreError> {
    Ok(store.kept(&key(lane)).await?.is_some())
}

/// Lanes that are broken, also those from which all mail has moved.
pub(crate) async fn broken_lanes(store: &dyn Store) -> Result<Vec<LaneId>, StoreError> {
    let kept = store.kept_under(BROKEN).await?;
    Ok(kept.iter().filter_map(|(key, _)| Some(LaneId(key.strip_prefix(BROKEN)?.parse().ok()?))).collect())
}

fn key(lane: LaneId) -> String {
    format!("{BROKEN}{}", lane.0)
}

/// The way after the one the message is on, for what this one cannot carry; `None`: it was the last, or the message is in
/// doubt and does not move.
pub(crate) fn next_way(settings: &Settings, message: &MessageRecord) -> Option<RoutedTo> {
    let here = message.routed_to.as_ref().filter(|_| !message.may_be_duplicated)?;
    ways(settings, message.header_from.as_ref())?.into_iter().skip_while(|way| way != here).nth(1)
}

fn ways(settings: &Settings, sender: Option<&Address>) -> Option<Vec<RoutedTo>> {
    let (first, fallbacks) = settings.route_with_fallbacks(sender).ok()?;
    Some(std::iter::once(first).chain(fallbacks).collect())
}

fn has_fallbacks(settings: &Settings) -> bool {
    !settings.emails.fallback.is_empty() || settings.routes.iter().any(|route| !route.fallback.is_empty())
}

/// Moves messages that are due by `due_by` from one way to another, each with an event that says why. Returns how many
/// moved: those that are being sent, or in doubt, stay.
pub(crate) async fn divert(
    store: &dyn Store,
    settings: &Settings,
    ids: Vec<MessageId>,
    (from, to): (&RoutedTo, &RoutedTo),
    reason: &str,
    (due_by, now): (Timestamp, Timestamp),
) -> Result<usize, StoreError> {
    let name = |way: &RoutedTo| {
        settings.connection(&way.connection).map_or_else(|| way.connection.to_string(), |known| known.name.clone())
    };
    let detail = format!("from '{}' to '{}': {reason}", name(from), name(to));
    let event = Event { at: now, kind: "moved_to_fallback".into(), actor: "system".into(), detail: Some(detail) };
    let moved = store.divert(ids, to.clone(), due_by, event).await?.len();
    if moved > 0 {
        let count = u64::try_from(moved).unwrap_or(u64::MAX);
        metrics::counter!("postern_failovers_total", "connection" => from.connection.to_string()).increment(count);
        tracing::warn!(
            event = "moved_to_fallback", mailbox = %from.mailbox, from = name(from), to = name(to), messages = moved, reason
        );
    }
    Ok(moved)
}

/// A way as one that could be taken instead.
#[derive(Debug, Clone, Copy)]
enum Health {
    Works,
    /// Was broken, and rests no more. Takes one message, the probe, if it has none.
    Unproven {
        is_probed: bool,
    },
    RestsUntil(Timestamp),
}

/// What a lane's task knows about moving its mail away.
#[derive(Debug, Default)]
pub(crate) struct Failover {
    looked: Option<Looked>,
}

/// What the last look found.
#[derive(Debug)]
struct Looked {
    settings_version: u64,
    /// All up to there had to stay, and is too much to look at for each message that arrives. What is due for longer and
    /// comes here later (released, or on its second detour) is found by the next whole look.
    passed: Option<MessageId>,
    /// When to look at everything again: another way may be free then, or more is due.
    again_at: Timestamp,
}

impl Failover {
    /// When to look again although nothing new arrived.
    pub(crate) fn look_again_at(&self) -> Option<Timestamp> {
        self.looked.as_ref().map(|looked| looked.again_at)
    }

    /// Moves what is due on a broken lane to the first fallback that works. `pause`: the rest of a broken lane; `None`: it
    /// works, or is on probation.
    pub(crate) async fn move_on(
        &mut self,
        store: &dyn Store,
        lane: LaneId,
        pause: Option<LanePause>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let looked = self.looked.take();
        let settings = store.settings().borrow().clone();
        let Some(pause) = pause.filter(|_| has_fallbacks(&settings)) else { return Ok(()) };
        let goes_on = |it: &Looked| it.settings_version == settings.version && it.again_at > now && it.passed.is_some();
        let looked = looked.filter(goes_on);
        let here = store.lane(lane).await?.key;
        let again_at = looked.as_ref().map_or(pause.until, |looked| looked.again_at);
        let mut search = Search { store, settings: &settings, now, known: HashMap::new(), again_at };
        let mut last = looked.as_ref().and_then(|looked| looked.passed);
        let mut staying = 0;
        loop {
            let page = store.queued_in_lane(lane, now, last, PAGE.into()).await?;
            let Some((newest, _)) = page.last() else { break };
            last = Some(*newest);
            staying += page.len();
            for (way, ids) in search.sort(page, &here).await? {
                staying -= divert(store, &settings, ids, (&here, &way), &pause.explanation.what, (now, now)).await?;
            }
        }
        if let Some(at) = next_due(store, lane, last, now).await? {
            search.again_at = search.again_at.min(at);
        }
        let is_much = looked.is_some() || staying >= usize::from(PAGE);
        if is_much {
            search.again_at = search.again_at.min(after(now, LOOK_AGAIN));
        }
        let (passed, again_at) = (last.filter(|_| is_much), search.again_at);
        self.looked = Some(Looked { settings_version: settings.version, passed, again_at });
        Ok(())
    }
}

/// When the first message after `last` is due, which is the last that is due now.
async fn next_due(
    store: &dyn Store,
    lane: LaneId,
    last: Option<MessageId>,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let next = store.queued_in_lane(lane, Timestamp::MAX, last, 1).await?;
    let Some((id, _)) = next.first() else { return Ok(None) };
    let due_at = match store.message(*id).await {
        Ok(detail) => detail.message.due_at,
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    // Else it, or `last`, was changed or deleted just now.
    Ok(Some(due_at.filter(|at| *at > now).unwrap_or_else(|| after(now, LOOK_AGAIN))))
}

/// One look for other ways.
struct Search<'a> {
    store: &'a dyn Store,
    settings: &'a Settings,
    now: Timestamp,
    known: HashMap<RoutedTo, Health>,
    /// The earliest moment at which a way that rests may be free.
    again_at: Timestamp,
}

impl Search<'_> {
    /// The messages of a page that can go another way, by their ways.
    async fn sort(
        &mut self,
        page: Vec<(MessageId, Option<Address>)>,
        here: &RoutedTo,
    ) -> Result<HashMap<RoutedTo, Vec<MessageId>>, StoreError> {
        let mut moves: HashMap<RoutedTo, Vec<MessageId>> = HashMap::new();
        for (id, sender) in page {
            if let Some(way) = self.way_around(sender.as_ref(), here).await? {
                moves.entry(way).or_default().push(id);
            }
        }
        Ok(moves)
    }

    /// The first other way that works. Mail that the settings route elsewhere by now is for `reroute`.
    async fn way_around(&mut self, sender: Option<&Address>, here: &RoutedTo) -> Result<Option<RoutedTo>, StoreError> {
        let ways = ways(self.settings, sender).filter(|ways| ways.contains(here));
        for way in ways.into_iter().flatten().filter(|way| way != here) {
            match self.health(&way).await? {
                Health::Works => return Ok(Some(way)),
                Health::Unproven { is_probed: false } => {
                    self.known.insert(way.clone(), Health::Unproven { is_probed: true });
                    self.again_at = self.again_at.min(after(self.now, LOOK_AGAIN));
                    return Ok(Some(way));
                }
                Health::Unproven { is_probed: true } => {
                    self.again_at = self.again_at.min(after(self.now, LOOK_AGAIN));
                }
                Health::RestsUntil(until) => self.again_at = self.again_at.min(until),
            }
        }
        Ok(None)
    }

    async fn health(&mut self, way: &RoutedTo) -> Result<Health, StoreError> {
        if let Some(known) = self.known.get(way) {
            return Ok(*known);
        }
        let id = self.store.lane_of(way).await?;
        let lane = self.store.lane(id).await?;
        let health = match lane.pause.map(|pause| pause.until).filter(|until| *until > self.now) {
            Some(until) => Health::RestsUntil(until),
            None if is_marked(self.store, id).await? => Health::Unproven { is_probed: lane.waiting > 0 },
            None => Health::Works,
        };
        self.known.insert(way.clone(), health);
        Ok(health)
    }
}
