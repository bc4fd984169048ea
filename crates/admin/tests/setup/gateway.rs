//! A store to apply setup files to.

use std::path::Path;

use admin::{Actor, AdminError, Applied, Mode, Refused, SecretSource, SetupFile, apply, export};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use settings::{Sealed, Settings};
use store::sqlite::SqliteStore;
use store::{SecretField, Store as _};

/// Two tenants' worth of nothing special: what the tests change.
pub(crate) const TENANT: &str = "[[tenant]]\nname='Contoso'\ntenant_id='contoso.test'\nclient_id='c-1'\n";
pub(crate) const GRAPH: &str =
    "[[connection]]\nname='Graph'\nservice='Microsoft Entra ID Graph API'\ntenant='Contoso'\n";
pub(crate) const SERVER: &str = "[[connection]]\nname='Server'\nservice='SMTP Server'\nhost='mail.test'\n";

pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    store: SqliteStore,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path()).unwrap();
        Self { folder, store }
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Files are looked for in the folder of the store.
    async fn try_apply(&self, text: &str) -> Result<Applied, AdminError> {
        let file = SetupFile::parse("setup.toml", text)?;
        let secrets = SecretSource::new(self.folder.path());
        apply(&self.store, &Actor::command_line(), &file, &secrets, Mode::Change, Timestamp::now()).await
    }

    /// What changed, in words.
    pub(crate) async fn apply(&self, text: &str) -> String {
        let applied = self.try_apply(text).await.unwrap();
        applied.diff.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    pub(crate) async fn refusal(&self, text: &str) -> Refused {
        let before = self.settings();
        let Err(AdminError::Refused(refused)) = self.try_apply(text).await else { panic!("not refused: {text}") };
        assert_eq!(before, self.settings(), "a refused file changes nothing");
        refused
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::clone(&self.store.settings().borrow())
    }

    pub(crate) fn export(&self) -> String {
        export(&self.store, &Actor::command_line()).unwrap()
    }

    pub(crate) fn opened(&self, table: &'static str, id: &str, field: &'static str, sealed: &Sealed) -> String {
        let place = SecretField::new(table, id.to_owned(), field);
        self.store.key_ring().open(&place, sealed).unwrap().expose_secret().to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(Path::new(self.folder.path()).join(name), text).unwrap();
    }
}
