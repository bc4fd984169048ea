//! The folder of bodies that are too large for a row.
//!
//! Promise: a [`SpoolFile`] that was finished is on disk, with its name. Its row is written after that and is what makes
//! the message exist, so a crash in between leaves a file that nothing names; [`Spool::remove_orphans`] finds those.
//!
//! Left to others: which files are still named (the database says).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::StoreError;
use crate::durable::{create_file, create_folder, create_folders, io_error, sync_file};

const CHECK_CHUNK_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// What the row keeps of a spooled body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpoolName {
    /// 32 hex digits.
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) crc32: u32,
}

impl Spool {
    /// The folders for bodies are made here, all at once: made when first needed, one thread could put a file into a
    /// folder whose name another has not made durable yet.
    pub(crate) fn open(folder: PathBuf) -> Result<Arc<Self>, StoreError> {
        create_folder(&folder)?;
        create_folders(&folder, (0..=u8::MAX).map(|number| format!("{number:02x}")))?;
        Ok(Arc::new(Self { folder }))
    }

    /// In one of 256 folders, so that none grows to a million files.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name.get(..2).unwrap_or("00")).join(name)
    }

    /// A new file to write a body into. Dropped before it is kept, it is removed.
    pub(crate) fn create(self: &Arc<Self>) -> Result<SpoolFile, StoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| StoreError::Unavailable { detail: format!("no random numbers: {error}") })?;
        let name = format!("{:032x}", u128::from_be_bytes(random));
        let path = self.path(&name);
        let file = create_file(&path).map_err(|error| io_error(&path, &error))?;
        let digest = crc32fast::Hasher::new();
        let guard = SpoolGuard { path, armed: true };
        Ok(SpoolFile { file, guard, name, length: 0, digest })
    }

    /// Opens a body for reading, after its length and checksum were found right.
    pub(crate) fn open_checked(&self, expected: &SpoolName) -> Result<File, StoreError> {
        let path = self.path(&expected.name);
        let damaged = |detail: &str| StoreError::Unreadable { detail: format!("body {}: {detail}", path.display()) };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the file is missing")),
            Err(error) => return Err(io_error(&path, &error)),
        };
        let (length, crc32) = measure(&mut file).map_err(|error| damaged(&error.to_string()))?;
        if length != expected.length {
            return Err(damaged(&format!("{length} octets where {} were written", expected.length)));
        }
        if crc32 != expected.crc32 {
            return Err(damaged("the checksum is wrong"));
        }
        io::Seek::rewind(&mut file).map_err(|error| io_error(&path, &error))?;
        Ok(file)
    }

    /// Removes a body whose row is gone. One that is gone already is fine; one that stays is found by the next sweep.
    pub(crate) fn remove(&self, name: &str) {
        remove_quietly(&self.path(name));
    }

    /// Removes files that were not touched since `untouched_since` and that `is_named` does not know; returns how many.
    pub(crate) fn remove_orphans(
        &self,
        untouched_since: SystemTime,
        mut is_named: impl FnMut(&str) -> Result<bool, StoreError>,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        for folder in entries(&self.folder)? {
            for entry in entries(&folder.path())? {
                let touched = entry.metadata().and_then(|metadata| metadata.modified());
                let name = entry.file_name();
                let (Ok(touched), Some(name)) = (touched, name.to_str()) else { continue };
                if touched < untouched_since && !is_named(name)? {
                    tracing::info!(event = "spool_orphan_removed", name);
                    remove_quietly(&entry.path());
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect);
    entries.map_err(|error| io_error(folder, &error))
}

fn measure(file: &mut File) -> io::Result<(u64, u32)> {
    let mut digest = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHECK_CHUNK_BYTES];
    let mut length = 0_u64;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok((length, digest.finalize()));
        }
        digest.update(chunk.get(..count).unwrap_or_default());
        length = length.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// A spool file that is being written.
#[derive(Debug)]
pub(crate) struct SpoolFile {
    file: File,
    guard: SpoolGuard,
    name: String,
    length: u64,
    digest: crc32fast::Hasher,
}

impl SpoolFile {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|error| io_error(&self.guard.path, &error))?;
        self.digest.update(bytes);
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Syncs the file and its folder.
    pub(crate) fn finish(self) -> Result<(SpoolName, SpoolGuard), StoreError> {
        sync_file(&self.file, &self.guard.path)?;
        let name = SpoolName { name: self.name, length: self.length, crc32: self.digest.finalize() };
        Ok((name, self.guard))
    }
}

/// Removes the file when dropped, unless it was kept: a body without a row is nobody's.
#[derive(Debug)]
pub(crate) struct SpoolGuard {
    path: PathBuf,
    armed: bool,
}

impl SpoolGuard {
    pub(crate) fn keep(&mut self) {
        self.armed = false;
    }
}

impl Drop for SpoolGuard {
    fn drop(&mut self) {
        if self.armed {
            remove_quietly(&self.path);
        }
    }
}

/// A file that cannot be removed costs room, not mail: said in the log, and met again by the next sweep.
fn remove_quietly(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(event = "spool_file_not_removed", path = %path.display(), %error);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spooled(spool: &Arc<Spool>, bytes: &[u8]) -> (SpoolName, SpoolGuard) {
        let mut file = spool.create().unwrap();
        file.write(bytes).unwrap();
        file.finish().unwrap()
    }

    #[test]
    fn damage_is_noticed_before_a_byte_is_handed_out() {
        let temp = tempfile::tempdir().unwrap();
        let spool = Spool::open(temp.path().join("spool")).unwrap();
        for (damage, what) in [
            (Some(b"body!".as_slice()), "checksum"), // same length, another content
            (Some(b"bod"), "octets"),                // cut off
            (None, "missing"),
        ] {
            let (name, _guard) = spooled(&spool, b"body.");
            assert!(spool.open_checked(&name).is_ok());
            match damage {
                Some(bytes) => fs::write(spool.path(&name.name), bytes).unwrap(),
                None => fs::remove_file(spool.path(&name.name)).unwrap(),
            }
            let error = spool.open_checked(&name).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn only_old_files_without_a_row_are_orphans() {
        let temp = tempfile::tempdir().unwrap();
        let spool = Spool::open(temp.path().join("spool")).unwrap();
        let (named, _a) = spooled(&spool, b"named");
        let (orphan, _b) = spooled(&spool, b"orphan");
        let hour = Duration::from_hours(1);
        let sweep = |since| spool.remove_orphans(since, |name| Ok(name == named.name)).unwrap();
        assert_eq!(sweep(SystemTime::now() - hour), 0); // too young: another process may be about to write its row
        assert_eq!(sweep(SystemTime::now() + hour), 1);
        assert!(spool.open_checked(&named).is_ok());
        assert!(spool.open_checked(&orphan).is_err());
    }

    #[test]
    fn a_file_that_was_not_kept_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let spool = Spool::open(temp.path().join("spool")).unwrap();
        let (dropped, guard) = spooled(&spool, b"1");
        drop(guard);
        let (kept, mut guard) = spooled(&spool, b"2");
        guard.keep();
        drop(guard);
        assert!(!spool.path(&dropped.name).exists());
        assert!(spool.path(&kept.name).exists());
    }
}
