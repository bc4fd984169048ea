//! The files by which Azure Arc knows who may ask: readable for the agent's own group alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::guid;
use crate::state::lock;

/// More are never asked for at once; the oldest goes.
const KEPT: usize = 16;

/// Keys that were handed out and not used.
#[derive(Debug, Default)]
pub(crate) struct ArcKeys(Mutex<Vec<(String, PathBuf)>>);

impl ArcKeys {
    /// Writes a new key into `folder` and returns its file.
    pub(super) fn hand_out(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join(format!("{}.key", guid::random()));
        let key = guid::random();
        std::fs::write(&path, &key)?;
        let mut keys = lock(&self.0);
        keys.push((key, path.clone()));
        if keys.len() > KEPT {
            let (_, old) = keys.remove(0);
            forget(&old);
        }
        Ok(path)
    }

    /// Whether it is one of them; it is none from then on.
    pub(super) fn take(&self, key: &str) -> bool {
        let mut keys = lock(&self.0);
        let Some(index) = keys.iter().position(|(known, _)| known == key) else { return false };
        let (_, path) = keys.remove(index);
        forget(&path);
        true
    }
}

impl Drop for ArcKeys {
    fn drop(&mut self) {
        lock(&self.0).iter().for_each(|(_, path)| forget(path));
    }
}

fn forget(path: &Path) {
    // Gone already is as good.
    let _ = std::fs::remove_file(path);
}
