//! Exchange Online's limits of a mailbox by SMTP: three sessions at once, and so many messages a minute.
//!
//! Promise: a fourth session is refused; a message too many is taken all the same, and arrives later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::state::lock;

const SESSIONS_OF_A_MAILBOX: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Slots {
    open: Mutex<HashMap<String, usize>>,
    /// When the last messages of each mailbox arrived or are to arrive, oldest first.
    arrivals: Mutex<HashMap<String, VecDeque<Timestamp>>>,
}

/// One session of one mailbox, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    mailbox: String,
}

impl Slots {
    /// `None`: three are open.
    pub(super) fn take(self: &Arc<Self>, mailbox: &str) -> Option<Slot> {
        let mut open = lock(&self.open);
        let count = open.entry(mailbox.to_owned()).or_default();
        if *count >= SESSIONS_OF_A_MAILBOX {
            return None;
        }
        *count += 1;
        Some(Slot { slots: Arc::clone(self), mailbox: mailbox.to_owned() })
    }

    /// When a message that is taken now arrives; `per_minute` of 0: at once.
    pub(super) fn arrival(&self, mailbox: &str, per_minute: usize, now: Timestamp) -> Timestamp {
        if per_minute == 0 {
            return now;
        }
        let mut all = lock(&self.arrivals);
        let arrivals = all.entry(mailbox.to_owned()).or_default();
        let first_of_minute = arrivals.len().checked_sub(per_minute).and_then(|at| arrivals.get(at));
        let earliest = first_of_minute.map(|first| *first + SignedDuration::from_mins(1));
        let arrival = earliest.map_or(now, |earliest| earliest.max(now));
        arrivals.push_back(arrival);
        if arrivals.len() > per_minute {
            arrivals.pop_front();
        }
        arrival
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = lock(&self.slots.open);
        if let Some(count) = open.get_mut(&self.mailbox) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.mailbox);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_a_minute_arrives_in_the_next() {
        let slots = Slots::default();
        let start: Timestamp = "2026-11-25T08:00:00Z".parse().unwrap();
        let second = |seconds| start + SignedDuration::from_secs(seconds);
        let arrivals = [0, 1, 2, 3, 62].map(|at| slots.arrival("a@b.test", 2, second(at)));
        assert_eq!(arrivals, [0, 1, 60, 61, 120].map(second));
        assert_eq!(slots.arrival("c@d.test", 2, second(3)), second(3), "each mailbox for itself");
        assert_eq!(slots.arrival("a@b.test", 0, second(3)), second(3), "0 is no limit");
    }
}
