//! News for open pages: that something changed, never what. A page then asks again for the parts it shows.
//!
//! Promise: a burst of changes is one piece of news; there are at most [`MAX_LISTENERS`]; a listener ends with its
//! session and with the server.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use store::Change;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;

use crate::Console;
use crate::error::PageError;
use crate::guard::Visitor;

/// Open pages over all users. Each costs a socket and a few kilobytes; a page that finds no place stays as it is until
/// it is loaded again.
pub(crate) const MAX_LISTENERS: usize = 128;
/// Shorter than what proxies take for a dead connection. Also how long a session that ended may still hear that
/// something changed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between two pieces of news: a gateway that sends a thousand messages a second is looked at once a second.
const COALESCED: Duration = Duration::from_secs(1);

pub(super) async fn listen(State(console): State<Console>, visitor: Visitor) -> Result<Response, PageError> {
    let listener = Listener::new(console, visitor.signed_in.session.digest)?;
    let news = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(news).into_response())
}

struct Listener {
    console: Console,
    session: String,
    news: Receiver<Change>,
    /// When the session was last seen alive.
    checked_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(console: Console, session: String) -> Result<Self, PageError> {
        let place = console.listeners.clone().try_acquire_owned().map_err(|_| {
            let what = "Too many pages follow what happens";
            PageError::new(StatusCode::SERVICE_UNAVAILABLE, what, "Close some, and load this one again.")
        })?;
        let news = console.store().subscribe();
        Ok(Self { console, session, news, checked_at: Instant::now(), _place: place })
    }

    /// `None`: it is over.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.console.config.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            event = self.wait() => event,
        }
    }

    async fn wait(&mut self) -> Option<Event> {
        let is_news = tokio::select! {
            biased;
            () = tokio::time::sleep_until(self.checked_at + KEEP_ALIVE) => false,
            // A receiver that lags has something new to look at too.
            change = self.news.recv() => match change {
                Ok(_) | Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return None,
            },
        };
        if !is_news {
            return self.is_signed_in().await.then(|| Event::default().comment("still here"));
        }
        tokio::time::sleep(COALESCED).await;
        // Everything up to here is told by this one piece of news.
        self.news = self.news.resubscribe();
        Some(Event::default().event("change").data("look"))
    }

    async fn is_signed_in(&mut self) -> bool {
        self.checked_at = Instant::now();
        let policy = &self.console.config.sessions;
        let now = self.console.now();
        // A store that cannot be asked is no reason to end it: the page itself will say so.
        let Ok(session) = self.console.store().session(&self.session).await else { return true };
        session.is_some_and(|session| {
            now.duration_since(session.last_seen_at) < policy.idle
                && now.duration_since(session.created_at) < policy.absolute
        })
    }
}
