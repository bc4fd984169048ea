//! Outlook's service limits per application and mailbox: requests at once, requests and bytes in a window.
//!
//! Invariant: a lane's `in_flight` equals the number of its living permits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::window::Window;
use crate::clock::Clock;
use crate::config::Limits;
use crate::state::lock;

/// Lanes remembered; beyond it, those with nothing in flight are forgotten. A client that makes up mailbox names must
/// not grow us.
const MAX_LANES: usize = 10_000;
const DAY: Duration = Duration::from_hours(24);

/// Application and mailbox.
type Key = (String, String);

#[derive(Debug)]
struct Lane {
    in_flight: u32,
    requests: Window,
    upload: Window,
    recipients: Window,
}

/// The limits and what is counted against them.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    start: Instant,
    clock: Arc<Clock>,
    lanes: Mutex<HashMap<Key, Lane>>,
}

/// The right to have one request in flight.
#[derive(Debug)]
pub(crate) struct Permit {
    throttle: Arc<Throttle>,
    key: Key,
}

impl Throttle {
    pub(crate) fn new(limits: &Limits, clock: Arc<Clock>) -> Self {
        Self { limits: limits.clone(), start: Instant::now(), clock, lanes: Mutex::default() }
    }

    /// Time since the start, as the tenant's clock has it.
    fn elapsed(&self) -> Duration {
        self.start.elapsed() + self.clock.advanced()
    }

    /// Lets a request in, or says when to come back. Every request counts, also a refused one.
    pub(crate) fn enter(self: &Arc<Self>, client_id: &str, mailbox: &str) -> Result<Permit, Failure> {
        let now = self.elapsed();
        let key = (client_id.to_lowercase(), mailbox.to_lowercase());
        let mut lanes = lock(&self.lanes);
        if lanes.len() >= MAX_LANES && !lanes.contains_key(&key) {
            lanes.retain(|_, lane| lane.in_flight > 0);
        }
        let lane = lanes.entry(key.clone()).or_insert_with(|| self.new_lane());
        lane.requests.add(1, now);
        if lane.requests.sum(now) > self.limits.requests_per_window {
            let wait = lane.requests.until_room(now);
            return Err(Failure::known("TooManyRequests").with_retry_after(Some(whole_seconds(wait))));
        }
        if lane.in_flight >= self.limits.concurrent_requests {
            let wait = self.limits.retry_after_seconds;
            return Err(Failure::known("ApplicationThrottled").with_retry_after(Some(wait)));
        }
        lane.in_flight += 1;
        Ok(Permit { throttle: Arc::clone(self), key })
    }

    fn new_lane(&self) -> Lane {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        Lane {
            in_flight: 0,
            requests: Window::new(seconds(self.limits.request_window_seconds)),
            upload: Window::new(seconds(self.limits.upload_window_seconds)),
            recipients: Window::new(DAY),
        }
    }
}

impl Permit {
    /// Counts an uploaded body.
    pub(crate) fn upload(&self, bytes: usize) -> Result<(), Failure> {
        let limit = self.throttle.limits.upload_bytes_per_window;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.count(|lane| &mut lane.upload, bytes, limit, "TooManyRequests")
    }

    /// Counts the recipients of a message about to be taken.
    pub(crate) fn mail(&self, recipients: usize) -> Result<(), Failure> {
        match self.throttle.limits.recipients_per_day {
            0 => Ok(()),
            limit => {
                let recipients = u64::try_from(recipients).unwrap_or(u64::MAX);
                self.count(|lane| &mut lane.recipients, recipients, limit, "ErrorSubmissionQuotaExceeded")
            }
        }
    }

    fn count(
        &self,
        window: impl Fn(&mut Lane) -> &mut Window,
        amount: u64,
        limit: u64,
        code: &str,
    ) -> Result<(), Failure> {
        let now = self.throttle.elapsed();
        let mut lanes = lock(&self.throttle.lanes);
        let Some(lane) = lanes.get_mut(&self.key) else { return Ok(()) };
        let window = window(lane);
        if window.sum(now).saturating_add(amount) > limit {
            let wait = window.until_room(now);
            return Err(Failure::known(code).with_retry_after(Some(whole_seconds(wait))));
        }
        window.add(amount, now);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lane) = lock(&self.throttle.lanes).get_mut(&self.key) {
            lane.in_flight -= 1;
        }
    }
}

fn whole_seconds(wait: Duration) -> f64 {
    wait.as_secs_f64().ceil().max(1.0)
}
