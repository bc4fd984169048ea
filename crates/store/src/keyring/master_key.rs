//! The master key: 32 random octets in a file of their own, so that a copied database opens nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KEY_BYTES, Key, KeyRingError, decrypt, encrypt, random_key};
use crate::StoreError;
use crate::durable::{io_error, rename_file, replace_file};

pub(crate) struct MasterKey {
    key: Key,
}

impl MasterKey {
    /// Reads the file; `Ok(None)`: it is not there. A file that others may read, or of the wrong length, is refused.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let refused = |detail: String| StoreError::Unavailable { detail: format!("{}: {detail}", path.display()) };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path, &error)),
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refused(format!("others may read this key (mode {mode:o}): chmod 600 it")));
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(|error| io_error(path, &error))?);
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
        let key = key.map_err(|_| refused(format!("a master key has {KEY_BYTES} octets, not {}", bytes.len())))?;
        Ok(Some(Self { key: Zeroizing::new(key) }))
    }

    /// A new key, durable in the file before it is used.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let key = random_key().map_err(|error| StoreError::Unavailable { detail: error.to_string() })?;
        replace_file(path, key.as_slice())?;
        Ok(Self { key })
    }

    /// Where the next master key waits while the data keys are wrapped anew.
    pub(crate) fn next_path(path: &Path) -> PathBuf {
        path.with_extension("key.next")
    }

    /// Makes the next master key the one.
    pub(crate) fn promote_next(path: &Path) -> Result<(), StoreError> {
        rename_file(&Self::next_path(path), path)
    }

    pub(crate) fn wrap(&self, key_id: u32, key: &Key) -> Result<String, KeyRingError> {
        encrypt(&self.key, &associated_data(key_id), key.as_slice())
    }

    pub(crate) fn unwrap_key(&self, key_id: u32, wrapped: &str) -> Result<Key, KeyRingError> {
        let clear = decrypt(&self.key, &associated_data(key_id), wrapped).ok_or(KeyRingError::WrongMasterKey)?;
        <[u8; KEY_BYTES]>::try_from(clear.as_slice()).map(Zeroizing::new).map_err(|_| KeyRingError::WrongMasterKey)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

fn associated_data(key_id: u32) -> Vec<u8> {
    format!("key_ring/{key_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_may_read_or_of_another_length_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("master.key");
        assert!(MasterKey::read(&path).unwrap().is_none());
        MasterKey::create(&path).unwrap();
        assert!(MasterKey::read(&path).unwrap().is_some());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(MasterKey::read(&path).unwrap_err().to_string().contains("mode 640"));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0; 31]).unwrap();
        assert!(MasterKey::read(&path).unwrap_err().to_string().contains("not 31"));
    }

    #[test]
    fn only_the_key_that_wrapped_unwraps() {
        let temp = tempfile::tempdir().unwrap();
        let master = MasterKey::create(&temp.path().join("a")).unwrap();
        let other = MasterKey::create(&temp.path().join("b")).unwrap();
        let key = random_key().unwrap();
        let wrapped = master.wrap(3, &key).unwrap();
        assert_eq!(master.unwrap_key(3, &wrapped).unwrap(), key);
        assert_eq!(master.unwrap_key(4, &wrapped).unwrap_err(), KeyRingError::WrongMasterKey); // moved to another row
        assert_eq!(other.unwrap_key(3, &wrapped).unwrap_err(), KeyRingError::WrongMasterKey);
    }
}
