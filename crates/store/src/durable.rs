//! Everything that makes a file survive a crash.
//!
//! Promise: after `Ok`, the file and its name are on disk. A file's content is synced with the file, its name with the
//! folder that lists it; either alone can vanish. SQLite syncs its own files; every other sync of the crate is here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;

/// Only the owner may look into the data folder.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Creates the folder, and those above it, unless they are there; the names of those made here are then on disk.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), create_folder)?;
    make_folder(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Creates folders in `parent` that are not there, and then makes their names durable with one sync.
pub(crate) fn create_folders(parent: &Path, names: impl Iterator<Item = String>) -> Result<(), StoreError> {
    for name in names {
        let folder = parent.join(name);
        if !folder.is_dir() {
            make_folder(&folder)?;
        }
    }
    // Also when all are there: whoever made them may have crashed before this line.
    sync_folder(parent)
}

/// Another process may make the same folder at the same time.
fn make_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(FOLDER_MODE).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error(folder, &error)),
        _ => Ok(()),
    }
}

/// A new file that nobody else may read. Fails when the name is taken.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Creates the file, empty, unless it is there.
pub(crate) fn touch_file(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path);
    opened.map_err(|error| io_error(path, &error))
}

/// Makes the content of `file` durable, and then its name.
pub(crate) fn sync_file(file: &File, path: &Path) -> Result<(), StoreError> {
    file.sync_all().map_err(|error| io_error(path, &error))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes a file that is whole or not there: under another name first, then moved into place.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let staged = path.with_extension("tmp");
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&staged, &error)),
        _ => {}
    }
    let mut file = create_file(&staged).map_err(|error| io_error(&staged, &error))?;
    file.write_all(content).map_err(|error| io_error(&staged, &error))?;
    sync_file(&file, &staged)?;
    rename_file(&staged, path)
}

pub(crate) fn rename_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|error| io_error(to, &error))?;
    to.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    // A path of one component has the parent "", which names the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let synced = File::open(folder).and_then(|opened| opened.sync_all());
    synced.map_err(|error| io_error(folder, &error))
}

/// What an I/O error on `path` means to the caller.
pub(crate) fn io_error(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::DiskFull { place: path.display().to_string() }
        }
        _ => StoreError::Unavailable { detail: format!("{}: {error}", path.display()) },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("/dev/full");
        let error = OpenOptions::new().write(true).open(path).unwrap().write_all(b"x").unwrap_err();
        assert!(matches!(io_error(path, &error), StoreError::DiskFull { .. }));
        let missing = File::open("/nowhere/at/all").unwrap_err();
        assert!(matches!(io_error(path, &missing), StoreError::Unavailable { .. }));
    }

    #[test]
    fn only_the_owner_may_look() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a/b");
        create_folder(&folder).unwrap();
        replace_file(&folder.join("f"), b"1").unwrap();
        replace_file(&folder.join("f"), b"2").unwrap();
        assert_eq!(fs::read(folder.join("f")).unwrap(), b"2");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.join("f")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
