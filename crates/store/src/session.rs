//! Sessions of the console, and delegated grants: state that changes without being a setting.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::{Sealed, UserId};

use crate::Explanation;

/// Somebody is signed in. The token itself is in their browser alone; here is its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Keyed digest of the token, hex.
    pub digest: String,
    pub user: UserId,
    pub created_at: Timestamp,
    /// To the minute: a page view must not cost a write.
    pub last_seen_at: Timestamp,
    /// When the person last proved who they are: changing a secret asks that this is not long ago.
    pub authenticated_at: Timestamp,
    pub peer: Option<std::net::IpAddr>,
    pub user_agent: Option<String>,
}

/// What a user allowed a delegated connection to do, and still does as long as its refresh token lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Sealed for `grant`, the connection's id, `refresh_token`.
    pub refresh_token: Sealed,
    /// Who signed in: the user principal name.
    pub user: String,
    pub scopes: Vec<String>,
    pub signed_in_at: Timestamp,
    /// When the refresh token was last exchanged.
    pub refreshed_at: Timestamp,
    /// Why it is over: somebody must sign in again.
    pub dead: Option<Explanation>,
}

impl Grant {
    /// Whether somebody must hear that this took the place of `earlier`: it died, or is alive again.
    pub(crate) fn is_news_after(&self, earlier: &Self) -> bool {
        self.dead.is_some() != earlier.dead.is_some()
    }
}
