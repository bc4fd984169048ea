//! The model's sessions and grants.

use jiff::Timestamp;
use settings::{ConnectionId, Sealed, UserId};

use super::State;
use crate::{Change, Grant, Session};

impl State {
    pub(super) fn sessions(&self, user: Option<&UserId>) -> Vec<Session> {
        let wanted = self.sessions.values().filter(|session| user.is_none_or(|user| session.user == *user));
        let mut found: Vec<Session> = wanted.cloned().collect();
        found.sort_by(|a, b| b.last_seen_at.cmp(&a.last_seen_at).then_with(|| a.digest.cmp(&b.digest)));
        found
    }

    pub(super) fn purge_sessions(&mut self, idle_since: Timestamp, created_before: Timestamp) -> u64 {
        let before = self.sessions.len();
        let lives = |session: &Session| session.last_seen_at >= idle_since && session.created_at >= created_before;
        self.sessions.retain(|_, session| lives(session));
        (before - self.sessions.len()).try_into().unwrap_or(u64::MAX)
    }

    pub(super) fn put_grant(&mut self, connection: &ConnectionId, grant: Option<Grant>) {
        match grant {
            Some(grant) => drop(self.grants.insert(connection.clone(), grant)),
            None => drop(self.grants.remove(connection)),
        }
        self.news.push(Change::Grant(connection.clone()));
    }

    pub(super) fn put_grant_if(&mut self, connection: &ConnectionId, expected: &Sealed, grant: Grant) -> bool {
        let known = self.grants.get_mut(connection).filter(|known| known.refresh_token == *expected);
        let Some(known) = known else { return false };
        let is_news = grant.is_news_after(known);
        *known = grant;
        if is_news {
            self.news.push(Change::Grant(connection.clone()));
        }
        true
    }
}
