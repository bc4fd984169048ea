//! The pool of connections, and its renewal.
//!
//! A `503` or `504` often comes from one overloaded front end, and a kept connection leads to the same one again. Microsoft
//! advises to retry over a new connection, which means another pool: the old one ends with its last request. Age ends it,
//! too: a connection that is never idle would never learn that its name leads elsewhere by now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;

/// A new pool costs TLS handshakes; in a longer outage every request would throw one away.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// The longest that a name's old address is used while the connection to it is busy.
const MAX_AGE: Duration = Duration::from_mins(10);

type Renew = Arc<dyn Fn() -> Option<Client> + Send + Sync>;

pub(crate) struct Connections {
    current: Mutex<Current>,
    renew: Option<Renew>,
}

struct Current {
    client: Client,
    made: Instant,
    renewed: Option<Instant>,
}

impl Connections {
    pub(crate) fn new(client: Client) -> Self {
        Self { current: Mutex::new(Current { client, made: Instant::now(), renewed: None }), renew: None }
    }

    pub(crate) fn renewed_by(&self, renew: impl Fn() -> Option<Client> + Send + Sync + 'static) -> Self {
        Self { renew: Some(Arc::new(renew)), ..Self::new(self.current().client.clone()) }
    }

    pub(crate) fn client(&self) -> Client {
        if self.current().made.elapsed() >= MAX_AGE {
            self.renew();
        }
        self.current().client.clone()
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next request go over a new connection, unless the last renewal was moments ago.
    pub(crate) fn renew(&self) {
        let Some(renew) = &self.renew else { return };
        let now = Instant::now();
        {
            let mut current = self.current();
            if current.renewed.is_some_and(|last| now.saturating_duration_since(last) < NOT_AGAIN_WITHIN) {
                return;
            }
            current.renewed = Some(now);
        }
        // Outside the lock: making a client reads the system's certificates.
        if let Some(client) = renew() {
            let mut current = self.current();
            current.client = client;
            current.made = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_does_not_throw_away_a_pool_for_every_request() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let connections = Connections::new(Client::new()).renewed_by(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Some(Client::new())
        });
        for (seconds, expected) in [(0, 1), (1, 1), (8, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            connections.renew();
            assert_eq!(made.load(Ordering::SeqCst), expected, "after {seconds} s more");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_is_always_busy_is_replaced_in_time_so_that_names_are_asked_for_anew() {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let connections = Connections::new(Client::new()).renewed_by(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Some(Client::new())
        });
        for (seconds, expected) in [(0, 0), (599, 0), (1, 1), (599, 1), (1, 2)] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            connections.client();
            assert_eq!(made.load(Ordering::SeqCst), expected, "after {seconds} s more");
        }
    }
}
