//! The first start: whoever can read the data folder may create the first administrator, once.
//!
//! Promise: there is no default password. The token is random, only the data folder's owner can read it, and it is gone
//! when there is an administrator who can sign in with a password: the last of those cannot be removed
//! (`super::users`), so the first start never comes again.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use settings::{Role, Settings, User, UserId};
use store::{SettingsChange, Store};
use subtle::ConstantTimeEq as _;

use super::change::{Decision, change};
use super::{Client, NewSession, SignInGate, password, random, session, user_name, users};
use crate::AdminError;

const FILE: &str = "setup-token";
/// 256 bits as base64url.
const TOKEN_CHARS: usize = 43;

/// The file `setup-token` in the data folder.
#[derive(Debug, Clone)]
pub struct SetupToken {
    file: PathBuf,
}

/// Whether there is no administrator with a password yet: the console shows its first-start page.
pub fn needs_setup(store: &dyn Store) -> bool {
    is_needed(&store.settings().borrow())
}

fn is_needed(settings: &Settings) -> bool {
    !settings.users.iter().any(users::is_lasting_administrator)
}

impl SetupToken {
    /// Writes the file (readable by its owner alone) if an administrator is missing and it is not there; removes it if
    /// there is one. Called at start. [`Self::file`] says where it is, for the log.
    pub fn ensure(data_dir: &Path, store: &dyn Store) -> Result<Self, AdminError> {
        let setup = Self { file: data_dir.join(FILE) };
        if !needs_setup(store) {
            setup.remove();
        } else if setup.read().is_none() {
            setup.write()?;
        }
        Ok(setup)
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The token in the file; `None`: setup is over, or the file is gone. For the demo, which prints a link.
    pub fn read(&self) -> Option<SecretString> {
        let text = fs::read_to_string(&self.file).ok()?;
        let token = text.trim();
        // A file cut short by a crash is none.
        (token.len() == TOKEN_CHARS).then(|| token.to_owned().into())
    }

    fn write(&self) -> Result<(), AdminError> {
        let token = random::token()?;
        let failed = |error: &std::io::Error| {
            AdminError::refused(
                format!("{} cannot be written: {error}", self.file.display()),
                "Make the data folder writable for the user that runs Postern.",
            )
        };
        let new = self.file.with_extension(random::id("new")?);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
            // The umask may take more away, and nothing else may add to it.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(token.expose_secret().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
        // Complete under its name, or not there.
        written.and_then(|()| fs::rename(&new, &self.file)).map_err(|error| failed(&error)).inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }

    fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != ErrorKind::NotFound
        {
            // It is worth nothing any more; but somebody may wonder.
            tracing::warn!(event = "setup_token_not_removed", file = %self.file.display(), %error);
        }
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
        if !needs_setup(store) {
            self.remove();
            return Err(is_over());
        }
        self.check(token)?;
        let name = user_name::check("user", name)?;
        password::check(password, name)?;
        let user = User {
            id: UserId(random::id("user")?),
            name: name.to_owned(),
            role: Role::Administrator,
            password_hash: Some(gate.hash(password).await?),
            totp: None,
            openid: None,
            disabled: false,
            created_at: now,
        };
        change::<(), AdminError>(store, name, "setup_completed", now, |settings| {
            if !is_needed(settings) {
                return Err(is_over());
            }
            users::must_be_free(settings, name)?;
            let detail = json!({ "user": name, "role": user.role.name(), "peer": client.peer });
            Ok(Decision { changes: vec![SettingsChange::PutUser(user.clone())], detail, outcome: () })
        })
        .await?;
        self.remove();
        session::begin(store, &user, client, now).await?.ok_or_else(is_over)
    }

    fn check(&self, token: &SecretString) -> Result<(), AdminError> {
        let expected = self.read().ok_or_else(|| {
            AdminError::refused(
                format!("there is no usable set-up token in {}", self.file.display()),
                "Start the server again: it writes a new one.",
            )
        })?;
        let given = token.expose_secret().trim().as_bytes();
        if expected.expose_secret().as_bytes().ct_eq(given).into() {
            return Ok(());
        }
        tracing::warn!(event = "setup_token_wrong");
        Err(AdminError::refused(
            "the set-up token is not right",
            format!("Copy it from the file {} on the server.", self.file.display()),
        ))
    }
}

fn is_over() -> AdminError {
    AdminError::refused("the first start is over: there is an administrator", "Sign in.")
}
