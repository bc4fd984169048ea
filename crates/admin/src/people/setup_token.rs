//! The first start: whoever can read the data folder may create the first administrator, once.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;
use store::Store;

use super::{Client, NewSession, SignInGate};
use crate::AdminError;

/// The file `setup-token` in the data folder.
#[derive(Debug, Clone)]
pub struct SetupToken {
    file: PathBuf,
}

/// Whether there is no administrator with a password yet: the console shows its first-start page.
pub fn needs_setup(store: &dyn Store) -> bool {
    todo!()
}

impl SetupToken {
    /// Writes the file (readable by its owner alone) if an administrator is missing and it is not there; removes it if
    /// there is one. Called at start. [`Self::file`] says where it is, for the log.
    pub fn ensure(data_dir: &Path, store: &dyn Store) -> Result<Self, AdminError> {
        todo!()
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The token in the file; `None`: setup is over, or the file is gone. For the demo, which prints a link.
    pub fn read(&self) -> Option<SecretString> {
        todo!()
    }

    /// Creates the first administrator and signs them in. Of several calls at once exactly one succeeds.
    #[allow(clippy::too_many_arguments, reason = "each is one thing the form or the connection says")]
    pub async fn complete_setup(
        &self,
        store: &dyn Store,
        gate: &SignInGate,
        token: &SecretString,
        name: &str,
        password: &SecretString,
        client: &Client,
        now: Timestamp,
    ) -> Result<NewSession, AdminError> {
        todo!()
    }
}
