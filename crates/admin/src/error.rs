//! What can go wrong with an operation, named by what the caller can do about it.

use std::fmt;

use store::StoreError;

/// What was asked cannot be done as asked: why, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub what: String,
    pub fix: String,
    /// Which entry of what was asked is at fault, by the name setup files and forms have for it.
    pub field: Option<&'static str>,
}

impl Refused {
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), field: None }
    }

    /// The same, and which entry is at fault.
    #[must_use]
    pub fn at(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refused {}

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("this needs the role {needed}")]
    Forbidden { needed: &'static str },
    /// The person must prove again who they are, then ask again.
    #[error("this needs a fresh sign-in")]
    StaleSignIn,
    /// The caller must ask for something else.
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    pub(crate) fn refused(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Refused(Refused::new(what, fix))
    }

    /// What to do about it, in one sentence.
    pub fn fix(&self) -> String {
        match self {
            Self::Forbidden { .. } => "Ask an administrator to do it, or to give you the role.".to_owned(),
            Self::StaleSignIn => "Sign in again, then repeat it.".to_owned(),
            Self::Refused(refused) => refused.fix.clone(),
            Self::Store(error) => store_fix(error).to_owned(),
        }
    }
}

fn store_fix(error: &StoreError) -> &'static str {
    match error {
        StoreError::DiskFull { .. } => "Make room on that disk; nothing was changed.",
        StoreError::NotFound { .. } => "List what exists, with 'postern queue list' or 'postern connection list'.",
        StoreError::Conflict { .. } => "Nothing was changed.",
        StoreError::SettingsChanged { .. } => "Run it again.",
        StoreError::Unreadable { .. } => "Nothing was deleted. Restore the file from a backup, or delete the message.",
        _ => "Look at the log of the server, and run 'postern doctor'.",
    }
}
