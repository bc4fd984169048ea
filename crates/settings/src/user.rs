//! People who administer Postern, and programs that do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Sealed;

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

/// Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works on messages.
    Operator,
    /// Changes settings.
    Administrator,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Somebody who may sign in to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// What is typed at sign-in and shown in the audit log; unique, letter case ignored.
    pub name: String,
    pub role: Role,
    /// argon2id PHC string; `None`: signs in with the OpenID provider only.
    pub password_hash: Option<String>,
    /// Second factor (RFC 6238): secret and digests of the recovery codes left, sealed; `None`: no second factor.
    pub totp: Option<Sealed>,
    /// `issuer` and `sub` of the OpenID provider's user, if this one came from there.
    pub openid: Option<OpenIdSubject>,
    pub disabled: bool,
    pub created_at: Timestamp,
}

/// Who somebody is at the OpenID provider: the only two claims that never change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenIdSubject {
    pub issuer: String,
    pub subject: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiTokenId(pub String);

/// A bearer token for the administrator's calls of the HTTP API. Submission accounts have tokens of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    pub id: ApiTokenId,
    /// What it is for; shown in the audit log as the actor.
    pub name: String,
    pub role: Role,
    /// Keyed digest, hex. The token itself was shown once.
    pub digest: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl ApiToken {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}
