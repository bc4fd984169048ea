//! One server on a data folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::StoreError;
use crate::durable::{create_folder, io_error, touch_file};

const LOCK_FILE: &str = "server.lock";

/// Held by the process that serves; the operating system lets it go when the process ends, however it ends.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Fails with `Conflict` when another server works on the folder.
    pub fn acquire(data_dir: &Path) -> Result<Self, StoreError> {
        create_folder(data_dir)?;
        let path = data_dir.join(LOCK_FILE);
        let file = touch_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let reason = format!("another Postern server works on {}: stop it first", data_dir.display());
                Err(StoreError::Conflict { reason })
            }
            Err(TryLockError::Error(error)) => Err(io_error(&path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let lock = ServerLock::acquire(temp.path()).unwrap();
        let second = ServerLock::acquire(temp.path());
        assert!(matches!(second, Err(StoreError::Conflict { .. })));
        drop(lock);
        assert!(ServerLock::acquire(temp.path()).is_ok());
    }
}
