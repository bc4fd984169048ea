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
        let event = match listener.next().await? {
            News::Change => Event::default().event("change").data("look"),
            News::StillHere => Event::default().comment("still here"),
        };
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(news).into_response())
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    Change,
    /// Nothing happened: the connection is kept open.
    StillHere,
}

#[derive(Debug)]
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
    async fn next(&mut self) -> Option<News> {
        let stop = self.console.config.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            news = self.wait() => news,
        }
    }

    async fn wait(&mut self) -> Option<News> {
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
            return self.is_signed_in().await.then_some(News::StillHere);
        }
        tokio::time::sleep(COALESCED).await;
        // Everything up to here is told by this one piece of news.
        self.news = self.news.resubscribe();
        Some(News::Change)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use admin::people::{SessionPolicy, SetupToken};
    use jiff::Timestamp;
    use settings::{ConnectionId, UserId};
    use store::model::ModelStore;
    use store::{Session, Store as _};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::ConsoleConfig;

    const SESSION: &str = "0011";

    async fn console() -> Console {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(ModelStore::default());
        let now = Timestamp::now();
        let session = Session {
            digest: SESSION.to_owned(),
            user: UserId("u".to_owned()),
            created_at: now,
            last_seen_at: now,
            authenticated_at: now,
            peer: None,
            user_agent: None,
        };
        store.put_session(session).await.unwrap();
        let config = ConsoleConfig {
            public_url: "http://console.test/".parse().unwrap(),
            tls: false,
            hosts: Vec::new(),
            network: relay::Network::default(),
            data_dir: folder.path().to_owned(),
            min_free_bytes: 0,
            hostname: "console.test".to_owned(),
            smtp: Vec::new(),
            configuration: Vec::new(),
            sessions: SessionPolicy::default(),
            setup: SetupToken::ensure(folder.path(), &*store).unwrap(),
            stop: CancellationToken::new(),
        };
        Console::new(store, config)
    }

    fn listener(console: &Console) -> Listener {
        Listener::new(console.clone(), SESSION.to_owned()).unwrap()
    }

    async fn change(console: &Console) {
        console.store().put_grant(&ConnectionId("c".to_owned()), None).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_is_one_piece_of_news() {
        let console = console().await;
        let mut listener = listener(&console);
        for _ in 0..50 {
            change(&console).await;
        }
        assert_eq!(listener.next().await, Some(News::Change));
        assert_eq!(listener.next().await, Some(News::StillHere), "nothing of the burst is left");
        change(&console).await;
        assert_eq!(listener.next().await, Some(News::Change), "what comes later is told");
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_ends_with_its_session_even_while_much_happens() {
        let console = console().await;
        let mut listener = listener(&console);
        console.store().remove_sessions(vec![SESSION.to_owned()]).await.unwrap();
        let mut heard = 0;
        while listener.next().await.is_some() {
            change(&console).await;
            heard += 1;
            assert!(heard < 100, "it goes on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_ends_with_the_server() {
        let console = console().await;
        let mut listener = listener(&console);
        console.config.stop.cancel();
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test]
    async fn there_are_so_many_listeners_and_no_more() {
        let console = console().await;
        let all: Vec<Listener> = (0..MAX_LISTENERS).map(|_| listener(&console)).collect();
        let refused = Listener::new(console.clone(), SESSION.to_owned());
        assert_eq!(refused.err().map(|error| error.status), Some(StatusCode::SERVICE_UNAVAILABLE));
        drop(all);
        assert!(Listener::new(console, SESSION.to_owned()).is_ok(), "a place is given back");
    }
}
