//! How much a lane may ask the store for.
//!
//! Promise: whatever the store gives within it has room in every budget of the door, even if all of it is of the largest
//! size that is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use store::Priority;

use super::budget::Budget;
use super::concurrency::Concurrency;
use super::{Kind, Shortage};
use crate::{Cost, Transport};

/// Octets from which a message is large: its upload takes a while on any line.
pub(super) const LARGE_FROM_BYTES: u64 = 1024 * 1024;

/// Larger than any message that anybody sends.
pub(super) const ANY_BYTES: u64 = 1 << 40;

pub(super) type Budgets = BTreeMap<Kind, Budget>;

/// What a lane would like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) messages: u32,
    pub(super) in_flight: u32,
    /// It and all above.
    pub(super) priority: Priority,
    /// Of the octets, kept for a larger message that waits: so many of a thousand.
    pub(super) kept_back: u16,
}

/// What it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) messages: u32,
    /// No larger ones.
    pub(super) max_bytes: u64,
    /// When twice as large ones have room; `None`: when an attempt has ended. What waits is not known to be larger than
    /// that, so it is looked for again and again.
    pub(super) larger_at: Option<Timestamp>,
}

/// What of `ask` there is room for.
pub(super) fn fit(
    ask: Ask,
    concurrency: &Concurrency,
    budgets: &mut Budgets,
    transport: &dyn Transport,
    now: Timestamp,
) -> Result<Fit, Shortage> {
    let messages = ask.messages.min(concurrency.room(ask.in_flight));
    if messages == 0 {
        return Err(Shortage { kind: Kind::InFlight, until: None });
    }
    let mut room = Room { ask, budgets, transport, now };
    let mut messages = messages.min(room.for_smallest()?);
    let mut max_bytes = room.largest(messages);
    while max_bytes < LARGE_FROM_BYTES && messages > 1 {
        messages -= 1;
        max_bytes = room.largest(messages);
    }
    let large = concurrency.room_for_large(ask.in_flight);
    if large == 0 {
        return Ok(Fit { messages, max_bytes: max_bytes.min(LARGE_FROM_BYTES - 1), larger_at: None });
    }
    if max_bytes >= LARGE_FROM_BYTES && messages > large {
        messages = large;
        max_bytes = room.largest(messages);
    }
    Ok(Fit { messages, max_bytes, larger_at: room.larger_at(max_bytes) })
}

struct Room<'a> {
    ask: Ask,
    budgets: &'a mut Budgets,
    transport: &'a dyn Transport,
    now: Timestamp,
}

impl Room<'_> {
    /// How many of the smallest messages, at least one.
    fn for_smallest(&mut self) -> Result<u32, Shortage> {
        let mut count = u32::MAX;
        let cost = self.transport.cost(0, true);
        for (kind, budget) in self.budgets.iter_mut() {
            let one = amount(*kind, cost);
            let kept = kept_back(self.ask, *kind, budget);
            if !budget.has_room(one.saturating_add(kept), self.ask.priority, self.now) {
                let until = budget.room_at(one.saturating_add(kept), self.ask.priority, self.now);
                return Err(Shortage { kind: *kind, until });
            }
            let room = budget.room(self.ask.priority, self.now).saturating_sub(kept);
            if let Some(room_for) = room.checked_div(one) {
                count = count.min(u32::try_from(room_for).unwrap_or(u32::MAX).max(1));
            }
        }
        Ok(count)
    }

    /// The largest size of which that many have room.
    fn largest(&mut self, messages: u32) -> u64 {
        if self.have_room(messages, ANY_BYTES) {
            return ANY_BYTES;
        }
        let (mut fits, mut does_not) = (0, ANY_BYTES);
        while does_not - fits > 1 {
            let middle = u64::midpoint(fits, does_not);
            if self.have_room(messages, middle) { fits = middle } else { does_not = middle }
        }
        fits
    }

    fn have_room(&mut self, messages: u32, bytes: u64) -> bool {
        let cost = self.transport.cost(bytes, true);
        self.budgets.iter_mut().all(|(kind, budget)| {
            let kept = kept_back(self.ask, *kind, budget);
            let all = amount(*kind, cost).saturating_mul(u64::from(messages));
            // Alone, also what costs more than there ever is.
            (messages == 1 && kept == 0 && budget.has_room(all, self.ask.priority, self.now))
                || all <= budget.room(self.ask.priority, self.now).saturating_sub(kept)
        })
    }

    fn larger_at(&mut self, bytes: u64) -> Option<Timestamp> {
        if bytes >= ANY_BYTES {
            return None;
        }
        let cost = self.transport.cost(bytes.saturating_mul(2).max(1), true);
        let mut when = self.now;
        for (kind, budget) in self.budgets.iter_mut() {
            when = when.max(budget.room_at(amount(*kind, cost), self.ask.priority, self.now)?);
        }
        Some(when).filter(|when| *when > self.now)
    }
}

fn kept_back(ask: Ask, kind: Kind, budget: &Budget) -> u64 {
    match kind {
        Kind::Upload => budget.limit() / 1_000 * u64::from(ask.kept_back),
        _ => 0,
    }
}

fn amount(kind: Kind, cost: Cost) -> u64 {
    match kind {
        Kind::Requests => cost.requests,
        Kind::Upload => cost.upload_bytes,
        Kind::Messages => 1,
        Kind::InFlight | Kind::Recipients | Kind::External => 0,
    }
}
