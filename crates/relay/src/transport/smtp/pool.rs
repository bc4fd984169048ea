//! Open sessions that wait for the next message, apart by mailbox.
//!
//! Invariant: a session is in here only while nobody uses it; so there are never more sessions of a mailbox than attempts
//! of it were under way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;

/// Messages that one session carries. Servers count, and end a session sooner or later; better between two messages.
const MAX_MESSAGES: u32 = 100;

/// Idle sessions of all mailboxes together: bounds sockets where mailboxes are many.
const MAX_IDLE: usize = 64;

#[derive(Debug)]
pub(super) struct Pool {
    idle_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: HashMap<String, Vec<Idle>>,
    count: usize,
    has_reaper: bool,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    since: Instant,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { idle_timeout, state: Mutex::default() })
    }

    /// The session of `mailbox` that was used last, if one is still there.
    pub(super) fn take(&self, mailbox: &str) -> Option<Session> {
        let mut state = self.state();
        let State { idle: all, count, .. } = &mut *state;
        let waiting = all.get_mut(mailbox)?;
        loop {
            let mut idle = waiting.pop()?;
            *count -= 1;
            if idle.since.elapsed() < self.idle_timeout && idle.session.link.is_quiet() {
                return Some(idle.session);
            }
        }
    }

    /// Keeps a session for the next message, or ends it.
    pub(super) fn put(self: &Arc<Self>, mailbox: &str, session: Session) {
        let mut state = self.state();
        if session.used >= MAX_MESSAGES || state.count >= MAX_IDLE {
            tokio::spawn(session.quit());
            return;
        }
        state.count += 1;
        state.idle.entry(mailbox.to_owned()).or_default().push(Idle { session, since: Instant::now() });
        if !std::mem::replace(&mut state.has_reaper, true) {
            tokio::spawn(reap(Arc::downgrade(self), self.idle_timeout));
        }
    }

    /// Ends what has waited too long; `true` while something waits.
    fn end_idle(&self) -> bool {
        let mut state = self.state();
        let mut over = Vec::new();
        state.idle.retain(|_, sessions| {
            over.extend(sessions.extract_if(.., |idle| idle.since.elapsed() >= self.idle_timeout));
            !sessions.is_empty()
        });
        state.count -= over.len();
        for idle in over {
            tokio::spawn(idle.session.quit());
        }
        state.has_reaper = !state.idle.is_empty();
        state.has_reaper
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends idle sessions while there are any. A pool that is dropped closes its sessions by itself.
async fn reap(pool: Weak<Pool>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout / 2).await;
        match pool.upgrade() {
            Some(pool) if pool.end_idle() => {}
            _ => return,
        }
    }
}
