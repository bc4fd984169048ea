//! One claim a test, asked of every store.

mod arrival;
mod bounces;
mod delivery;
mod emptying;
mod history;
mod holding;
mod kept;
mod operations;
mod outcomes;
mod people;
mod search;
mod settings;
mod turns;

use std::sync::Arc;

use store::Store;
use store::model::ModelStore;
use store::sqlite::SqliteStore;

/// The stores, each empty; the folder goes with the value.
struct Stores {
    _folder: tempfile::TempDir,
    all: [Arc<dyn Store>; 2],
}

fn stores() -> Stores {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(folder.path()).unwrap();
    Stores { _folder: folder, all: [Arc::new(ModelStore::default()), Arc::new(sqlite)] }
}

impl<'s> IntoIterator for &'s Stores {
    type Item = &'s dyn Store;
    type IntoIter = std::vec::IntoIter<&'s dyn Store>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter().map(|store| &**store).collect::<Vec<_>>().into_iter()
    }
}
